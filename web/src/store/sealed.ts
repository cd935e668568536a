/**
 * The store under a lock: asked like the bare one, but records of people stand in it sealed. What they are found by (ids,
 * places, kinds) stays beside. Until all was sealed, records of before the lock are read as they are. A record that does
 * not open is told to `onDamaged` and is as if it were not there. What this does not offer, it does not have: nothing gets past it unsealed.
 */

import type { IDBPDatabase, IDBPObjectStore } from "idb";
import type { Db } from "./schema";
import type { Box } from "./seal";

/** The fields that stay readable, of each store that is sealed. */
export const OPEN = {
  facts: [],
  chats: ["id"],
  messages: ["id", "chatId", "place", "shelf"],
  outbox: ["id"],
  wishes: [],
  drafts: ["chatId"],
  people: ["id"],
  members: [],
  uploads: ["id", "file"], // the file is sealed by itself
} as const satisfies { [store: string]: readonly string[] };

export type Part = keyof typeof OPEN;
/** Needed before it is open, or of nobody. */
export const PLAIN_FACTS = new Set(["userId", "lock", "blobBytes"]);

type Fields = { [field: string]: unknown };
type Key = IDBValidKey;
interface Sealed extends Fields {
  sealed: Uint8Array;
}

const COUNTED = "n"; // the key that the database gives: not known when it is sealed

/** Whether it is held to be sealed: whether it opens is another question. */
export function isSealed(record: unknown): record is Sealed {
  return typeof record === "object" && record !== null && "sealed" in record;
}

/** What is bound to the sealed part: the store, the key, and what stands beside. */
function nameOf(part: Part, beside: Fields, key?: Key): string {
  return JSON.stringify([
    part,
    key ?? null,
    ...OPEN[part].map((field) => (field === "file" ? null : (beside[field] ?? null))),
  ]);
}

export function sealRecord(box: Box, part: Part, value: unknown, key?: Key): unknown {
  if (part === "facts" && PLAIN_FACTS.has(key as string)) return value;
  const beside: Fields = {};
  let hidden = value;
  if (key === undefined) {
    const inside = { ...(value as Fields) };
    for (const field of [...OPEN[part], COUNTED])
      if (inside[field] !== undefined) {
        beside[field] = inside[field];
        delete inside[field];
      }
    if (part === "messages") delete inside.words; // found by reading, see search.ts
    hidden = inside;
  }
  return { ...beside, sealed: box.seal(nameOf(part, beside, key), hidden) };
}

/** Throws when it was changed by others. Of what stands beside only that is taken which is bound to the sealed part, and
 * nothing else may stand there. */
export function openRecord(box: Box, part: Part, record: unknown, key?: Key, strict = false): unknown {
  if (!isSealed(record)) {
    if (strict && !(part === "facts" && PLAIN_FACTS.has(key as string))) throw new Error("it is not sealed");
    return record;
  }
  const { sealed, ...beside } = record;
  const known: readonly string[] = key === undefined ? [...OPEN[part], COUNTED] : [];
  if (!Object.keys(beside).every((field) => known.includes(field))) throw new Error("something stands beside");
  const found = box.open(nameOf(part, beside, key), sealed);
  return key === undefined ? { ...(found as Fields), ...beside } : found;
}

type Bare = IDBPDatabase;
type BareStore = IDBPObjectStore<unknown, ArrayLike<string>, string, IDBTransactionMode>;
type Cursor = { value: unknown; primaryKey: Key; continue(): Promise<Cursor | null> };
type Read = Pick<BareStore, "get" | "getAll" | "getAllKeys"> & { openCursor: unknown };

interface How {
  /** The lock is being removed. */
  writesPlain?: boolean;
  /** Everything was sealed: what is not was put there by others. */
  strict?: boolean;
}

