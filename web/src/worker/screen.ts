/** What the worker and the pages share: the notifications on screen and the cache of what they need. */

export const KEPT = "tidings-push";

/**
 * One after the other, in the worker and in all pages. Two pushes at once would count each other out; and Chromium, asked
 * what is on screen while something is being shown, takes that for gone: it stays there and nobody can close it.
 */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks.request("tidings-screen", work) as Promise<T>;
}

/** Take away what is on screen and meant by `which`. */
export async function takeOff(which: (one: Notification) => boolean): Promise<void> {
  const worker = await navigator.serviceWorker?.getRegistration();
  if (!worker?.getNotifications) return;
  await inTurn(async () => {
    for (const one of await worker.getNotifications()) if (which(one)) one.close();
  });
}
