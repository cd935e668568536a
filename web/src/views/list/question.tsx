/** What the chat list asks the person, when something was written to which an answer may come. */

import { failure } from "../../engine/here";
import { say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { refusal } from "../format";
import { install, offer } from "../install";
import { look, setLook } from "../look";
import { canNotify, turnOn } from "../notify";

/** Asked once each, one at a time: notifications when something was written to which an answer may come, then installing. */
export function Question() {
  const { notify, askedNotify, askedInstall } = look.value;
  if (!notify && !askedNotify && canNotify() && Notification.permission === "default") {
    const begin = () => void turnOn().catch((error) => say(refusal(failure(error).code)));
    return <Ask name={t("notifications")} text={t("askNotify")} yes={t("turnOn")} onYes={begin} no="askedNotify" />;
  }
  if (!offer.value || askedInstall) return null;
  return <Ask name={t("install")} text={t("askInstall")} yes={t("install")} onYes={install} no="askedInstall" />;
}

interface Asked {
  name: string;
  text: string;
  yes: string;
  onYes(): void;
  no: "askedNotify" | "askedInstall";
}

function Ask({ name, text, yes, onYes, no }: Asked) {
  return (
    <div class="ask" role="region" aria-label={name}>
      <span>{text}</span>
      <button type="button" class="button small" onClick={onYes}>
        {yes}
      </button>
      <button type="button" class="button quiet small" onClick={() => setLook({ [no]: true })}>
        {t("notNow")}
      </button>
    </div>
  );
}
