/** What the views show, as signals. Filled from the store by the engine; nothing else writes here. */

import { computed, signal } from "@preact/signals";
import type { ChatRow, Draft, Row } from "../store/schema";
import type { User } from "../sync/wire";

/** `starting`: the store is being opened. `failed`: what opens it could not be loaded. `locked`: it waits for its
 * passphrase. `profile`: signed in, but nobody yet. */
export const phase = signal<"starting" | "failed" | "locked" | "out" | "profile" | "in">("starting");

/** `offline`: no network, as the browser says. `waiting`: the server does not answer. */
export const link = signal<"offline" | "waiting" | "connecting" | "syncing" | "online">("connecting");

/** There is somebody to ask. */
export const connected = computed(() => link.value === "online" || link.value === "syncing");

export const me = signal<User | null>(null);
export const chats = signal<ReadonlyMap<string, ChatRow>>(new Map());
export const drafts = signal<ReadonlyMap<string, Draft>>(new Map());
export const people = signal<ReadonlyMap<string, User>>(new Map());
/** What the person did that the server has not answered. */
export const pending = signal(0);
/** With what was chosen for chats. */
export const waiting = computed(
  () => pending.value + [...chats.value.values()].filter((row) => row.wants !== undefined).length,
);
/** chat -> people who type in it. */
export const typing = signal<ReadonlyMap<string, readonly string[]>>(new Map());
export const presence = signal<ReadonlyMap<string, { online: boolean; lastSeen: string | null }>>(new Map());
/** upload -> share gone, 0 to 1. */
export const progress = signal<ReadonlyMap<string, number>>(new Map());
/** The person wrote something since this page was opened. */
export const wrote = signal(false);
/** Set once the first list was read from the store. */
export const loaded = signal(false);
/** The local store took no more. */
export const storageFull = signal(false);

/** What is to be added to this device's clock to have the server's, ms. */
export const skew = signal(0);

/** The time now, whatever this device believes. */
export const now = () => Date.now() + skew.value;

export const ordered = computed(() =>
  [...chats.value.values()].sort(
    (a, b) => Number(b.chat.settings.pinned) - Number(a.chat.settings.pinned) || b.activity - a.activity,
  ),
);

export function isMuted(row: ChatRow): boolean {
  const until = row.chat.settings.mutedUntil;
  return until !== null && Date.parse(until) > now();
}

export const totalUnread = computed(() =>
  [...chats.value.values()].reduce(
    (sum, row) => sum + (isMuted(row) || row.chat.settings.archived ? 0 : row.unread),
    0,
  ),
);

/** Told the chats whose rows changed. */
export const onTouched = new Set<(chatIds: ReadonlySet<string>) => void>();

/** Told rows that are shown before they are on disk, and again when they are, or could not be. */
export const onWriting = new Set<(rows: Row[], over: boolean) => void>();

export interface Toast {
  text: string;
  action?: { label: string; run(): void };
}

export const toast = signal<Toast | null>(null);
let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** A short word to the person, spoken by screen readers too. */
export function say(text: string, action?: Toast["action"]): void {
  clearTimeout(toastTimer);
  toast.value = action ? { text, action } : { text };
  toastTimer = setTimeout(() => {
    toast.value = null;
  }, 6_000);
}
