/** Chats, people and messages that match: from the local store at once, from the server when it answers. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine, failure } from "../../engine/here";
import { chats, me, ordered, people, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { search } from "../../store/search";
import { wordsOf } from "../../store/text";
import type { Message } from "../../sync/wire";
import { brief, contentLine, nameOf, personName, refusal, titleOf } from "../format";
import { rove } from "../keys";
import { ChatAvatar, Empty, PersonAvatar } from "../parts";
import { go, openMessage } from "../route";

const WAIT_MS = 150;

type Hit = Pick<Message, "chatId" | "senderId" | "content" | "createdAt"> & { messageId: string; seq: number };

/** A text with what was looked for standing out. */
export function Marked({ text, query }: { text: string; query: string }) {
  const words = wordsOf(query).map((word) => word.replace(/[^\p{L}\p{N}]/gu, ""));
  if (!words.length) return <>{text}</>;
  const parts = text.split(new RegExp(`(${words.join("|")})`, "giu"));
  return <>{parts.map((part, i) => (i % 2 ? <mark key={i}>{part}</mark> : part))}</>;
}

export function Results({ query, onOpen }: { query: string; onOpen(): void }) {
  const hits = useSignal<Hit[] | null>(null);
  useEffect(() => {
    let live = true;
    const timer = setTimeout(async () => {
      const all = new Map<string, Hit>();
      const show = (found: Hit[]) => {
        if (!live) return;
        for (const one of found) all.set(one.messageId, one);
        hits.value = [...all.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
      };
      const local = search(engine.store.db, query, undefined, 60, () => live).then((rows) =>
        rows.flatMap(({ message }): Hit[] =>
          message.messageId && message.seq !== null
            ? [{ ...message, messageId: message.messageId, seq: message.seq }]
            : [],
        ),
      );
      // Under a lock what is here may take seconds; the server is not waited for either.
      const remote = actions.searchServer(query).catch(() => []);
      await Promise.all([local.then(show), remote.then((found) => found.length && show(found))]);
    }, WAIT_MS);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [query]);

  const words = wordsOf(query);
  const matches = (name: string) => {
    const held = wordsOf(name);
    return words.every((word) => held.some((one) => one.startsWith(word)));
  };
  const found = ordered.value.filter((row) => matches(titleOf(row.chat))).slice(0, 8);
  const known = new Set(found.map((row) => row.chat.peer?.id));
  const others = [...people.value.values()]
    .filter((user) => user.id !== me.value?.id && !known.has(user.id) && matches(personName(user)))
    .slice(0, 6);
  if (hits.value && !hits.value.length && !found.length && !others.length)
    return <Empty icon="search" title={t("noResults")} text={t("noResultsText")} />;
  const chat = async (userId: string) => {
    try {
      go(`/chat/${await actions.openDirect(userId)}`);
      onOpen();
    } catch (error) {
      say(refusal(failure(error).code));
    }
  };
  return (
    <div class="chats results" onKeyDown={(event) => rove(event, "button.row")}>
      {found.length > 0 && <h2>{t("chats")}</h2>}
      {found.map((row) => (
        <button
          type="button"
          class="row"
          key={row.id}
          onClick={() => {
            go(`/chat/${row.id}`);
            onOpen();
          }}
        >
          <ChatAvatar chat={row.chat} />
          <span class="row-text">
            <b dir="auto">{titleOf(row.chat)}</b>
          </span>
        </button>
      ))}
      {others.length > 0 && <h2>{t("people")}</h2>}
      {others.map((user) => (
        <button type="button" class="row" key={user.id} onClick={() => void chat(user.id)}>
          <PersonAvatar user={user} />
          <span class="row-text">
            <b dir="auto">{personName(user)}</b>
            <small dir="auto">{user.about}</small>
          </span>
        </button>
      ))}
      {hits.value && hits.value.length > 0 && <h2>{t("messages")}</h2>}
      {hits.value?.map((hit) => {
        const row = chats.value.get(hit.chatId);
        if (!row) return null;
        return (
          <button
            type="button"
            class="row"
            key={hit.messageId}
            onClick={() => {
              openMessage(hit.chatId, hit.seq, hit.messageId);
              onOpen();
            }}
          >
            <span class="row-text">
              <span class="row-top">
                <b dir="auto">{titleOf(row.chat)}</b>
                <time>{brief(Date.parse(hit.createdAt))}</time>
              </span>
              <small dir="auto">
                {nameOf(hit.senderId)}: <Marked text={contentLine(hit.content)} query={query} />
              </small>
            </span>
          </button>
        );
      })}
    </div>
  );
}
