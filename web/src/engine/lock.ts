/**
 * The lock of what is kept here. Its key is in memory only, of all tabs or of none: an open tab hands it to one that
 * begins, and locking begins every tab anew, so nothing that was read stays in any. See docs/web.md, "Lock".
 */

import { effect, signal } from "@preact/signals";
import { type Lock, TYPED } from "../store/schema";
import { type Box, boxOf, isSealedFile, newKey, unwrapped, wrap } from "../store/seal";
import { sealed } from "../store/sealed";
import { convert } from "../store/sealing";
import { KEPT, takeOff } from "../worker/screen";
import { failure } from "./calls";
import type { Engine } from "./engine";
import { enterPlain, leavePlain } from "./plain";
import { phase, say } from "./state";

type Bytes = Uint8Array<ArrayBuffer>;
type Note =
  | { do: "key?" }
  | { do: "key"; id: string; key: Bytes; at: number; since: string }
  | { do: "locked" }
  | { do: "changed" }
  | { do: "active"; at: number };

export const LEAST = 8; // characters of a passphrase
const HEARSAY_MS = 200; // how long an open tab has to hand over the key
const WRITERS_MS = 15_000; // so long for tabs that still seal to begin anew, when the lock is removed
const PLAIN_MS = 8_000; // so long for tabs that write in the clear to begin anew, when it is set
const CHECK_MS = 5_000;
const TELL_MS = 10_000; // other tabs are told at most so often that somebody is here
const DELAY_MS = 500; // after a wrong passphrase, doubled with each
const DELAY_MAX_MS = 16_000;
const CLOCK_MS = 60_000; // a clock is put right by less
const MARK = "/push/lock";
const LOCKED = "tidings-locked"; // another value each time that it was locked

/** How far the store is sealed, or opened, 0 to 1; null: nothing of it is under way. */
export const converting = signal<number | null>(null);
/** The lock as this tab knows it. */
export const lock = signal<Lock | null>(null);
/** Whether this browser can, at this address: keys are for secure ones only. */
export const canLock = () => Boolean(globalThis.crypto?.subtle && navigator.locks);

const tabs = new BroadcastChannel("tidings-lock");
let engine: Engine;
let key: Bytes | null = null;
let opening: Promise<void> | null = null;
let openSince = ""; // what `LOCKED` was when this tab was opened
let leave: (() => void) | null = null; // gives up the right to write sealed records
let wrong = 0;
let lastActive = 0;
let lastTold = 0;
let watching: AbortController | null = null;
let toldDamaged = false;

const lockedLast = () => localStorage.getItem(LOCKED) ?? "";
type Handed = Extract<Note, { do: "key" }>;

/** Whether it is the key of this store, of a tab that was not locked since. */
const isOurs = (note: Handed) => note.id === engine.store.lock?.id && note.since === lockedLast();

/** A store with a lock was found: opened by another tab's key, or it waits for the passphrase. */
export async function meet(given: Engine): Promise<void> {
  listen(given);
  void keepTextOut();
  const handed = await new Promise<Handed | null>((resolve) => {
    tabs.addEventListener("message", ({ data }: MessageEvent<Note>) => {
      if (data.do === "key" && isOurs(data)) resolve(data);
    });
    setTimeout(resolve, HEARSAY_MS, null);
    tabs.postMessage({ do: "key?" } satisfies Note);
  });
  if (handed) await open(handed.key, handed.at).catch((error: unknown) => console.error("the lock", error));
  else phase.value = "locked";
}

function listen(given: Engine): void {
  if (engine) return;
  engine = given;
  lock.value = engine.store.lock;
  tabs.onmessage = ({ data }: MessageEvent<Note>) => {
    noted(data).catch((error: unknown) => console.error("the lock", error));
  };
  effect(() => {
    if (phase.value === "out") forget();
  });
}

