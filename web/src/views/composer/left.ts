/** What was being typed when the page went: the store may not get to write it then, and what waits is undone. */

import { engine } from "../../engine/here";
import { type Draft, TYPED } from "../../store/schema";

/** Under a lock nothing is kept in the clear. */
export function leave(draft: Draft): void {
  if (engine.store.lock) return;
  try {
    localStorage.setItem(TYPED, JSON.stringify({ userId: engine.store.userId, draft }));
  } catch {
    // full, or not allowed: the store may have it
  }
}

/** What was left of this chat, once. Whoever writes its draft after that takes it away. */
export function taken(chatId: string): Draft | undefined {
  const left = localStorage.getItem(TYPED);
  if (!left) return;
  const { userId, draft } = JSON.parse(left) as { userId: string; draft: Draft };
  if (draft.chatId !== chatId) return;
  localStorage.removeItem(TYPED);
  return userId === engine.store.userId ? draft : undefined;
}
