/** The local store: what is held, and how it is found. Raise VERSION with a step in `upgrade`; the outbox survives. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Entry, Wish } from "../sync/model";
import type { Chat, Content, Member, Message, User } from "../sync/wire";

export const NAME = "tidings";
const VERSION = 1;

/** Places at and above this are rows without a number yet, in the order they were written. */
export const UNSENT = 2 ** 52;

export type RowState = "stored" | "pending" | "uploading" | "failed";

/** A message as it is held. `id` is the messageId, or `~clientMsgId` until the server has stored it. */
export interface Row {
  id: string;
  chatId: string;
  place: number;
  state: RowState;
  error?: string;
  pinned?: boolean;
  /** Words to find it by. */
  words?: string[];
  /** Where it stands among the chat's shared things. */
  shelf?: "media" | "docs" | "links" | "voice";
  message: Omit<Message, "messageId" | "seq"> & { messageId: string | null; seq: number | null };
}

/** A chat as it is held: the server's object, and what is derived from the rows held here. */
export interface ChatRow {
  id: string;
  chat: Chat;
  last: Row | null;
  /** `last` is as the server told, and not among the rows held here. */
  lent?: boolean;
  unread: number;
  mentioned: boolean;
  /** What the two were counted from: the rows beyond `from`, `full` if there were more than are counted. None: as the
   * server told. */
  counted?: { from: number; full: boolean } | undefined;
  /** Settings that were chosen here and are not answered. */
  wants?: Partial<Chat["settings"]>;
  readSeq: number;
  othersReadSeq: number;
  othersDeliveredSeq: number;
  /** Time of the newest thing in it, ms. */
  activity: number;
}

/** In localStorage, what was being typed when a page went: a `Draft` and whose it is. */
export const TYPED = "tidings-typed";

export interface Draft {
  chatId: string;
  text: string;
  replyTo?: string;
  at: number;
}

/** A file on its way: uploaded first, then sent as the content that `draft` becomes with its media id. */
export interface Upload {
  id: string; // clientMsgId
  chatId: string;
  file: Blob;
  fileName: string;
  draft: Content;
  replyTo: string | null;
  createdAt: string;
  mediaId?: string; // of one in parts that has begun: it goes on where it was
  error?: string;
}

export interface Mark {
  chatId: string;
  userId: string;
  status: "delivered" | "read";
  seq: number;
}

export interface Kept {
  id: string;
  blob: Blob;
  size: number;
  usedAt: number;
}

/** What opening a lock takes, but for the passphrase. Stands in `facts` as it is. */
export interface Lock {
  id: string;
  salt: Uint8Array<ArrayBuffer>;
  rounds: number;
  /** The key of what is sealed, under one made of the passphrase. */
  wrapped: Uint8Array<ArrayBuffer>;
  /** Locks itself after so many ms without a touch; 0: never. */
  after: number;
  /** What was begun is gone on with when it is next open: until then, records of both forms stand side by side. */
  state: "sealing" | "set" | "removing";
  /** Everything was looked at after it was set: what is not sealed is not ours. */
  clean?: boolean;
}

/** Seals the files that are kept, under the name they are kept by. */
export interface Files {
  seal(name: string, file: Blob): Promise<Blob>;
  /** Null: it is not what was sealed. */
  open(name: string, file: Blob): Promise<Blob | null>;
}

export interface Schema extends DBSchema {
  facts: { key: string; value: unknown };
  chats: { key: string; value: ChatRow };
  positions: { key: string; value: number };
  messages: {
    key: string;
    value: Row;
    indexes: { place: [string, number]; words: string; shelf: [string, string, number] };
  };
  outbox: { key: number; value: Entry & { n?: number }; indexes: { id: string } };
  wishes: { key: number; value: { n?: number; wish: Wish } };
  marks: { key: [string, string, string]; value: Mark; indexes: { chatId: string } };
  unsentReads: { key: string; value: number };
  hidden: { key: string; value: number };
  stale: { key: string; value: number };
  drafts: { key: string; value: Draft };
  people: { key: string; value: User };
  members: { key: string; value: Member[] };
  uploads: { key: string; value: Upload };
  blobs: { key: string; value: Kept; indexes: { usedAt: number } };
}

export type Db = IDBPDatabase<Schema>;

export function open(name = NAME): Promise<Db> {
  return openDB<Schema>(name, VERSION, {
    upgrade(db, from) {
      if (from < 1) {
        const messages = db.createObjectStore("messages", { keyPath: "id" });
        messages.createIndex("place", ["chatId", "place"]);
        messages.createIndex("words", "words", { multiEntry: true });
        messages.createIndex("shelf", ["chatId", "shelf", "place"]);
        db.createObjectStore("outbox", { keyPath: "n", autoIncrement: true }).createIndex("id", "id");
        db.createObjectStore("wishes", { keyPath: "n", autoIncrement: true });
        db.createObjectStore("marks", { keyPath: ["chatId", "userId", "status"] }).createIndex("chatId", "chatId");
        db.createObjectStore("blobs", { keyPath: "id" }).createIndex("usedAt", "usedAt");
        db.createObjectStore("chats", { keyPath: "id" });
        db.createObjectStore("drafts", { keyPath: "chatId" });
        db.createObjectStore("people", { keyPath: "id" });
        db.createObjectStore("uploads", { keyPath: "id" });
        for (const plain of ["facts", "positions", "unsentReads", "hidden", "stale", "members"] as const)
          db.createObjectStore(plain);
      }
    },
    blocking(_now, _wanted, event) {
      (event.target as IDBDatabase).close(); // a newer tab upgrades the store
    },
  });
}