/** To the tabs that wait for it. `at`: how long nobody was here is known to all of them. */
function hand(): void {
  const { lock: held } = engine.store;
  if (key && held) tabs.postMessage({ do: "key", id: held.id, key, at: lastActive, since: openSince } satisfies Note);
}

async function noted(note: Note): Promise<void> {
  switch (note.do) {
    case "key?":
      if (!check()) hand();
      break;
    case "key":
      if (phase.value === "locked" && !key && isOurs(note)) await open(note.key, note.at);
      break;
    case "locked":
      if (key) await beginAnew();
      break;
    case "changed":
      await renewed();
      break;
    case "active":
      lastActive = Math.max(lastActive, note.at);
      break;
  }
}

/** The lock as it stands on disk: another tab may have changed it. */
async function renewed(): Promise<Lock | null> {
  const { store } = engine;
  return know(((await store.bare.get("facts", "lock")) as Lock | undefined) ?? null);
}

function know(found: Lock | null): Lock | null {
  engine.store.lock = lock.value = found;
  return found;
}

/** In one transaction with what it was before: another tab may change it, too. */
async function amend(change: (held: Lock | null) => Lock | null): Promise<void> {
  const tx = engine.store.bare.transaction("facts", "readwrite", { durability: "strict" });
  const wanted = change(((await tx.store.get("lock")) as Lock | undefined) ?? null);
  await Promise.all([wanted ? tx.store.put(wanted, "lock") : tx.store.delete("lock"), tx.done]);
  know(wanted);
}

/** Of this very lock: another tab may have removed it, and set another. */
const withFields = (id: string, fields: Partial<Lock>) => (held: Lock | null) => {
  if (held?.id !== id) throw new Error("it is another lock now");
  return { ...held, ...fields };
};

/** From here on everything that is written is sealed; the app goes on, or begins. If it can't, it stays locked. */
function open(given: Bytes, at = Date.now()): Promise<void> {
  opening ??= begin(given, at)
    .catch((error: unknown) => {
      close();
      phase.value = "locked";
      throw error;
    })
    .finally(() => {
      opening = null;
    });
  return opening;
}

async function begin(given: Bytes, at: number): Promise<void> {
  key = given;
  openSince = lockedLast();
  lastActive = at;
  if (!isRemoving(await renewed())) await enterWriters();
  const found = await renewed();
  if (!found) return location.reload(); // it was removed meanwhile
  if (isRemoving(found)) leave?.();
  if (found.state !== "set") converting.value = 0;
  const box = await boxOf(given);
  use(box, found);
  wrong = 0;
  await engine.enter();
  watch();
  void finish(box);
}

const isRemoving = (found: Lock | null) => found?.state === "removing";

function use(box: Box, found: Lock): void {
  const { store } = engine;
  const writesPlain = isRemoving(found);
  const strict = found.state === "set" && found.clean === true;
  store.db = sealed(store.bare, box, tellDamaged, { writesPlain, strict });
  store.files = {
    seal: async (name, file) => (writesPlain ? file : await box.files.seal(name, file)),
    open: async (name, file) => (strict && !isSealedFile(file) ? null : await box.files.open(name, file)),
  };
}

/** Tabs that write sealed records share a Web Lock: the key is not thrown away while there is one. */
function enterWriters(): Promise<void> {
  return new Promise((entered) => {
    void navigator.locks.request("tidings-sealed", { mode: "shared" }, () => {
      entered();
      return new Promise<void>((resolve) => {
        leave = resolve;
      });
    });
  });
}

function tellDamaged(what: string): void {
  console.error("a record of the local store does not open", what);
  if (!toldDamaged) void import("../i18n/lock").then(({ tl }) => say(tl("damaged")));
  toldDamaged = true;
}

