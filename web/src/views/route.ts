/** Where the person is, in the address. Every page has one; what lies on a page has none, but an entry in the history, so that
 * Back closes it, too. */

import { computed, signal } from "@preact/signals";

export const path = signal(location.pathname);

/** `depth`: how many pages of ours are below. `layer`: how many things lie, or lay, on the page. */
interface Place {
  depth: number;
  layer: number;
}

const placeOf = (state: unknown): Place => ({ depth: 0, layer: 0, ...(state as Partial<Place> | null) });

let here = placeOf(history.state);
const layers: (() => void)[] = [];
const marks: string[] = []; // by depth
let left = ""; // the page that was left last
let returned = false; // by Back
let instead = ""; // of the page that Back leads to

addEventListener("popstate", (event) => {
  const from = here;
  here = placeOf((event as PopStateEvent).state);
  if (instead) {
    const to = instead;
    instead = "";
    return go(to, true);
  }
  if (here.depth === from.depth && here.layer < from.layer) {
    const open = layers.splice(here.layer);
    if (!open.length) return history.back(); // it was closed otherwise: its entry is passed over
    for (const close of open.reverse()) close();
    return;
  }
  for (const close of layers.splice(0).reverse()) close();
  returned = here.depth < from.depth;
  left = path.value;
  path.value = location.pathname;
});

/** From now on Back calls `close`; until what this answers is called. */
export function layer(close: () => void): () => void {
  layers.push(close);
  if (layers.length > here.layer) {
    here = { ...here, layer: layers.length };
    history.pushState(here, "");
  }
  return () => {
    const at = layers.indexOf(close);
    if (at >= 0) layers.splice(at, 1);
  };
}

export function go(to: string, replace = false): void {
  if (to === location.pathname) return;
  if (!replace) marks[here.depth] = markOf(document.activeElement);
  const over = replace || here.layer > 0; // what lay on this page is left with it
  here = { depth: here.depth + (replace ? 0 : 1), layer: 0 };
  if (over) history.replaceState(here, "", to);
  else history.pushState(here, "", to);
  returned = false;
  left = path.value;
  path.value = to;
}

/** To the page below: the one we came from inside the app, else `fallback`. What lies on this one goes with it. */
export function back(fallback = "/"): void {
  if (here.depth > 0) history.go(-1 - here.layer);
  else if (here.layer) {
    instead = fallback;
    history.go(-here.layer);
  } else go(fallback, true);
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
