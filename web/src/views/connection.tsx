/** Honest about the network: whether there is one, and what waits for it. */

import { engine } from "../engine/here";
import { connected, link, waiting as waits } from "../engine/state";
import { t } from "../i18n/i18n";
import { Icon } from "./icon";

export function Connection({ narrow }: { narrow?: boolean }) {
  const state = link.value;
  if (connected.value) return null;
  const waiting = waits.value;
  if (state === "connecting" && !waiting) return narrow ? null : <div class="bar" aria-hidden="true" />;
  return (
    <div class={`strip ${narrow ? "only-narrow" : ""}`} role="status">
      <Icon name="offline" />
      <span>
        {t(state === "offline" ? "offline" : state === "waiting" ? "unreachable" : "connecting")}
        {waiting > 0 && <small>{t("waiting", { n: waiting })}</small>}
      </span>
      {state === "waiting" && (
        <button type="button" onClick={() => engine.woken()}>
          {t("retry")}
        </button>
      )}
    </div>
  );
}
