/** Settings of a chat that the person chose and the server has not answered: kept in its row, and shown at once. */

import type { Chat } from "../sync/wire";
import { plain, whole } from "./apply";
import type { ChatRow } from "./schema";
import type { Store } from "./store";

export type Settings = Chat["settings"];

async function change(store: Store, chatId: string, next: (row: ChatRow) => ChatRow): Promise<void> {
  await whole(store.db, "strict", async (tx) => {
    const row = plain(await tx.objectStore("chats").get(chatId));
    if (row) await tx.objectStore("chats").put(next(row));
  });
  store.onChange({ chats: [chatId] });
}

/** A chat of the server's as it is shown to who chose these. */
export function wanted(chat: Chat, wants: Partial<Settings> | undefined): Chat {
  return wants ? { ...chat, settings: { ...chat.settings, ...wants } } : chat;
}

export const want = (store: Store, chatId: string, chosen: Partial<Settings>) =>
  change(store, chatId, (row) => ({ ...row, wants: { ...row.wants, ...chosen }, chat: wanted(row.chat, chosen) }));

/** The server took `sent`, or never will: what was chosen since is still wanted. `chat`: as the server has it now. */
export const settled = (store: Store, chatId: string, sent: Partial<Settings>, chat: Chat) =>
  change(store, chatId, ({ wants, ...row }) => {
    const rest = Object.entries(wants ?? {}).filter(([name, value]) => sent[name as keyof Settings] !== value);
    const still = rest.length ? (Object.fromEntries(rest) as Partial<Settings>) : undefined;
    return { ...row, ...(still ? { wants: still } : {}), chat: wanted(chat, still) };
  });
