/** Where the person is, in the address. Every page has one; what lies on a page has none, but an entry in the history, so that
 * Back closes it, too. */

import { computed, signal } from "@preact/signals";

export const path = signal(location.pathname);

/** `depth`: how many pages of ours are below. `layer`: how many entries above its page this one is. */
interface Place {
  depth: number;
  layer: number;
}

const LOST_MS = 1_000; // the browser had nowhere to go

const placeOf = (state: unknown): Place => ({ depth: 0, layer: 0, ...(state as Partial<Place> | null) });

let here = placeOf(history.state);
const layers: (() => void)[] = []; // what lies on this page, and how it is closed
let arriving: (() => void)[] | null = null; // while the browser goes where we asked it to: what is to be done there
const marks: string[] = []; // by depth
let left = ""; // the page that was left last
let returned = false; // by Back

addEventListener("popstate", (event) => {
  const from = here;
  here = placeOf((event as PopStateEvent).state);
  if (arriving) arrive();
  else if (here.depth === from.depth && here.layer < from.layer) {
    const open = layers.splice(here.layer);
    if (!open.length) history.back(); // of what was closed otherwise, or lay here before it was loaded anew
    for (const close of open.reverse()) close();
  }
  if (location.pathname !== path.value) show(here.depth < from.depth);
});

function show(back: boolean): void {
  layers.length = 0; // they stay with the page that is left
  returned = back;
  left = path.value;
  path.value = location.pathname;
}

function travel(by: number): void {
  const mine: (() => void)[] = [];
  arriving = mine;
  history.go(by);
  setTimeout(() => mine === arriving && arrive(), LOST_MS);
}

function arrive(): void {
  const all = arriving ?? [];
  arriving = null;
  for (const one of all) one();
}

/** What is done to the history while it moves would be done in the wrong place. */
function whenThere(work: () => void): void {
  if (arriving) arriving.push(() => whenThere(work));
  else work();
}

/** From now on Back calls `close`; until what this answers is called. Its entry stays then, for what opens next, and is
 * passed over by Back: to take it off would move the history while the person does something else. */
export function layer(close: () => void): () => void {
  layers.push(close);
  whenThere(() => {
    if (layers.length <= here.layer) return;
    here = { ...here, layer: here.layer + 1 };
    history.pushState(here, "");
  });
  return () => {
    const at = layers.indexOf(close);
    if (at >= 0) layers.splice(at, 1);
  };
}

export function go(to: string, replace = false): void {
  whenThere(() => {
    if (to === location.pathname) return;
    if (replace && here.layer) {
      layers.length = 0;
      travel(-here.layer);
      go(to, true);
      return;
    }
    if (!replace) marks[here.depth] = markOf(document.activeElement);
    const next = { depth: here.depth + (replace ? 0 : 1), layer: 0 };
    if (replace || here.layer) history.replaceState(next, "", to);
    else history.pushState(next, "", to);
    here = next;
    show(false);
  });
}

/** To the page below: the one we came from inside the app, else `fallback`. What lies on this one goes with it. */
export function back(fallback = "/"): void {
  if (arriving) return; // pressed twice
  if (here.depth > 0) travel(-1 - here.layer);
  else go(fallback, true);
}

/** How an element is found again when its page was drawn anew. */
function markOf(element: Element | null): string {
  const name = element?.getAttribute("href") ? "href" : "aria-label";
  const value = element?.getAttribute(name);
  return value ? `${element!.localName}[${name}="${CSS.escape(value)}"]` : "";
}

/** Where focus belongs on this page, best first, as selectors. */
export const landing = () => [
  returned ? (marks[here.depth] ?? "") : "",
  path.value === "/" ? `a[href="${CSS.escape(left)}"]` : "",
  path.value === "/" || here.depth === 0 ? "" : ".side .panel-head button",
];

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
