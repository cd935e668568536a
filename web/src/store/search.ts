/** What is looked for in the store: words, and what was shared in a chat. */

import type { Db, Row } from "./schema";
import { wordsOf } from "./text";

const READ_MAX = 2_000; // rows looked at of those that match

/** Messages that hold every word of the query, as beginnings of words, newest first. */
export async function search(db: Db, query: string, chatId?: string, count = 60): Promise<Row[]> {
  const words = wordsOf(query);
  if (!words.length) return [];
  const tx = db.transaction("messages");
  const hits = await Promise.all(
    words.map(async (word) => {
      const range = IDBKeyRange.bound(word, `${word}\uffff`);
      return new Set(await tx.store.index("words").getAllKeys(range));
    }),
  );
  hits.sort((a, b) => a.size - b.size);
  const ids = [...hits[0]!].filter((id) => hits.every((set) => set.has(id)));
  const rows = await Promise.all(ids.slice(-READ_MAX).map((id) => tx.store.get(id)));
  return rows
    .filter((row) => row !== undefined)
    .filter((row) => !chatId || row.chatId === chatId)
    .sort((a, b) => (a.message.createdAt < b.message.createdAt ? 1 : -1))
    .slice(0, count);
}

/** The newest of a kind, newest first. */
export async function shelf(db: Db, chatId: string, kind: NonNullable<Row["shelf"]>, count = 300): Promise<Row[]> {
  const range = IDBKeyRange.bound([chatId, kind, 0], [chatId, kind, Number.MAX_VALUE]);
  return (await db.getAllFromIndex("messages", "shelf", range)).slice(-count).reverse();
}
