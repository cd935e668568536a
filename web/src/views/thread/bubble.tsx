/** One message. */

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine } from "../../engine/here";
import { chats, me, people, progress } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { Row } from "../../store/schema";
import type { Message } from "../../sync/wire";
import {
  CONTENT_ICON,
  clock,
  contentLine,
  full,
  nameOf,
  noticeLine,
  personName,
  refusal,
  type Tick as TickState,
} from "../format";
import { Icon, IconButton } from "../icon";
import { plain } from "../marks";
import { memo } from "../memo";
import { Menu } from "../menu";
import { PersonAvatar, tint } from "../parts";
import { isJumbo, Rich } from "../text";
import { Content } from "./content";
import { itemsOf, QUICK } from "./rowmenu";
import type { ThreadState } from "./thread";
import { Tick } from "./tick";
import { keyOf } from "./window";

const LONG_MS = 450;
const SWIPE_PX = 52;

const menu = signal<{ id: string; x: number; y: number } | null>(null);

interface Props {
  row: Row;
  state: ThreadState;
  /** Of its chat what it shows, so that a bubble is not drawn again for all else that happens there. */
  tick: TickState | null;
  pinned: boolean;
  may: boolean;
  group: boolean;
  first: boolean;
  last: boolean;
}

export const Bubble = memo(function Bubble(props: Props) {
  const { row, state, group } = props;
  const { message } = row;
  if (message.kind === "notice" && !group && (message.content as { event?: string } | null)?.event === "chat.created")
    return null;
  if (message.kind === "notice")
    return (
      <div class="notice" data-key={row.id} data-seq={message.seq ?? undefined}>
        <span>{noticeLine(message)}</span>
      </div>
    );
  const mine = message.senderId === me.value?.id;
  const sender = people.value.get(message.senderId ?? "");
  const selected = state.selected.value?.has(row.id);
  const kind = message.content?.kind;
  const jumbo = kind === "text" && !message.replyTo && isJumbo((message.content as { text: string }).text);
  const bare = (kind === "sticker" || jumbo) && !message.deletedAt;
  const media = kind === "image" || kind === "video";
  return (
    <article
      class={[
        "message",
        mine ? "mine" : "theirs",
        props.first ? "first" : "",
        props.last ? "last" : "",
        selected ? "selected" : "",
        state.flash.value === row.id ? "flash" : "",
      ].join(" ")}
      data-key={keyOf(row)}
      data-seq={message.seq ?? undefined}
      data-id={message.messageId ?? undefined}
      aria-label={`${nameOf(message.senderId)}, ${clock(message.createdAt)}`}
      {...useGestures(row, state)}
    >
      {group && !mine && <span class="gutter">{props.last && sender && <PersonAvatar user={sender} size="s" />}</span>}
      {state.selected.value && (
        <input
          type="checkbox"
          class="picker"
          checked={selected}
          aria-label={t("select")}
          onChange={() => state.select(row)}
        />
      )}
      <div class={`bubble ${bare ? "bare" : ""} ${jumbo ? "jumbo" : ""} ${media ? "media" : ""}`} dir="auto">
        {group && !mine && props.first && !bare && (
          <span class={`sender ${tint(message.senderId ?? "")}`} dir="auto">
            {personName(sender)}
          </span>
        )}
        {Boolean(message.forwarded) && !message.deletedAt && (
          <span class="forwarded">
            <Icon name="forward" /> {(message.forwarded ?? 0) > 4 ? t("forwardedOften") : t("forwarded")}
          </span>
        )}
        {message.replyTo && !message.deletedAt && <Quote reply={message.replyTo} state={state} />}
        {message.deletedAt ? (
          <span class="tombstone">
            <Icon name="ban" /> {mine ? t("youDeleted") : t("deletedMessage")}
          </span>
        ) : kind === "text" ? (
          <span class="text">
            <Rich text={(message.content as { text: string }).text} mentions={message.mentions} />
          </span>
        ) : (
          <Content row={row} state={state} />
        )}
        <span class="meta">
          {props.pinned && <Icon name="pin" />}
          {message.starred && <Icon name="star" />}
          {message.expiresAt && !message.deletedAt && <Icon name="timer" />}
          {message.editedAt && !message.deletedAt && <span>{t("edited")}</span>}
          <time dateTime={message.createdAt} title={full(message.createdAt)}>
            {clock(message.createdAt)}
          </time>
          {mine && !message.deletedAt && props.tick && <Tick tick={props.tick} />}
        </span>
        {row.state === "failed" && <Failed row={row} />}
        {row.state === "uploading" && <Going row={row} />}
      </div>
      {!state.selected.value && (
        <IconButton
          icon="chevron"
          class="bubble-menu"
          label={t("messageMenu")}
          onClick={(event) => {
            const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
            menu.value = { id: row.id, x: box.left, y: box.bottom };
          }}
        />
      )}
      {message.reactions && message.reactions.length > 0 && <Reactions row={row} may={props.may} />}
      {menu.value?.id === row.id && <BubbleMenu at={menu.value} row={row} state={state} may={props.may} />}
    </article>
  );
});

