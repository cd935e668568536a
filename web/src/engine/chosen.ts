/** Tells the server what was chosen: chats pinned, muted, archived, marked unread; messages starred. */

import { starSettled, wantedStars, wantStars } from "../store/stars";
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

export const star = (messageIds: string[], on: boolean) =>
  choose(() => wantStars(engine.store, messageIds, on), tellStars);

type Refused = ReturnType<typeof failure>;

/** Tells what is not answered, one tab at a time: what another told is not told again. `each` yields, for one after the
 * other, why it was refused for now; null when it is settled, also by a refusal that stands. */
function teller(lock: string, each: () => AsyncGenerator<Refused | null>): () => Promise<void> {
  let again: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let next: Promise<void> | null = null; // waits for the lock: it will find what is chosen until then
  const work = async () => {
    next = null;
    clearTimeout(again);
    let wait: number | null = null;
    for await (const refused of each()) {
      if (!refused) continue;
      wait = Math.max(wait ?? 0, refused.retryAfterMs ?? 0);
      if (refused.code === "unreachable" || refused.retryAfterMs) break; // so are the others
    }
    if (wait === null || !connected.value) {
      failures = 0; // without a connection: at once when there is one
      return;
    }
    failures += 1;
    const pause = RETRY_MS * 2 ** Math.min(failures - 1, DOUBLED_MOST);
    again = setTimeout(() => tell().catch(() => undefined), Math.max(wait, pause));
  };
  const tell = (): Promise<void> => (next ??= navigator.locks.request(lock, work));
  return tell;
}

const tellChosen = teller("tidings-chosen", async function* () {
  for (const { id, wants } of await engine.store.chats()) {
    if (!wants) continue;
    const answer = await engine.api.put<Chat>(`/chats/${id}/settings`, wants).catch(failure);
    const refused = "code" in answer ? answer : null;
    yield heard(refused, () => settled(engine.store, id, wants, "code" in answer ? null : answer));
  }
});

const tellStars = teller("tidings-stars", async function* () {
  for (const [id, on] of Object.entries(await wantedStars(engine.store))) {
    const path = `/messages/${id}/star`;
    const refused = await (on ? engine.api.put(path) : engine.api.delete(path)).then(() => null, failure);
    yield heard(refused, () => starSettled(engine.store, id, on, !refused));
  }
});

/** For who chose, in a tab that may be gone. */
export const tell = (chats: boolean, stars: boolean) => Promise.all([chats && tellChosen(), stars && tellStars()]);

async function heard(refused: Refused | null, settle: () => Promise<void>): Promise<Refused | null> {
  if (refused && (refused.code === "unreachable" || !isFinal(refused.code, refused.retryAfterMs))) return refused;
  await settle();
  if (refused) engine.onRefused(refused.code);
  return null;
}
