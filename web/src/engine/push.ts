/** Pushes to this browser: the subscription, the server's knowledge of it, and what the worker fetched meanwhile. */

import type { Message } from "../sync/wire";
import { KEPT, takeOff } from "../worker/screen";
import { engine } from "./here";

const READY_MS = 10_000;
const SUBSCRIBE_MS = 15_000; // where the maker's push service cannot be reached, browsers may never answer

/** Subscribe and tell the server. False: pushes cannot be had here; notifications of open pages can. */
export async function subscribe(): Promise<boolean> {
  const { vapidPublicKey } = await engine.api.get<{ vapidPublicKey: string | null }>("/config");
  const worker = await within(READY_MS, navigator.serviceWorker.ready);
  if (!vapidPublicKey || !worker?.pushManager) return false;
  const key = bytesOf(vapidPublicKey);
  let held = await worker.pushManager.getSubscription();
  if (held && !isSame(held.options.applicationServerKey, key)) {
    await held.unsubscribe(); // of a server that had another key
    held = null;
  }
  const options = { userVisibleOnly: true, applicationServerKey: key };
  held ??= await within(SUBSCRIBE_MS, worker.pushManager.subscribe(options));
  if (!held) return false;
  const { endpoint, keys } = held.toJSON();
  const body = { kind: "webpush", subscription: { endpoint, keys } };
  const { id } = await engine.api.post<{ id: string }>("/users/me/devices", body);
  await engine.store.setFact("device", id);
  return true;
}

/** No pushes any more; the person stays signed in. */
export async function unsubscribe(): Promise<void> {
  const id = await engine.store.fact<string>("device");
  if (id) await engine.api.delete(`/users/me/devices/${id}`);
  await engine.store.setFact("device", "");
  await (await subscriptionHere())?.unsubscribe();
}

export async function subscribed(): Promise<boolean> {
  return (await subscriptionHere()) !== null;
}

/** Signed out: the server has dropped the target with the session; here nothing is left on screen or kept. */
export async function forget(): Promise<void> {
  await takeOff(() => true);
  const kept = await caches.open(KEPT);
  for (const request of await kept.keys()) if (!request.url.endsWith("/words")) await kept.delete(request);
  await (await subscriptionHere())?.unsubscribe();
}

/** Messages that came by push while no page was open, shown before the log has told of them. */
export async function takeIn(): Promise<void> {
  const kept = await caches.open(KEPT);
  for (const request of await kept.keys()) {
    if (!new URL(request.url).pathname.startsWith("/push/message/")) continue;
    const message = (await (await kept.match(request))?.json()) as Message | undefined;
    if (message) await engine.store.foresee(message.chatId, [message]);
    await kept.delete(request);
  }
}

async function subscriptionHere(): Promise<PushSubscription | null> {
  const worker = await navigator.serviceWorker?.getRegistration();
  return (await worker?.pushManager?.getSubscription()) ?? null;
}

/** Null when it fails or takes too long. */
function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const late = new Promise<null>((resolve) => setTimeout(resolve, ms, null));
  return Promise.race([work.catch(() => null), late]);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

function isSame(one: ArrayBuffer | null, other: Uint8Array): boolean {
  const bytes = new Uint8Array(one ?? new ArrayBuffer(0));
  return bytes.length === other.length && bytes.every((byte, i) => byte === other[i]);
}
