/** Brings what the store holds and what the socket tells into the signals that the views show. */

import { batch } from "@preact/signals";
import type { ChatRow } from "../store/schema";
import type { Changed, Store } from "../store/store";
import type { Frame } from "../sync/model";
import type { User } from "../sync/wire";
import * as state from "./state";

const TYPING_MS = 6_000;

const typingTimers = new Map<string, ReturnType<typeof setTimeout>>();
let rereading: Promise<void> = Promise.resolve();

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
    state.chats.value = new Map(chats.map((row) => [row.id, row]));
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

/** One after the other: an older reading that ends later would show what is no longer so. */
export function reread(store: Store, changed: Changed): Promise<void> {
  const now = rereading.then(() => rereadNow(store, changed));
  rereading = now.catch(() => undefined); // told to who asked; the next one is read all the same
  return now;
}

async function rereadNow(store: Store, changed: Changed): Promise<void> {
  if (state.phase.value === "out") return;
  const [found, waiting] = await Promise.all([store.chatsById(changed.chats ?? []), store.pending()]);
  const drafts = changed.drafts ? await store.drafts() : null;
  const people = changed.people ? await store.people() : null;
  batch(() => {
    state.pending.value = waiting;
    if (changed.chats?.length) {
      const next = new Map(state.chats.value);
      for (const [id, row] of found) {
        if (row) next.set(id, row);
        else next.delete(id);
      }
      meet([...found.values()].filter((row) => row !== undefined));
      state.chats.value = next;
      if (next.size) state.loaded.value = true;
    }
    if (drafts) state.drafts.value = new Map(drafts.map((draft) => [draft.chatId, draft]));
    if (people) addPeople(people);
  });
  if (changed.chats?.length) {
    const ids = new Set(changed.chats);
    for (const listener of state.onTouched) listener(ids);
  }
}

/** The other side of a direct chat comes with the chat. */
function meet(rows: ChatRow[]): void {
  addPeople(rows.map((row) => row.chat.peer).filter((peer) => peer !== null && peer !== undefined));
}

function addPeople(users: User[]): void {
  if (users.length)
    state.people.value = new Map([...state.people.value, ...users.map((user) => [user.id, user] as const)]);
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
