/** Brings what the store holds and what the socket tells into the signals that the views show. */

import { batch } from "@preact/signals";
import { differ } from "../store/differ";
import type { ChatRow } from "../store/schema";
import type { Changed, Store } from "../store/store";
import { shownTo } from "../store/wants";
import type { Frame } from "../sync/model";
import type { User } from "../sync/wire";
import * as state from "./state";

const TYPING_MS = 6_000;

const typingTimers = new Map<string, ReturnType<typeof setTimeout>>();
let reading: Promise<void> = Promise.resolve();
let next: { chats: Set<string>; drafts: boolean; people: boolean; read: Promise<void> } | null = null;

/** Everything, at the start. */
export async function show(store: Store): Promise<void> {
  const [chats, drafts, people, me, waiting, skew] = await Promise.all([
    store.chats(),
    store.drafts(),
    store.people(),
    store.fact<User>("me"),
    store.pending(),
    store.fact<number>("skew"),
  ]);
  batch(() => {
    state.skew.value = skew ?? 0;
    state.people.value = new Map(people.map((user) => [user.id, user]));
    meet(chats);
    state.chats.value = new Map(chats.map((row) => [row.id, shownTo(row)]));
    state.drafts.value = new Map(drafts.map((draft) => [draft.chatId, draft]));
    state.pending.value = waiting;
    state.me.value = me ?? null;
    state.loaded.value = chats.length > 0;
    state.phase.value = me && !me.name ? "profile" : "in";
  });
}

/** Nothing of anybody any more. */
export function showNobody(): void {
  batch(() => {
    state.phase.value = "out";
    state.chats.value = new Map();
    state.people.value = new Map();
    state.drafts.value = new Map();
    state.me.value = null;
    state.pending.value = 0;
  });
}

/** One reading after the other: an older one that ends later would show what is no longer so. What changes while one
 * is under way is read together, once. */
export function reread(store: Store, changed: Changed): Promise<void> {
  if (!next) {
    const mine = { chats: new Set<string>(), drafts: false, people: false, read: Promise.resolve() };
    mine.read = reading.then(() => {
      next = null; // what changes from here on may not be seen by this reading
      return rereadNow(store, mine);
    });
    reading = mine.read.catch(() => undefined); // told to who asked; the next one is read all the same
    next = mine;
  }
  for (const id of changed.chats ?? []) next.chats.add(id);
  next.drafts ||= Boolean(changed.drafts);
  next.people ||= Boolean(changed.people);
  if (changed.chats?.length) {
    const ids = new Set(changed.chats);
    for (const listener of state.onTouched) listener(ids);
  }
  return next.read;
}

async function rereadNow(store: Store, what: { chats: Set<string>; drafts: boolean; people: boolean }): Promise<void> {
  if (state.phase.value === "out") return;
  const [found, waiting, drafts, people] = await Promise.all([
    store.chatsById([...what.chats]),
    store.pending(),
    what.drafts ? store.drafts() : null,
    what.people ? store.people() : null,
  ]);
  batch(() => {
    state.pending.value = waiting;
    if (found.size) {
      const rows = new Map(state.chats.value);
      for (const [id, row] of found) {
        if (row) rows.set(id, shownTo(row));
        else rows.delete(id);
      }
      meet([...found.values()].filter((row) => row !== undefined));
      state.chats.value = rows;
      if (rows.size) state.loaded.value = true;
    }
    if (drafts) state.drafts.value = new Map(drafts.map((draft) => [draft.chatId, draft]));
    if (people) addPeople(people);
  });
}

/** The other side of a direct chat comes with the chat. */
function meet(rows: ChatRow[]): void {
  addPeople(rows.map((row) => row.chat.peer).filter((peer) => peer !== null && peer !== undefined));
}

/** Whoever is shown by name is drawn again when this changes: only if somebody did. */
function addPeople(users: User[]): void {
  const held = state.people.value;
  const fresh = users.filter((user) => differ(user, held.get(user.id)));
  if (fresh.length) state.people.value = new Map([...held, ...fresh.map((user) => [user.id, user] as const)]);
}

export function typed(chatId: string, userId: string, on: boolean): void {
  const key = `${chatId}.${userId}`;
  clearTimeout(typingTimers.get(key));
  const others = (state.typing.value.get(chatId) ?? []).filter((id) => id !== userId);
  const next = new Map(state.typing.value);
  if (on) {
    next.set(chatId, [...others, userId]);
    typingTimers.set(
      key,
      setTimeout(() => typed(chatId, userId, false), TYPING_MS),
    );
  } else if (others.length) next.set(chatId, others);
  else next.delete(chatId);
  state.typing.value = next;
}

export function present(frame: Frame): void {
  const seen = { online: frame.status === "online", lastSeen: frame.lastSeen ?? null };
  state.presence.value = new Map(state.presence.value).set(frame.userId, seen);
}

export function progressed(id: string, share: number | null): void {
  const next = new Map(state.progress.value);
  if (share === null) next.delete(id);
  else next.set(id, share);
  state.progress.value = next;
}
