/** Where the person is, in the address: every layer has one, so Back closes it. */

import { computed, signal } from "@preact/signals";

export const path = signal(location.pathname);

addEventListener("popstate", () => {
  path.value = location.pathname;
});

export function go(to: string, replace = false): void {
  if (to === location.pathname) return;
  const depth = ((history.state as { depth?: number } | null)?.depth ?? 0) + (replace ? 0 : 1);
  if (replace) history.replaceState({ depth }, "", to);
  else history.pushState({ depth }, "", to);
  path.value = to;
}

/** One layer up: Back where we came from inside the app, else to `fallback`. */
export function back(fallback = "/"): void {
  if (((history.state as { depth?: number } | null)?.depth ?? 0) > 0) history.back();
  else go(fallback, true);
}

export const route = computed(() => {
  const [, place = "", id = "", more = ""] = path.value.split("/");
  return { place, id, more };
});

/** The chat in the right pane; stays while settings are open beside it. */
let lastChat = "";
export const chatId = computed(() => {
  const { place, id } = route.value;
  if (place === "chat") lastChat = id;
  else if (place === "") lastChat = "";
  return lastChat;
});

/** Where in the chat to go when it opens: a message found or quoted. */
export const target = signal<{ chatId: string; seq: number; id: string } | null>(null);

export function openMessage(chat: string, seq: number, id: string): void {
  target.value = { chatId: chat, seq, id };
  go(`/chat/${chat}`);
}
