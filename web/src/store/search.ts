/** What is looked for in the store: words, and what was shared in a chat. */

import { plain } from "./apply";
import type { Db, Row } from "./schema";
import { textOf, wordsOf } from "./text";

const READ_MAX = 2_000; // rows looked at of those that match
const SLICE = 500; // sealed rows opened between two turns of the page
const SCAN_MS = 4_000; // of opening rows, then what was found is all

/** Messages that hold every word of the query, as beginnings of words, newest first. `alive`: whether it is still asked. */
export async function search(db: Db, query: string, chatId?: string, count = 60, alive = () => true): Promise<Row[]> {
  const words = wordsOf(query);
  if (!words.length) return [];
  const rows = "seals" in db ? await scan(db, words, chatId, count, alive) : await byWords(db, words);
  return rows
    .filter((row) => !chatId || row.chatId === chatId)
    .sort((a, b) => (a.message.createdAt < b.message.createdAt ? 1 : -1))
    .slice(0, count);
}

async function byWords(db: Db, words: string[]): Promise<Row[]> {
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
  return rows.filter((row) => row !== undefined);
}

/** Where no words are kept, rows are opened, the newest first (ids grow with time), until there are enough. */
async function scan(
  db: Db,
  words: string[],
  chatId: string | undefined,
  count: number,
  alive: () => boolean,
): Promise<Row[]> {
  const until = Date.now() + SCAN_MS;
  const found: Row[] = [];
  const lowest: IDBValidKey = chatId ? [chatId, -1] : "";
  let below: IDBValidKey = chatId ? [chatId, Number.MAX_VALUE] : "\uffff";
  while (below !== lowest && found.length < count && Date.now() < until && alive()) {
    const { store } = db.transaction("messages");
    const from = (chatId ? store.index("place") : store) as Ordered;
    const cursor = await from.openKeyCursor(IDBKeyRange.bound(lowest, below, false, true), "prev");
    if (!cursor) break;
    const newest = cursor.key;
    const oldest: IDBValidKey = (await cursor.advance(SLICE - 1))?.key ?? lowest;
    for (const row of await from.getAll(IDBKeyRange.bound(oldest, newest))) if (holds(row, words)) found.push(row);
    below = oldest;
    await new Promise((resolve) => setTimeout(resolve));
  }
  return found;
}

interface Ordered {
  openKeyCursor(range: IDBKeyRange, direction: "prev"): Promise<KeyCursor | null>;
  getAll(range: IDBKeyRange): Promise<Row[]>;
}

interface KeyCursor {
  key: IDBValidKey;
  advance(by: number): Promise<KeyCursor | null>;
}

function holds({ message }: Row, words: string[]): boolean {
  const held = wordsOf(textOf(message.content));
  return words.every((word) => held.some((one) => one.startsWith(word)));
}

/** The newest of a kind, newest first. */
export async function shelf(db: Db, chatId: string, kind: NonNullable<Row["shelf"]>, count = 300): Promise<Row[]> {
  const range = IDBKeyRange.bound([chatId, kind, 0], [chatId, kind, Number.MAX_VALUE]);
  return (await db.getAllFromIndex("messages", "shelf", range)).slice(-count).map(plain).reverse();
}
