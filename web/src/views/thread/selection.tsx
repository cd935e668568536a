/** What can be done with several messages at once. */

import { me } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { textOf } from "../../store/text";
import { IconButton } from "../icon";
import { useLayer } from "../layer";
import { copy, starAll } from "./rowmenu";
import type { ThreadState } from "./thread";

export function SelectionBar({ state }: { state: ThreadState }) {
  const rows = [...state.selected.value!.values()].sort((a, b) => a.place - b.place);
  const done = () => (state.selected.value = null);
  useLayer(done);
  const alive = rows.filter((row) => row.message.messageId && !row.message.deletedAt);
  return (
    <header class="thread-head selecting">
      <IconButton icon="close" label={t("cancel")} onClick={done} />
      <b role="status">{t("selected", { n: rows.length })}</b>
      <IconButton
        icon="copy"
        label={t("copy")}
        disabled={!alive.some((row) => textOf(row.message.content))}
        onClick={() => {
          copy(
            alive
              .map((row) => textOf(row.message.content))
              .filter(Boolean)
              .join("\n"),
          );
          done();
        }}
      />
      <IconButton
        icon="star"
        label={t("star")}
        disabled={!alive.length}
        onClick={() => {
          starAll(alive, true);
          done();
        }}
      />
      <IconButton
        icon="forward"
        label={t("forward")}
        disabled={!alive.length}
        onClick={() => (state.ask.value = { what: "forward", rows: alive })}
      />
      <IconButton
        icon="trash"
        label={t("delete")}
        onClick={() =>
          (state.ask.value = {
            what: "delete",
            rows,
            own: rows.every((row) => row.message.senderId === me.value?.id && !row.message.deletedAt),
          })
        }
      />
    </header>
  );
}
