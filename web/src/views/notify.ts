/** Notifications: asked for when the person sees what for, never on load. The service worker shows them all, so that what
 * came by the socket and by push is one. */

import { effect } from "@preact/signals";
import { engine } from "../engine/here";
import { chats, isMuted, link, onTouched, phase } from "../engine/state";
import { entry, locale, t } from "../i18n/i18n";
import type { Message } from "../sync/wire";
import { contentLine, nameOf, titleOf } from "./format";
import { look, setLook } from "./look";
import { chatId, go } from "./route";

const push = () => import("../engine/push");

export const canNotify = () => "Notification" in globalThis && "serviceWorker" in navigator;
const may = () => canNotify() && look.value.notify && Notification.permission === "granted";

interface FromWorker {
  open?: string;
  woken?: true;
  seen?: string;
}

export function watchIncoming(): void {
  if (!canNotify()) return;
  engine.onIncoming = (messages) => void show(messages);
  navigator.serviceWorker.addEventListener("message", ({ data, ports }: MessageEvent<FromWorker>) => {
    if (data.open) go(data.open);
    if (data.woken) engine.woken();
    if (data.seen) ports[0]?.postMessage(isSeen(data.seen));
  });
  onTouched.add((ids) => void takeAway(ids));
  effect(() => void handWords());
  let kept = false;
  effect(() => {
    if (phase.value !== "in") kept = false;
    else if (!kept && link.value === "online" && may()) {
      kept = true;
      void push().then((it) => it.subscribe().catch(() => undefined)); // the browser or the server may have lost it
    }
  });
  if (phase.value === "in") void push().then((it) => it.takeIn());
}

/** Whether somebody looks at this chat here. */
function isSeen(id: string): boolean {
  const looks = document.visibilityState === "visible" && document.hasFocus();
  return looks && chatId.value === id && document.querySelector(".thread")?.checkVisibility() === true;
}

/** Ask, and subscribe. Whether pushes will come, also with no page open. */
export async function turnOn(): Promise<boolean> {
  const answer = await Notification.requestPermission(); // before anything else: it must follow the click at once
  setLook({ notify: answer === "granted", askedNotify: true });
  return answer === "granted" && (await (await push()).subscribe());
}

export async function turnOff(): Promise<void> {
  setLook({ notify: false });
  await (await push()).unsubscribe();
}

/** The worker speaks the language that is chosen here. */
async function handWords(): Promise<void> {
  const words = { locale: locale.value, message: t("newMessage"), messages: entry("newMessages") };
  await (await caches.open("tidings-push")).put("/push/words", new Response(JSON.stringify(words)));
}

async function show(messages: Message[]): Promise<void> {
  if (!may() || document.visibilityState === "visible") return;
  const worker = (await navigator.serviceWorker.getRegistration())?.active;
  const counts = new Map<string, number>();
  for (const { chatId } of messages) counts.set(chatId, (counts.get(chatId) ?? 0) + 1);
  for (const message of new Map(messages.map((one) => [one.chatId, one])).values()) {
    const { chatId, seq, messageId, senderId, content } = message;
    const row = chats.value.get(chatId);
    if (!row || (isMuted(row) && !row.mentioned) || row.chat.settings.archived) continue;
    const told = { type: "message", chatId, seq, messageId, text: contentLine(content), count: counts.get(chatId) };
    worker?.postMessage({ show: { ...told, senderName: nameOf(senderId), chatName: titleOf(row.chat) } });
  }
}

/** What was read here needs no notification. */
async function takeAway(ids: ReadonlySet<string>): Promise<void> {
  if (!may()) return;
  const worker = await navigator.serviceWorker.getRegistration();
  for (const one of (await worker?.getNotifications()) ?? []) {
    const readSeq = ids.has(one.tag) ? (chats.value.get(one.tag)?.readSeq ?? 0) : 0;
    if ((one.data as { seq: number }).seq <= readSeq) one.close();
  }
}
