/**
 * The notifications on screen: one per chat, from pushes and from pages whose socket was first. What was told is kept in
 * a cache, since a worker forgets when it sleeps; the page writes its words there.
 */

/// <reference lib="webworker" />

import { ENGLISH, type Held, noticeOf, noticeWith, type Push, toldWith, unnamed } from "./notice";
import { inTurn, KEPT } from "./screen";

declare const self: ServiceWorkerGlobalScope;

const FETCH_MS = 10_000;
const ANSWER_MS = 500; // a page that is in sight answers at once

async function read<T>(name: string, otherwise: T): Promise<T> {
  const found = await (await caches.open(KEPT)).match(`/push/${name}`);
  return found ? ((await found.json()) as T) : otherwise;
}

async function keep(name: string, value: unknown): Promise<void> {
  await (await caches.open(KEPT)).put(`/push/${name}`, new Response(JSON.stringify(value)));
}

/** The page says so by `/push/lock`: then no text is on screen, and none is kept. */
const isLocked = () => read("lock", false);

async function tell(chatId: string, seq: number): Promise<void> {
  await keep("told", toldWith(await read<Record<string, number>>("told", {}), chatId, seq));
}

/** A push came: show it, wake the pages, and with none open fetch what the app will show when it opens. */
export async function pushed(push: Push, token: () => Promise<string | null>): Promise<void> {
  const badge = navigator as { setAppBadge?(count: number): Promise<void>; clearAppBadge?(): Promise<void> };
  if (push.badge !== undefined)
    await (push.badge ? badge.setAppBadge?.(push.badge) : badge.clearAppBadge?.())?.catch(() => undefined);
  if (push.type === "read") return await inTurn(() => takeAway(push.chatId, push.seq));
  const shown = inTurn(() => present(push, false));
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) page.postMessage({ woken: true });
  await Promise.all([shown, pages.length ? null : foresee(push, token).catch(() => undefined)]);
}

/** A page got messages by its socket, and nobody looks at it. */
export function heard(push: Push): Promise<void> {
  return inTurn(() => present(push, true));
}

async function present(push: Push, heardByPage: boolean): Promise<void> {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const visible = pages.filter((page) => page.visibilityState === "visible");
  const seen = await Promise.all(visible.map((page) => shows(page, push.chatId)));
  if (seen.includes(true)) return await tell(push.chatId, push.seq);
  if (heardByPage && visible.length) return;
  const told = (await read<Record<string, number>>("told", {}))[push.chatId] ?? 0;
  const [held, words] = [await heldOf(push.chatId), await read("words", ENGLISH)];
  const notice = noticeOf((await isLocked()) ? unnamed(push) : push, held, told, words); // asked last: it may just be set
  if (!notice) return;
  await self.registration.showNotification(notice.title, notice.options);
  await tell(push.chatId, push.seq);
}

/** Whether somebody looks at this chat there: the page knows, its address is that of its first load in some browsers. */
function shows(page: WindowClient, chatId: string): Promise<boolean> {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = ({ data }: MessageEvent<boolean>) => resolve(data);
    setTimeout(resolve, ANSWER_MS, false);
    page.postMessage({ seen: chatId }, [channel.port2]);
  });
}

async function heldOf(chatId: string): Promise<Held | null> {
  const [up] = await self.registration.getNotifications({ tag: chatId });
  return (up?.data as Held | undefined) ?? null;
}

async function takeAway(chatId: string, seq: number): Promise<void> {
  for (const one of await self.registration.getNotifications({ tag: chatId }))
    if ((one.data as Held).seq <= seq) one.close();
  await tell(chatId, seq);
}

/** The chat as the server has it: how many are unread, which one push in two seconds cannot tell, and its last message,
 * which the page takes into its store when it opens, also without a network. */
async function foresee(push: Push, token: () => Promise<string | null>): Promise<void> {
  const access = await token();
  if (!access) return;
  const answer = await fetch(`/api/v1/chats/${push.chatId}`, {
    headers: { authorization: `Bearer ${access}` },
    signal: AbortSignal.timeout(FETCH_MS),
    cache: "no-store",
  });
  if (!answer.ok) return;
  const chat = (await answer.json()) as { unreadCount: number; lastMessage: object | null };
  if (chat.lastMessage && !(await isLocked())) await keep(`message/${push.chatId}`, chat.lastMessage);
  await inTurn(async () => {
    const held = await heldOf(push.chatId);
    if (held?.seq !== push.seq || held.count === chat.unreadCount || !chat.unreadCount) return;
    const words = await read("words", ENGLISH);
    const notice = noticeWith((await isLocked()) ? unnamed(push) : push, chat.unreadCount, words, false);
    await self.registration.showNotification(notice.title, notice.options);
  });
}

/** The very chat: in the window that was used last, else in a new one. */
export async function clicked(notification: Notification): Promise<void> {
  notification.close();
  const { open } = notification.data as Held;
  const [page] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (!page) return void (await self.clients.openWindow(open));
  page.postMessage({ open });
  await page.focus().catch(() => undefined);
}

/** The browser changed the subscription: the server is told the new one. */
export async function changed(event: PushSubscriptionChangeEvent, token: () => Promise<string | null>): Promise<void> {
  const options = event.oldSubscription?.options;
  const made =
    event.newSubscription ??
    (options?.applicationServerKey
      ? await self.registration.pushManager.subscribe({
          userVisibleOnly: true,
          applicationServerKey: options.applicationServerKey,
        })
      : null);
  const access = await token();
  if (!made || !access) return; // the page makes it good when it opens
  const { endpoint, keys } = made.toJSON();
  await fetch("/api/v1/users/me/devices", {
    method: "POST",
    headers: { authorization: `Bearer ${access}`, "content-type": "application/json" },
    body: JSON.stringify({ kind: "webpush", subscription: { endpoint, keys } }),
    signal: AbortSignal.timeout(FETCH_MS),
  });
}
