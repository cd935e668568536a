/** Forwarding, who has read, and any emoji as a reaction. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { failure } from "../../engine/here";
import { chats, ordered, people, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { Row } from "../../store/schema";
import { wordsOf } from "../../store/text";
import { EmojiPicker } from "../composer/emoji";
import { Dialog } from "../dialog";
import { clock, full, personName, refusal, titleOf } from "../format";
import { Icon } from "../icon";
import { ChatAvatar, PersonAvatar, Spinner } from "../parts";
import { go } from "../route";
import { type Ask, mayWrite } from "./rowmenu";
import type { ThreadState } from "./thread";

export function AskedMore({ ask, state, onClose }: { ask: Ask; state: ThreadState; onClose(): void }) {
  if (ask.what === "forward")
    return (
      <Forward
        rows={ask.rows}
        onClose={() => {
          state.selected.value = null;
          onClose();
        }}
      />
    );
  if (ask.what === "info") return <Info row={ask.row} onClose={onClose} />;
  if (ask.what === "emoji")
    return (
      <Dialog title={t("react")} onClose={onClose} class="narrow">
        <EmojiPicker
          onPick={(emoji) => {
            void actions.react(ask.row, emoji);
            onClose();
          }}
        />
      </Dialog>
    );
  return null;
}

/** Choose one or more chats. */
export function ChatPicker(props: { title: string; action: string; onPick(ids: string[]): void; onClose(): void }) {
  const query = useSignal("");
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const words = wordsOf(query.value);
  const rows = ordered.value.filter((row) => {
    const held = wordsOf(titleOf(row.chat));
    return mayWrite(row.chat) && words.every((word) => held.some((one) => one.startsWith(word)));
  });
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      class="narrow tall"
      foot={
        <button
          type="button"
          class="button"
          disabled={!chosen.value.size}
          onClick={() => props.onPick([...chosen.value])}
        >
          <Icon name="send" /> {props.action}
        </button>
      }
    >
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          autoComplete="off"
          placeholder={t("search")}
          aria-label={t("search")}
          onInput={(event) => (query.value = event.currentTarget.value)}
        />
      </div>
      {rows.map((row) => (
        <label class="row" key={row.id}>
          <ChatAvatar chat={row.chat} size="s" />
          <span class="row-text">
            <b dir="auto">{titleOf(row.chat)}</b>
          </span>
          <input
            type="checkbox"
            checked={chosen.value.has(row.id)}
            onChange={() => {
              const next = new Set(chosen.value);
              if (!next.delete(row.id) && next.size < 5) next.add(row.id);
              chosen.value = next;
            }}
          />
        </label>
      ))}
    </Dialog>
  );
}

function Forward({ rows, onClose }: { rows: Row[]; onClose(): void }) {
  const send = async (ids: string[]) => {
    try {
      await actions.forward(rows, ids);
      say(t("forwardedDone", { n: ids.length }));
      if (ids.length === 1) go(`/chat/${ids[0]}`);
    } catch (error) {
      say(refusal(failure(error).code));
    }
    onClose();
  };
  return <ChatPicker title={t("forwardTo")} action={t("send")} onPick={(ids) => void send(ids)} onClose={onClose} />;
}

function Info({ row, onClose }: { row: Row; onClose(): void }) {
  const found = useSignal<{ userId: string; deliveredAt: string | null; readAt: string | null }[] | null>(null);
  useEffect(() => {
    actions.receipts(row).then(
      async ({ items }) => {
        await actions.meet(items.map((item) => item.userId));
        found.value = items;
      },
      (error) => {
        say(refusal(failure(error).code));
        onClose();
      },
    );
  }, []);
  const chat = chats.value.get(row.chatId);
  const parts: [string, typeof found.value][] = [
    [t("readBy"), found.value?.filter((one) => one.readAt) ?? null],
    [t("deliveredTo"), found.value?.filter((one) => one.deliveredAt && !one.readAt) ?? null],
    [t("notYetDelivered"), found.value?.filter((one) => !one.deliveredAt && !one.readAt) ?? null],
  ];
  return (
    <Dialog title={t("messageInfo")} onClose={onClose} class="narrow">
      <p class="hint">
        {t("sentAt", { when: full(row.message.createdAt) })}
        {row.message.editedAt && ` · ${t("editedAt", { when: clock(row.message.editedAt) })}`}
      </p>
      {found.value === null ? (
        <Spinner />
      ) : (
        parts.map(
          ([title, people_]) =>
            people_ &&
            people_.length > 0 && (
              <section key={title}>
                <h3>{title}</h3>
                {people_.map((one) => {
                  const user =
                    people.value.get(one.userId) ?? (chat?.chat.peer?.id === one.userId ? chat.chat.peer : undefined);
                  return (
                    <div class="row" key={one.userId}>
                      {user && <PersonAvatar user={user} size="s" />}
                      <span class="row-text">
                        <b dir="auto">{personName(user)}</b>
                        <small>{one.readAt || one.deliveredAt ? full((one.readAt ?? one.deliveredAt)!) : ""}</small>
                      </span>
                    </div>
                  );
                })}
              </section>
            ),
        )
      )}
    </Dialog>
  );
}
