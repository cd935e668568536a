/** The pinned message under the head; a tap goes there and on to the next. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { engine } from "../../engine/here";
import { onTouched } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow, Row } from "../../store/schema";
import { contentLine } from "../format";
import { Icon } from "../icon";
import type { ThreadState } from "./thread";

export function PinnedBar({ row, state }: { row: ChatRow; state: ThreadState }) {
  const found = useSignal<Row[]>([]);
  const at = useSignal(0);
  const ids = row.chat.pinnedMessageIds ?? [];
  useEffect(() => {
    const read = async () => {
      const held = await Promise.all(ids.map((id) => engine.store.row(id)));
      found.value = held.filter((one) => one !== undefined && !one.message.deletedAt) as Row[];
    };
    const touched = (chats: ReadonlySet<string>) => void (chats.has(row.id) && read());
    void read();
    onTouched.add(touched);
    return () => void onTouched.delete(touched);
  }, [ids.join()]);
  if (!found.value.length) return null;
  const shown = found.value[found.value.length - 1 - (at.value % found.value.length)]!;
  return (
    <button
      type="button"
      class="pinned-bar"
      onClick={() => {
        if (shown.message.seq !== null) state.jump(shown.message.seq, shown.id);
        at.value += 1;
      }}
    >
      <Icon name="pin" />
      <span>
        <b>{t("pinnedMessage")}</b>
        <span dir="auto">{contentLine(shown.message.content)}</span>
      </span>
      {found.value.length > 1 && <small>{found.value.length}</small>}
    </button>
  );
}