function BubbleMenu(props: { at: { x: number; y: number }; row: Row; state: ThreadState; may: boolean }) {
  const { row, state } = props;
  const chat = chats.value.get(row.chatId);
  return chat ? (
    <Menu
      at={props.at}
      items={itemsOf(row, chat, state)}
      onClose={() => (menu.value = null)}
      head={row.state === "stored" && !row.message.deletedAt && props.may && <QuickReactions row={row} state={state} />}
    />
  ) : null;
}

function QuickReactions({ row, state }: { row: Row; state: ThreadState }) {
  const own = row.message.reactions?.find((one) => one.mine)?.emoji;
  return (
    <div class="quick">
      {QUICK.map((emoji) => (
        <button
          type="button"
          role="menuitemcheckbox"
          key={emoji}
          aria-label={t("reactWith", { emoji })}
          aria-checked={own === emoji}
          onClick={() => {
            menu.value = null;
            void actions.react(row, own === emoji ? null : emoji);
          }}
        >
          {emoji}
        </button>
      ))}
      <button
        type="button"
        role="menuitem"
        aria-label={t("moreEmoji")}
        onClick={() => {
          menu.value = null;
          state.ask.value = { what: "emoji", row };
        }}
      >
        <Icon name="plus" />
      </button>
    </div>
  );
}

function Reactions({ row, may }: { row: Row; may: boolean }) {
  return (
    <div class="reactions">
      {row.message.reactions!.map((one) => (
        <button
          type="button"
          key={one.emoji}
          class={one.mine ? "mine" : ""}
          aria-pressed={one.mine}
          aria-label={t("reactions", { n: one.count, emoji: one.emoji })}
          disabled={!may}
          onClick={() => void actions.react(row, one.mine ? null : one.emoji)}
        >
          {one.emoji} {one.count > 1 && <span>{one.count}</span>}
        </button>
      ))}
    </div>
  );
}

function Quote({ reply, state }: { reply: NonNullable<Message["replyTo"]>; state: ThreadState }) {
  return (
    <button
      type="button"
      class={`quote ${tint(reply.senderId ?? "")}`}
      onClick={async () => {
        const held = await engine.store.row(reply.messageId);
        const seq = reply.seq ?? held?.message.seq;
        if (seq != null) state.jump(seq, reply.messageId);
      }}
    >
      <QuoteText id={reply.messageId} senderId={reply.senderId} preview={reply.preview} />
    </button>
  );
}

