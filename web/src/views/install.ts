/** Installing as an app: where the browser offers it, the offer is kept for the moment that suits the person. */

import { signal } from "@preact/signals";
import { setLook } from "./look";

interface Offer extends Event {
  prompt(): Promise<unknown>;
}

/** The browser's offer, as long as it stands. */
export const offer = signal<Offer | null>(null);

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault(); // the browser would ask now, whatever the person is doing
  offer.value = event as Offer;
});
addEventListener("appinstalled", () => (offer.value = null));

/** Ask the browser to install; it asks the person. An offer can be taken once. */
export function install(): void {
  offer.value?.prompt().catch(() => undefined); // refused by the browser: it offers again when it likes
  offer.value = null;
  setLook({ askedInstall: true });
}
