/**
 * What waits to be sent and answered: one in flight per chat, in order. An entry is sent again, unchanged, until it
 * is answered: the server gives the same clientMsgId the same answer, and answers a change already in force as done.
 */

import type { Entry } from "./model";

export const ANSWER_MS = 15_000; // silence this long means that the frame or its answer was lost
const BACKOFF_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;
const RETRYABLE = new Set(["rate_limited", "internal", "unavailable", "overloaded"]);
const RENEWED = new Set(["token_expired", "token_revoked", "unauthenticated"]); // the connection renews itself

/** Whether a refusal stands, however often it is asked. */
export function isFinal(code: string, retryAfterMs: number | null | undefined): boolean {
  return !RETRYABLE.has(code) && !RENEWED.has(code) && retryAfterMs == null;
}

export class Outbox {
  readonly #entries = new Map<string, Entry>();
  readonly #chats = new Map<string, string[]>();
  readonly #due = new Map<string, number>(); // chat -> when it may be sent (again); absent: now
  readonly #refusals = new Map<string, number>();

  constructor(entries: Entry[]) {
    for (const entry of entries) this.add(entry);
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Behind what its chat already has. */
  add(entry: Entry): void {
    if (this.#entries.has(entry.id)) return;
    this.#entries.set(entry.id, entry);
    const queue = this.#chats.get(entry.chatId);
    if (queue) queue.push(entry.id);
    else this.#chats.set(entry.chatId, [entry.id]);
  }

  /** Forget an answered entry; the next of its chat is due at once. */
  done(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    if (!entry) return undefined;
    this.#entries.delete(id);
    const queue = this.#chats.get(entry.chatId)!;
    if (queue[0] === id) {
      this.#due.delete(entry.chatId);
      this.#refusals.delete(entry.chatId);
    }
    queue.splice(queue.indexOf(id), 1);
    if (queue.length === 0) this.#chats.delete(entry.chatId);
    return entry;
  }

  /** Try again later: when the server says, else after doubling delays. */
  refused(id: string, retryAfterMs: number | null | undefined, nowMs: number): void {
    const { chatId } = this.#entries.get(id)!;
    if (this.#chats.get(chatId)![0] !== id) return;
    const times = this.#refusals.get(chatId) ?? 0;
    this.#refusals.set(chatId, times + 1);
    this.#due.set(chatId, nowMs + (retryAfterMs ?? Math.min(BACKOFF_MS * 2 ** Math.min(times, 10), BACKOFF_MAX_MS)));
  }

  /** The entries to send now; each is due again when its answer is overdue. */
  due(nowMs: number): Entry[] {
    const found: Entry[] = [];
    for (const [chatId, queue] of this.#chats) {
      if ((this.#due.get(chatId) ?? nowMs) > nowMs) continue;
      this.#due.set(chatId, nowMs + ANSWER_MS);
      found.push(this.#entries.get(queue[0]!)!);
    }
    return found;
  }

  nextDue(): number | null {
    const times = [...this.#chats.keys()].map((chat) => this.#due.get(chat)).filter((at) => at !== undefined);
    return times.length ? Math.min(...times) : null;
  }

  /** Nothing is in flight any more; waits set by the server stay no longer than the connection. */
  disconnected(): void {
    this.#due.clear();
  }

  dropChat(chatId: string): void {
    this.#due.delete(chatId);
    for (const id of this.#chats.get(chatId) ?? []) this.#entries.delete(id);
    this.#chats.delete(chatId);
  }
}
