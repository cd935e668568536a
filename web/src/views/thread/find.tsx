/** Search in the open chat: newest hit first, next and previous. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine } from "../../engine/here";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { search } from "../../store/search";
import { Icon, IconButton } from "../icon";
import type { ThreadState } from "./thread";

export function FindBar({ row, state }: { row: ChatRow; state: ThreadState }) {
  const hits = useSignal<{ seq: number; id: string }[]>([]);
  const at = useSignal(0);
  const box = useRef<HTMLInputElement>(null);
  const query = state.find.value ?? "";
  useEffect(() => box.current?.focus(), []);
  useEffect(() => {
    let live = true;
    const timer = setTimeout(async () => {
      const local = await search(engine.store.db, query, row.id, 200);
      const all = new Map(
        local.flatMap(({ message }) => (message.seq === null ? [] : [[message.messageId!, message.seq] as const])),
      );
      if (query.trim().length > 1)
        for (const message of await actions.searchServer(query, row.id).catch(() => []))
          all.set(message.messageId, message.seq);
      if (!live) return;
      hits.value = [...all].map(([id, seq]) => ({ id, seq })).sort((a, b) => b.seq - a.seq);
      at.value = 0;
      const first = hits.value[0];
      if (first) state.jump(first.seq, first.id);
    }, 180);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [query]);
  const step = (by: number) => {
    if (!hits.value.length) return;
    at.value = (at.value + by + hits.value.length) % hits.value.length;
    const hit = hits.value[at.value]!;
    state.jump(hit.seq, hit.id);
  };
  const close = () => (state.find.value = null);
  return (
    <header
      class="thread-head find"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        close();
      }}
    >
      <IconButton icon="back" class="flip" label={t("back")} onClick={close} />
      <div class="search">
        <Icon name="search" />
        <input
          ref={box}
          type="search"
          placeholder={t("searchInChat")}
          aria-label={t("searchInChat")}
          value={query}
          onInput={(event) => (state.find.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
          }}
        />
      </div>
      <span class="count" role="status">
        {query && (hits.value.length ? t("hit", { at: at.value + 1, of: hits.value.length }) : t("noResults"))}
      </span>
      <IconButton icon="up" label={t("older")} onClick={() => step(1)} disabled={!hits.value.length} />
      <IconButton icon="chevron" label={t("newer")} onClick={() => step(-1)} disabled={!hits.value.length} />
    </header>
  );
}
