import { t } from "../../i18n/i18n";
import type { Tick as State } from "../format";
import { Icon } from "../icon";

const ICON = { pending: "clock", failed: "alert", sent: "check", delivered: "checks", read: "checks" } as const;

export function Tick({ tick }: { tick: State }) {
  return (
    <span class={`tick tick-${tick}`} role="img" aria-label={t(`tick_${tick}`)}>
      <Icon name={ICON[tick]} />
    </span>
  );
}
