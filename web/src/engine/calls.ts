/** The requests that the core asks for; each answer, or that there was none, goes back to it as an input. */

import { type Api, Refusal } from "../api/http";
import type { Effect, Input, Synced } from "../sync/model";
import type { Message, Page } from "../sync/wire";

const SYNC_LIMIT = 1_000;

export type Call = Extract<Effect, { effect: "sync" | "fetch" | "look" }>;

export const isAsked = (effect: Effect): effect is Call =>
  effect.effect === "sync" || effect.effect === "fetch" || effect.effect === "look";

export async function answered(api: Api, call: Call): Promise<Input> {
  switch (call.effect) {
    case "sync": {
      const { round, since, positions } = call;
      return api.post<Synced>("/sync", { since, positions, limit: SYNC_LIMIT }).then(
        (answer) => ({ in: "synced", round, answer }),
        (error: unknown) => ({ in: "syncFailed", round, ...failure(error) }),
      );
    }
    case "fetch": {
      const { round, chatId, after } = call;
      return api.get<Page>(`/chats/${chatId}/messages?after=${after}&limit=100`).then(
        (page) => ({ in: "fetched", round, chatId, after, page }),
        (error: unknown) => ({ in: "fetchFailed", round, chatId, code: failure(error).code }),
      );
    }
    case "look": {
      const { messageId } = call;
      return api.get<Message>(`/messages/${messageId}`).then(
        (message) => ({ in: "looked", messageId, message }),
        (error: unknown) =>
          failure(error).code === "not_found"
            ? { in: "looked", messageId, message: null }
            : { in: "lookFailed", messageId },
      );
    }
  }
}

export function failure(error: unknown): { code: string; retryAfterMs: number | null } {
  if (error instanceof Refusal) return { code: error.code, retryAfterMs: error.retryAfterMs };
  return { code: "unreachable", retryAfterMs: null };
}
