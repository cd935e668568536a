/** Tells the server what was chosen for chats: pinned, muted, archived, marked unread. */

import { type Settings, settled, want } from "../store/wants";
import { isFinal } from "../sync/outbox";
import type { Chat } from "../sync/wire";
import { failure } from "./calls";
import { engine } from "./here";
import { connected } from "./state";

const RETRY_MS = 5_000;
const DOUBLED_MOST = 6;

let again: ReturnType<typeof setTimeout> | undefined;
let failures = 0;

/** Shown at once; told to the server as soon as there is one. */
export async function setSettings(chatId: string, chosen: Partial<Settings>): Promise<void> {
  try {
    if (await engine.keep(() => want(engine.store, chatId, chosen))) await tellChosen();
  } catch (error) {
    console.error("a choice was not kept", error);
    engine.onRefused("internal");
  }
}

/** What is not answered. One tab at a time: what another told is not told again. */
export const tellChosen = () =>
  navigator.locks.request("tidings-chosen", async () => {
    clearTimeout(again);
    let wait: number | null = null;
    for (const { id, wants } of await engine.store.chats()) {
      if (!wants) continue;
      const later = await tell(id, wants);
      if (later !== null) wait = Math.max(wait ?? 0, later);
    }
    failures = wait === null ? 0 : failures + 1;
    if (wait === null || !connected.value) return; // else when it is again
    const pause = RETRY_MS * 2 ** Math.min(failures - 1, DOUBLED_MOST);
    again = setTimeout(() => tellChosen().catch(() => undefined), Math.max(wait, pause));
  });

/** Null when it is settled, else the least time to wait before it is told again, ms. */
async function tell(chatId: string, chosen: Partial<Settings>): Promise<number | null> {
  const answer = await engine.api.put<Chat>(`/chats/${chatId}/settings`, chosen).catch(failure);
  if (!("code" in answer)) {
    await settled(engine.store, chatId, chosen, answer);
    return null;
  }
  if (answer.code === "unreachable" || !isFinal(answer.code, answer.retryAfterMs)) return answer.retryAfterMs ?? 0;
  await settled(engine.store, chatId, chosen, null);
  engine.onRefused(answer.code);
  return null;
}