export function sealed(db: Db, box: Box, onDamaged: (what: string) => void, how: How = {}): Db {
  const { writesPlain = false, strict = false } = how;
  const bare = db as unknown as Bare;

  /** Key of what has none in itself. */
  const isOut = (part: string) => part === "facts" || part === "members";
  const isKept = (part: string): part is Part => part in OPEN;
  const close = (part: string, value: unknown, key?: Key) =>
    isKept(part) && !writesPlain ? sealRecord(box, part, value, key) : value;

  function opened(part: string, record: unknown, key?: Key): unknown {
    if (record === undefined || !isKept(part)) return record;
    try {
      return openRecord(box, part, record, isOut(part) ? key : undefined, strict);
    } catch {
      onDamaged(`${part} ${String(key ?? (record as Fields).id ?? (record as Fields).chatId ?? "")}`);
      return undefined;
    }
  }

  /** Those that open. */
  async function all(part: string, from: Read, query?: IDBKeyRange | Key | null, count?: number): Promise<unknown[]> {
    const asked = from.getAll(query as never, count);
    if (!isKept(part)) return await asked;
    const [records, keys] = await Promise.all([asked, isOut(part) ? from.getAllKeys(query as never, count) : []]);
    return records.map((record, i) => opened(part, record, keys[i] as Key)).filter((one) => one !== undefined);
  }

  async function cursorOf(part: string, asked: Promise<Cursor | null>): Promise<Cursor | null> {
    let cursor = await asked;
    let value: unknown;
    for (; cursor; cursor = await cursor.continue()) {
      value = opened(part, cursor.value, cursor.primaryKey);
      if (value !== undefined) break;
    }
    const found = cursor;
    return found && { value, primaryKey: found.primaryKey, continue: () => cursorOf(part, found.continue()) };
  }

  function reading(part: string, from: Read) {
    return {
      get: async (key: Key) => opened(part, await from.get(key as never), key),
      getAll: (query?: IDBKeyRange | Key | null, count?: number) => all(part, from, query, count),
      openCursor: (...args: unknown[]) =>
        cursorOf(part, (from.openCursor as (...args: unknown[]) => Promise<Cursor | null>).apply(from, args)),
    };
  }

  function storeOf(store: BareStore) {
    const part = store.name;
    /** Also waited for when nobody does: what fails ends the transaction, whose `done` tells. */
    const told = <T>(asked: Promise<T>): Promise<T> => {
      asked.catch(() => undefined);
      return asked;
    };
    return {
      ...reading(part, store),
      getAllKeys: store.getAllKeys.bind(store),
      count: store.count.bind(store),
      delete: (key: Key | IDBKeyRange) => told(store.delete!(key as never)),
      clear: () => told(store.clear!()),
      put: (value: unknown, key?: Key) => told(store.put!(close(part, value, key), key)),
      add: (value: unknown, key?: Key) => told(store.add!(close(part, value, key), key)),
      index(name: string) {
        const index = store.index(name);
        return {
          ...reading(part, index as unknown as Read),
          getKey: index.getKey.bind(index),
          getAllKeys: index.getAllKeys.bind(index),
          openKeyCursor: index.openKeyCursor.bind(index),
          count: index.count.bind(index),
        };
      },
      openKeyCursor: store.openKeyCursor.bind(store),
    };
  }

  function transaction(names: string | string[], mode?: IDBTransactionMode, options?: IDBTransactionOptions) {
    const tx = bare.transaction(names as string, mode, options);
    const objectStore = (name: string) => storeOf(tx.objectStore(name) as unknown as BareStore);
    return {
      done: tx.done,
      objectStore,
      get store() {
        return objectStore(names as string);
      },
      get error() {
        return tx.error;
      },
      commit: () => tx.commit(),
      abort: () => tx.abort(),
    };
  }

  const layer = {
    seals: true,
    transaction,
    get: (part: string, key: Key) => transaction(part).store.get(key),
    getAll: (part: string, query?: IDBKeyRange, count?: number) => transaction(part).store.getAll(query, count),
    getAllFromIndex: (part: string, index: string, query?: IDBKeyRange, count?: number) =>
      transaction(part).store.index(index).getAll(query, count),
    count: (part: string, query?: Key) => bare.count(part, query),
    put: (part: string, value: unknown, key?: Key) => bare.put(part, close(part, value, key), key),
    delete: (part: string, key: Key) => bare.delete(part, key),
    clear: (part: string) => bare.clear(part),
    close: () => bare.close(),
  };
  return layer as unknown as Db;
}
