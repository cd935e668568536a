/** Notifications of messages that come while no window of ours is looked at; asked for in settings, never on load. */

import { engine } from "../engine/actions";
import { chats, isMuted } from "../engine/state";
import { t } from "../i18n/i18n";
import type { Message } from "../sync/wire";
import { contentLine, nameOf, titleOf } from "./format";
import { look } from "./look";
import { go } from "./route";

export function watchIncoming(): void {
  engine.onIncoming = (messages) => void show(messages);
  navigator.serviceWorker?.addEventListener("message", ({ data }: MessageEvent<{ open?: string }>) => {
    if (data.open) go(data.open);
  });
}

async function show(messages: Message[]): Promise<void> {
  if (!look.value.notify || document.visibilityState === "visible" || Notification.permission !== "granted") return;
  const worker = await navigator.serviceWorker?.getRegistration();
  if (!worker) return;
  const newest = new Map(messages.map((message) => [message.chatId, message]));
  for (const [chatId, message] of newest) {
    const row = chats.value.get(chatId);
    if (!row || (isMuted(row) && !row.mentioned) || row.chat.settings.archived) continue;
    const text = contentLine(message.content);
    const who = nameOf(message.senderId);
    await worker.showNotification(titleOf(row.chat), {
      body: row.chat.type === "group" ? `${who}: ${text}` : text || t("newMessage"),
      tag: chatId,
      icon: "/icons/icon-192.png",
      badge: "/icons/icon-192.png",
      data: { open: `/chat/${chatId}` },
    });
  }
}