/** Brings the records into the form that the lock asks for; what a page that went away left undone, too. */
async function finish(box: Box): Promise<void> {
  const { store } = engine;
  await navigator.locks.request("tidings-sealing", async () => {
    const found = await renewed();
    const mine = key;
    const alive = () => key !== null && key === mine; // else it is locked, or another's store
    if (!found || !alive()) return;
    try {
      if (isRemoving(found)) await openAll(box, alive);
      else {
        const progress = (share: number) => {
          if (found.state === "sealing") converting.value = share;
        };
        if (!found.clean) await convert(store.bare, box, "sealed", progress, alive);
        if (!alive()) return;
        await amend((held) =>
          held?.id === found.id && !isRemoving(held) ? { ...held, state: "set", clean: true } : held,
        );
        if (lock.value?.id === found.id && alive()) use(box, lock.value);
      }
    } catch (error) {
      console.error("the local store could not be brought into its form", error); // again when it is next opened
    } finally {
      converting.value = null;
    }
  });
}

/** The last of a removal: every record as it was, then the lock is gone. Waits for tabs that still write sealed ones. */
async function openAll(box: Box, alive: () => boolean): Promise<void> {
  const { store } = engine;
  await alone(async () => {
    const progress = (share: number) => {
      converting.value = share;
    };
    await convert(store.bare, box, "plain", progress, alive);
    if (!alive()) return;
    await enterPlain();
    await amend(() => null);
    await letTextIn();
    forget();
    engine.reloadOthers();
  });
}

/** While no tab writes sealed records. */
function alone(work: () => unknown): Promise<unknown> {
  const how = { mode: "exclusive", signal: AbortSignal.timeout(WRITERS_MS) } as const;
  return navigator.locks.request("tidings-sealed", how, work);
}

/** Nothing is locked any more, and nobody's key is here. */
function forget(): void {
  close();
  know(null);
  void enterPlain();
}

/** As it was before it was opened. */
function close(): void {
  const { store } = engine;
  key = null;
  leave?.();
  leave = null;
  watching?.abort();
  converting.value = null;
  store.db = store.bare;
  store.files = null;
}

// -- what a person does ----------------------------------------------------------------------------------

/** Not before all other tabs that write in the clear have begun anew; when one can't, nothing was changed. */
export async function setLock(given: Engine, passphrase: string, after: number): Promise<void> {
  listen(given);
  const fresh = newKey();
  const made: Lock = { id: crypto.randomUUID(), after, state: "sealing", ...(await wrap(passphrase, fresh)) };
  await engine.halt(); // a step that is being written would go on in the clear
  leavePlain();
  try {
    const alone = { mode: "exclusive", signal: AbortSignal.timeout(PLAIN_MS) } as const;
    const set = navigator.locks.request("tidings-plain", alone, async () => {
      await (await caches.open(KEPT)).put(MARK, new Response("true"));
      await amend((held) => held ?? made);
      if (lock.value?.id !== made.id) return;
      converting.value = 0; // it is not set before all is sealed
      [key, openSince, lastActive] = [fresh, lockedLast(), Date.now()]; // for the others, who come back when this ends
    });
    engine.reloadOthers();
    await set;
  } catch (error) {
    await enterPlain();
    if (await renewed()) return location.reload(); // another tab was first
    await letTextIn();
    await engine.enter();
    throw error;
  }
  if (lock.value?.id !== made.id) return location.reload(); // another tab was first
  void keepTextOut();
  await open(fresh);
}

/** Why something of this did not work: no server has a part in it. */
export function reason(error: unknown): string {
  console.error("the lock", error);
  if (error instanceof DOMException && error.name === "TimeoutError") return "other_tab";
  return error instanceof DOMException && error.name === "QuotaExceededError" ? "storage_full" : "internal";
}

/** Whether it was the right one. A wrong one takes longer each time. */
export async function unlock(passphrase: string): Promise<boolean> {
  const found = await keyOf(passphrase);
  if (!found) return false;
  if (opening || !key) await open(found.key);
  hand();
  return true;
}

/** For who forgot it. Whether the server knows that the session has ended. */
export async function signOutAnyway(): Promise<boolean> {
  try {
    await engine.signOut();
    return true;
  } catch (error) {
    await engine.signedOut();
    return /^(unauthenticated|token_)/.test(failure(error).code); // it had ended already
  }
}

