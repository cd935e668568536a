import { isMuted, now } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import type { MenuItem } from "../menu";

const HOUR_MS = 3_600_000;

export function muteItems(row: ChatRow, set: (fields: { mutedUntil: string | null }) => void): MenuItem[] {
  if (isMuted(row)) return [{ icon: "muted", label: t("unmute"), run: () => set({ mutedUntil: null }) }];
  const until = (ms: number) => new Date(now() + ms).toISOString();
  return [
    { icon: "muted", label: t("mute8h"), run: () => set({ mutedUntil: until(8 * HOUR_MS) }) },
    { icon: "muted", label: t("muteAlways"), run: () => set({ mutedUntil: "9999-01-01T00:00:00.000Z" }) },
  ];
}
