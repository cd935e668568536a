/** Whether notifications are shown here, and how far they reach. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { failure } from "../../engine/here";
import { subscribed } from "../../engine/push";
import { say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { refusal } from "../format";
import { look } from "../look";
import { canNotify, turnOff, turnOn } from "../notify";
import { PanelHead, Switch } from "../panel";
import { back } from "../route";

export function Notifications() {
  const can = canNotify();
  const denied = useSignal(can && Notification.permission === "denied");
  const reaches = useSignal(true); // also when no page is open
  const busy = useSignal(false);
  useEffect(() => {
    if (can && look.value.notify) void subscribed().then((found) => (reaches.value = found));
  }, []);
  const change = async (on: boolean) => {
    busy.value = true;
    try {
      if (on) reaches.value = await turnOn();
      else await turnOff();
    } catch (error) {
      say(refusal(failure(error).code));
    }
    denied.value = Notification.permission === "denied";
    busy.value = false;
  };
  const on = look.value.notify && !denied.value;
  return (
    <div class="panel">
      <PanelHead title={t("notifications")} onBack={() => back("/settings")} />
      <div class="panel-body pad">
        {can ? (
          <>
            <Switch
              label={t("notifyHere")}
              hint={on && !reaches.value ? t("notifyOpenOnly") : t("notifyHereHint")}
              on={on}
              disabled={denied.value || busy.value}
              onChange={(wanted) => void change(wanted)}
            />
            {denied.value && <p class="hint">{t("notifyDenied")}</p>}
          </>
        ) : (
          <p class="hint">{t("notifyCannot")}</p>
        )}
      </div>
    </div>
  );
}