async function keyOf(passphrase: string): Promise<{ key: Bytes; id: string } | null> {
  const held = await renewed();
  if (!held) location.reload(); // it was removed meanwhile
  const found = held && (await unwrapped(passphrase, held));
  if (found) return { key: found, id: held.id };
  await new Promise((resolve) => setTimeout(resolve, Math.min(DELAY_MAX_MS, DELAY_MS * 2 ** wrong++)));
  return null;
}

/** Only the wrapping: what is sealed stays as it is. */
export async function changePassphrase(from: string, to: string): Promise<boolean> {
  const found = await keyOf(from);
  if (!found) return false;
  wrong = 0;
  await amend(withFields(found.id, await wrap(to, found.key)));
  tabs.postMessage({ do: "changed" } satisfies Note);
  return true;
}

export async function setAfter(after: number): Promise<void> {
  await amend(withFields(lock.value?.id ?? "", { after }));
  tabs.postMessage({ do: "changed" } satisfies Note);
}

export async function removeLock(passphrase: string): Promise<boolean> {
  const found = await keyOf(passphrase);
  if (!found) return false;
  const box = await boxOf(found.key);
  await engine.halt();
  converting.value = 0;
  try {
    await amend(withFields(found.id, { state: "removing", clean: false }));
  } catch (error) {
    converting.value = null;
    await engine.enter();
    throw error;
  }
  leave?.();
  engine.reloadOthers(); // they come back, and write as this one does
  await alone(() => undefined).catch(() => undefined); // until then they would take what it writes for damaged
  use(box, lock.value!);
  await engine.enter();
  await finish(box);
  return true;
}

/** At once, in every tab. */
export async function lockNow(): Promise<void> {
  localStorage.setItem(LOCKED, crypto.randomUUID());
  tabs.postMessage({ do: "locked" } satisfies Note);
  await beginAnew();
}

async function beginAnew(): Promise<void> {
  key = null;
  phase.value = "locked"; // nothing is to be seen while what was begun is written
  await engine.beginAnew();
}

// -- when nobody is here ---------------------------------------------------------------------------------

function watch(): void {
  watching?.abort();
  watching = new AbortController();
  const { signal } = watching;
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"])
    addEventListener(kind, active, { signal, passive: true, capture: true });
  document.addEventListener("visibilitychange", check, { signal });
  const timer = setInterval(check, CHECK_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/** A device that slept through the time locks before the first touch counts. */
function active(): void {
  if (check()) return;
  lastActive = Date.now();
  if (lastActive - lastTold < TELL_MS) return;
  lastTold = lastActive;
  tabs.postMessage({ do: "active", at: lastActive } satisfies Note);
}

/** Only this tab begins anew: it may have slept while somebody was in another, which hands it the key then. A tab that was
 * asleep when all were locked is found out, too. */
function check(): boolean {
  const after = engine.store.lock?.after ?? 0;
  const over = key !== null && (openSince !== lockedLast() || isOver(Date.now() - lastActive, after));
  if (over) void beginAnew();
  return over;
}

/** Whether nobody was here for too long. A clock that was put back would say so never. */
export const isOver = (idle: number, after: number) => after > 0 && (idle >= after || idle < -CLOCK_MS);

// -- what the service worker keeps -------------------------------------------------------------------------

/** Under a lock, open or not, notifications say only that there is something, and no message waits in a cache. */
async function keepTextOut(): Promise<void> {
  localStorage.removeItem(TYPED);
  const kept = await caches.open(KEPT);
  await kept.put(MARK, new Response("true"));
  for (const request of await kept.keys())
    if (new URL(request.url).pathname.startsWith("/push/message/")) await kept.delete(request);
  await takeOff(() => true);
}

async function letTextIn(): Promise<void> {
  await (await caches.open(KEPT)).delete(MARK);
}
