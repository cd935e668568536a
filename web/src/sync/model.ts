/**
 * What goes into the sync core and what comes out. `tests/scenarios/README.md` describes it for every client;
 * `src/tidings/client/model.py` is the same in Python.
 */

import type { Chat, Content, Message, Page, Vote } from "./wire";

/** A frame as it came; fields beyond those known here are kept. */
// biome-ignore lint/suspicious/noExplicitAny: frames are told apart by `type`, an older client keeps what it does not know
export type Frame = { type: string; [field: string]: any };

/** A frame that waits for its answer. `id` is the clientMsgId of a send, the ref of anything else. */
export interface Entry {
  id: string;
  chatId: string;
  frame: Frame;
}

export interface Synced {
  chats: Chat[];
  removed: string[];
  log: Record<string, Page>;
  hidden: string[];
  since: string;
  hasMore: boolean;
  logEpoch: string;
  serverTime: string;
}

export interface Send {
  in: "send";
  chatId: string;
  clientMsgId: string;
  content: Content;
  createdAt: string;
  replyTo?: string | null;
  mentions?: string[];
  expiresIn?: number | null;
}

export interface Ask {
  in: "ask";
  chatId: string;
  ref: string;
  frame: Frame;
}

export type Wish = Send | Ask | { in: "read"; chatId: string; seq: number } | { in: "again"; entry: Entry };

export type Input =
  | { in: "frame"; frame: Frame }
  | { in: "closed" }
  | { in: "synced"; round: number; answer: Synced }
  | { in: "syncFailed"; round: number; code: string; retryAfterMs?: number | null }
  | { in: "fetched"; round: number; chatId: string; after: number; page: Page }
  | { in: "fetchFailed"; round: number; chatId: string; code: string }
  | { in: "looked"; messageId: string; message: Message | null }
  | { in: "lookFailed"; messageId: string }
  | Wish
  | { in: "tick" };

export type Op =
  | {
      op: "putOptimistic";
      chatId: string;
      clientMsgId: string;
      content: Content;
      createdAt: string;
      replyTo: string | null;
      mentions: string[];
    }
  | { op: "putMessage"; message: Message }
  | { op: "updateMessage"; message: Message }
  | { op: "markSent"; chatId: string; clientMsgId: string; messageId: string; seq: number; createdAt: string }
  | { op: "markFailed"; chatId: string; clientMsgId: string; code: string; message: string }
  | { op: "markPending"; chatId: string; clientMsgId: string }
  | { op: "setContent"; chatId: string; messageId: string; content: Content; editedAt: string | null }
  | { op: "setDeleted"; chatId: string; messageId: string; userId: string; at: string | null }
  | { op: "setVotes"; chatId: string; messageId: string; votes: Vote[] }
  | { op: "setPinned"; chatId: string; messageId: string; pinned: boolean }
  | { op: "setStale"; messageId: string; stale: boolean }
  | { op: "hide"; messageIds: string[] }
  | { op: "setPosition"; chatId: string; seq: number }
  | { op: "putChat"; chat: Chat }
  | { op: "dropChat"; chatId: string }
  | { op: "dropLog" }
  | { op: "setSince"; since: string | null }
  | { op: "setEpoch"; logEpoch: string }
  | { op: "outboxPut"; entry: Entry }
  | { op: "outboxDone"; id: string }
  | { op: "setMark"; chatId: string; userId: string; status: "delivered" | "read"; seq: number }
  | { op: "setUnsentRead"; chatId: string; seq: number | null };

export type Effect =
  | { effect: "sendFrame"; frame: Frame }
  | { effect: "sync"; round: number; since: string | null; positions: Record<string, number> }
  | { effect: "fetch"; round: number; chatId: string; after: number }
  | { effect: "look"; messageId: string }
  | { effect: "wake"; atMs: number }
  | { effect: "tell"; frame: Frame };

export interface Step {
  ops: Op[];
  effects: Effect[];
}

/** The part of the local store the core decides on. */
export interface State {
  userId: string;
  since?: string | null;
  logEpoch?: string | null;
  positions?: Record<string, number>;
  outbox?: Entry[];
  unsentReads?: Record<string, number>;
  stale?: string[];
}
