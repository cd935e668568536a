/** What the service worker asks and tells: heard from the start, for it does not say it twice. */

import { engine } from "../engine/here";
import { chatId, go } from "./route";

interface FromWorker {
  open?: string;
  woken?: true;
  seen?: string;
}

export function hearWorker(): void {
  navigator.serviceWorker?.addEventListener("message", ({ data, ports }: MessageEvent<FromWorker>) => {
    if (data.open) go(data.open);
    if (data.woken) engine.woken();
    if (data.seen) ports[0]?.postMessage(isSeen(data.seen));
  });
}

/** Whether somebody looks at this chat here. */
function isSeen(id: string): boolean {
  const looks = document.visibilityState === "visible" && document.hasFocus();
  return looks && chatId.value === id && document.querySelector(".thread")?.checkVisibility() === true;
}
