/** Notifications: asked for when the person sees what for, never on load. The service worker shows them all, so that what
 * came by the socket and by push is one. */

import { effect } from "@preact/signals";
import { engine } from "../engine/here";
import { chats, isMuted, link, onTouched, phase } from "../engine/state";
import { entry, locale, t } from "../i18n/i18n";
import type { Message } from "../sync/wire";
import { KEPT, takeOff } from "../worker/screen";
import { contentLine, nameOf, titleOf } from "./format";
import { look, setLook } from "./look";

const push = () => import("../engine/push");

export const canNotify = () => "Notification" in globalThis && "serviceWorker" in navigator;
const may = () => canNotify() && look.value.notify && Notification.permission === "granted";

export function watchIncoming(): void {
  if (!canNotify()) return;
  engine.onIncoming = (messages) => void show(messages);
  if (!engine.store.lock) void caches.open(KEPT).then((kept) => kept.delete("/push/lock")); // of one that is gone
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
  const kinds = {
    image: t("photo"),
    video: t("video"),
    audio: t("audio"),
    voice: t("voiceMessage"),
    document: t("document"),
    location: t("location"),
    contact: t("contact"),
    sticker: t("sticker"),
    poll: t("poll"),
  };
  const words = { locale: locale.value, message: t("newMessage"), messages: entry("newMessages"), kinds };
  await (await caches.open(KEPT)).put("/push/words", new Response(JSON.stringify(words)));
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
  await takeOff(
    ({ tag, data }) => ids.has(tag) && (data as { seq: number }).seq <= (chats.value.get(tag)?.readSeq ?? 0),
  );
}
