/** Tells the server what was chosen: chats pinned, muted, archived, marked unread; messages starred. */

import { starSettled, wantedStars, wantStar } from "../store/stars";
import { type Settings, settled, want } from "../store/wants";
import { isFinal } from "../sync/outbox";
import type { Chat } from "../sync/wire";
import { failure } from "./calls";
import { engine } from "./here";
import { connected } from "./state";

const RETRY_MS = 5_000;
const DOUBLED_MOST = 6;

/** Shown at once; told to the server as soon as there is one. Answers whether it is kept. */
async function choose(write: () => Promise<void>, tell: () => Promise<void>): Promise<boolean> {
  const lost = (error: unknown) => {
    console.error("a choice was not kept", error);
    engine.onRefused("internal");
    return false;
  };
  const kept = await engine.keep(write).catch(lost);
  if (kept) tell().catch(lost);
  return kept;
}

export const setSettings = (chatId: string, chosen: Partial<Settings>) =>
  choose(() => want(engine.store, chatId, chosen), tellChosen);

export const star = (messageId: string, on: boolean) => choose(() => wantStar(engine.store, messageId, on), tellStars);

/** Tells what is not answered, one tab at a time: what another told is not told again. `each` answers how long each of
 * those that are not settled waits at least, ms. */
function teller(lock: string, each: () => Promise<(number | null)[]>): () => Promise<void> {
  let again: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  const tell = (): Promise<void> =>
    navigator.locks.request(lock, async () => {
      clearTimeout(again);
      const waits = (await each()).filter((wait) => wait !== null);
      failures = waits.length ? failures + 1 : 0;
      if (!waits.length || !connected.value) return; // else when it is again
      const pause = RETRY_MS * 2 ** Math.min(failures - 1, DOUBLED_MOST);
      again = setTimeout(() => tell().catch(() => undefined), Math.max(...waits, pause));
    });
  return tell;
}

export const tellChosen = teller("tidings-chosen", async () => {
  const waits = [];
  for (const { id, wants } of await engine.store.chats()) {
    if (!wants) continue;
    const answer = await engine.api.put<Chat>(`/chats/${id}/settings`, wants).catch(failure);
    const refused = "code" in answer ? answer : null;
    waits.push(await heard(refused, () => settled(engine.store, id, wants, "code" in answer ? null : answer)));
  }
  return waits;
});

export const tellStars = teller("tidings-stars", async () => {
  const waits = [];
  for (const [id, on] of Object.entries(await wantedStars(engine.store))) {
    const path = `/messages/${id}/star`;
    const refused = await (on ? engine.api.put(path) : engine.api.delete(path)).then(() => null, failure);
    waits.push(await heard(refused, () => starSettled(engine.store, id, on, !refused)));
  }
  return waits;
});

/** Null when it is settled, also by a refusal that stands; else the least time to wait before it is told again, ms. */
async function heard(refused: ReturnType<typeof failure> | null, settle: () => Promise<void>): Promise<number | null> {
  if (refused && (refused.code === "unreachable" || !isFinal(refused.code, refused.retryAfterMs)))
    return refused.retryAfterMs ?? 0;
  await settle();
  if (refused) engine.onRefused(refused.code);
  return null;
}
