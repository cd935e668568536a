/** Search in the open chat: newest hit first, next and previous. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine } from "../../engine/here";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { search } from "../../store/search";
import { Icon, IconButton } from "../icon";
import { useLayer } from "../layer";
import type { ThreadState } from "./thread";

export function FindBar({ row, state }: { row: ChatRow; state: ThreadState }) {
  const hits = useSignal<{ seq: number; id: string }[]>([]);
  const at = useSignal(0);
  const box = useRef<HTMLInputElement>(null);
  const query = state.find.value ?? "";
  useEffect(() => box.current?.focus(), []);
  useEffect(() => {
    let live = true;
    const all = new Map<string, number>();
    /** From the store or the server, whichever is first: neither waits for the other. */
    const add = (messages: { messageId: string | null; seq: number | null }[]) => {
      if (!live) return;
      const looked = all.size ? hits.value[at.value]?.id : undefined;
      for (const { messageId, seq } of messages) if (messageId && seq !== null) all.set(messageId, seq);
      hits.value = [...all].map(([id, seq]) => ({ id, seq })).sort((a, b) => b.seq - a.seq);
      const index = hits.value.findIndex((hit) => hit.id === looked);
      at.value = Math.max(0, index);
      const first = hits.value[0];
      if (index < 0 && first) state.jump(first.seq, first.id);
    };
    const timer = setTimeout(() => {
      void search(engine.store.db, query, row.id, 200, () => live).then((rows) => add(rows.map((one) => one.message)));
      if (query.trim().length > 1) void actions.searchServer(query, row.id).then(add, () => undefined);
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
  useLayer(close);
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
          autoComplete="off"
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
