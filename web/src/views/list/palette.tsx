/** Ctrl+K: to any chat by a few letters. */

import { useSignal } from "@preact/signals";
import { ordered } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { wordsOf } from "../../store/text";
import { Dialog } from "../dialog";
import { titleOf } from "../format";
import { Icon } from "../icon";
import { ChatAvatar } from "../parts";
import { go } from "../route";

export function Palette({ onClose }: { onClose(): void }) {
  const query = useSignal("");
  const chosen = useSignal(0);
  const words = wordsOf(query.value);
  const rows = ordered.value
    .filter((row) => {
      const held = wordsOf(titleOf(row.chat));
      return words.every((word) => held.some((one) => one.startsWith(word)));
    })
    .slice(0, 9);
  const open = (id: string | undefined) => {
    if (!id) return;
    onClose();
    go(`/chat/${id}`);
  };
  return (
    <Dialog title={t("jumpTo")} onClose={onClose} class="narrow palette">
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          autoComplete="off"
          list={undefined}
          role="combobox"
          aria-expanded="true"
          aria-controls="palette"
          aria-activedescendant={rows[chosen.value] ? `palette-${chosen.value}` : undefined}
          placeholder={t("search")}
          aria-label={t("search")}
          autoFocus
          onInput={(event) => {
            query.value = event.currentTarget.value;
            chosen.value = 0;
          }}
          onKeyDown={(event) => {
            const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
            if (step && rows.length) {
              event.preventDefault();
              chosen.value = (chosen.value + step + rows.length) % rows.length;
            } else if (event.key === "Enter") open(rows[chosen.value]?.id);
          }}
        />
      </div>
      <div role="listbox" id="palette" aria-label={t("chats")}>
        {rows.map((row, i) => (
          <div
            role="option"
            id={`palette-${i}`}
            key={row.id}
            class={`row ${i === chosen.value ? "chosen" : ""}`}
            aria-selected={i === chosen.value}
            tabIndex={-1}
            onClick={() => open(row.id)}
            onKeyDown={(event) => event.key === "Enter" && open(row.id)}
          >
            <ChatAvatar chat={row.chat} size="s" />
            <span class="row-text">
              <b dir="auto">{titleOf(row.chat)}</b>
            </span>
          </div>
        ))}
        {!rows.length && <p class="hint">{t("noResults")}</p>}
      </div>
    </Dialog>
  );
}