/** Of one's own unsent reply only the id is known: the store has the rest. */
export function QuoteText(props: { id: string; senderId?: string | null | undefined; preview?: string | undefined }) {
  const held = useHeld(props.preview === undefined ? props.id : "");
  const message = held?.message;
  const kind = message?.content?.kind;
  return (
    <>
      <b dir="auto">{nameOf(props.senderId ?? message?.senderId)}</b>
      <span dir="auto">
        {kind && kind in CONTENT_ICON && <Icon name={CONTENT_ICON[kind as keyof typeof CONTENT_ICON]} />}
        {props.preview === undefined ? contentLine(message?.content ?? null) : plain(props.preview)}
      </span>
    </>
  );
}

function useHeld(id: string): Row | undefined {
  const found = useSignal<Row | undefined>(undefined);
  useEffect(() => {
    if (id) void engine.store.row(id).then((row) => (found.value = row));
  }, [id]);
  return found.value;
}

function Failed({ row }: { row: Row }) {
  return (
    <span class="failed">
      <span>{refusal(row.error ?? "internal")}</span>
      <button type="button" onClick={() => void actions.retry(row)}>
        <Icon name="retry" /> {t("retry")}
      </button>
    </span>
  );
}

function Going({ row }: { row: Row }) {
  const share = progress.value.get(row.id.slice(1));
  return (
    <span class="going">
      <progress value={share ?? 0} max={1} aria-label={t("uploading")} />
      <IconButton icon="close" label={t("cancelUpload")} onClick={() => void actions.discard(row)} />
    </span>
  );
}

/** Right-click and long press open the menu, a swipe replies, a double click reacts. */
function useGestures(row: Row, state: ThreadState) {
  const press = useRef<{ x: number; y: number; timer: ReturnType<typeof setTimeout>; swiping: boolean } | null>(null);
  const open = (x: number, y: number) => {
    menu.value = { id: row.id, x, y };
  };
  const end = (event: PointerEvent) => {
    const held = press.current;
    if (!held) return;
    clearTimeout(held.timer);
    press.current = null;
    const box = event.currentTarget as HTMLElement;
    box.style.removeProperty("--swipe");
    const rtl = document.documentElement.dir === "rtl" ? -1 : 1;
    if (held.swiping && (event.clientX - held.x) * rtl > SWIPE_PX && row.state === "stored" && !row.message.deletedAt)
      state.replyTo.value = row;
  };
  return {
    onContextMenu: (event: MouseEvent) => {
      if ((event.target as HTMLElement).closest("a")) return;
      event.preventDefault();
      open(event.clientX, event.clientY);
    },
    onClick: (event: MouseEvent) => {
      if (!state.selected.value || (event.target as HTMLElement).closest("input, .menu-backdrop")) return;
      event.preventDefault();
      state.select(row);
    },
    onDblClick: (event: MouseEvent) => {
      if (row.state !== "stored" || row.message.deletedAt || (event.target as HTMLElement).closest("button, a, .text"))
        return;
      state.replyTo.value = row;
    },
    onPointerDown: (event: PointerEvent) => {
      if (event.pointerType !== "touch" || (event.target as HTMLElement).closest(".menu-backdrop")) return;
      const { clientX: x, clientY: y } = event;
      const timer = setTimeout(() => {
        press.current = null;
        navigator.vibrate?.(8);
        open(x, y);
      }, LONG_MS);
      press.current = { x, y, timer, swiping: false };
    },
    onPointerMove: (event: PointerEvent) => {
      const held = press.current;
      if (!held) return;
      const rtl = document.documentElement.dir === "rtl" ? -1 : 1;
      const [dx, dy] = [(event.clientX - held.x) * rtl, Math.abs(event.clientY - held.y)];
      if (Math.abs(dx) > 8 || dy > 8) clearTimeout(held.timer);
      if (!held.swiping && dy > 12) press.current = null;
      else if (dx > 12) {
        held.swiping = true;
        (event.currentTarget as HTMLElement).style.setProperty("--swipe", `${Math.min(dx, 72) * rtl}px`);
      }
    },
    onPointerUp: end,
    onPointerCancel: end,
  };
}
