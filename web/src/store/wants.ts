/** Settings of a chat that the person chose and the server has not answered: kept in its row beside what the server says. */

import type { Chat } from "../sync/wire";
import { plain, whole } from "./apply";
import type { ChatRow } from "./schema";
import type { Store } from "./store";

export type Settings = Chat["settings"];

/** The row as it is shown to who chose. */
export function shownTo(row: ChatRow): ChatRow {
  if (!row.wants) return row;
  return { ...row, chat: { ...row.chat, settings: { ...row.chat.settings, ...row.wants } } };
}

async function change(store: Store, chatId: string, next: (row: ChatRow) => ChatRow): Promise<void> {
  await whole(store.db, "strict", async (tx) => {
    const row = plain(await tx.objectStore("chats").get(chatId));
    if (row) await tx.objectStore("chats").put(next(row));
  });
  store.onChange({ chats: [chatId] });
}

export const want = (store: Store, chatId: string, chosen: Partial<Settings>) =>
  change(store, chatId, (row) => ({ ...row, wants: { ...row.wants, ...chosen } }));

/** `sent` is not wanted any more, what was chosen since is. `chat`: as the server has it after it took it; null: it did not. */
export const settled = (store: Store, chatId: string, sent: Partial<Settings>, chat: Chat | null) =>
  change(store, chatId, ({ wants, ...row }) => {
    const rest = Object.entries(wants ?? {}).filter(([name, value]) => sent[name as keyof Settings] !== value);
    const still = rest.length ? { wants: Object.fromEntries(rest) as Partial<Settings> } : {};
    return { ...row, ...still, chat: chat ?? row.chat };
  });
