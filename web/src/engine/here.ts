/** The engine of this tab, and what the chat list itself does with it: all that a cold start needs. */

import type { ChatRow } from "../store/schema";
import type { Chat } from "../sync/wire";
import { failure } from "./calls";
import { Engine } from "./engine";
import { Pictures } from "./media";

export let engine: Engine;
export let pictures: Pictures;

export async function start(): Promise<void> {
  engine = await Engine.start();
  pictures = new Pictures(engine);
}

export { failure };

export function read(chatId: string, seq: number): Promise<boolean> {
  return engine.wish({ in: "read", chatId, seq });
}

export async function took(chat: Chat): Promise<Chat> {
  await engine.store.apply([{ op: "putChat", chat }]);
  return chat;
}

export const setSettings = async (row: ChatRow, settings: Partial<Chat["settings"]>) => {
  const next = { ...row.chat, settings: { ...row.chat.settings, ...settings } };
  await engine.store.apply([{ op: "putChat", chat: next }]); // shown at once, put right if refused
  try {
    await took(await engine.api.put<Chat>(`/chats/${row.id}/settings`, settings));
  } catch (error) {
    await engine.store.apply([{ op: "putChat", chat: row.chat }]);
    throw error;
  }
};
