/** The rows of a chat that are in the document: a window that slides over the store, at most 120 rows. */

import { type Signal, signal } from "@preact/signals";
import { fetchAround } from "../../engine/actions";
import { engine } from "../../engine/here";
import { onTouched, onWriting } from "../../engine/state";
import { differ } from "../../store/differ";
import { type Row, UNSENT } from "../../store/schema";

const ROW_PX = 36; // the least a row takes, about
const SLICE = 40; // read when the person comes near one end
const ROWS_MAX = 120;
const KEPT = SLICE * 2; // of more than that at the end that is followed: not one is dropped with each that comes

/** What is drawn when a chat opens: what fills the screen. The next slice comes when that is seen. */
const screenful = () => Math.min(SLICE, Math.ceil((globalThis.innerHeight || 800) / ROW_PX));

export class Window {
  readonly rows: Signal<Row[] | null> = signal(null);
  atStart = false;
  atEnd = true;
  #busy: Promise<void> = Promise.resolve();
  #closed = false;
  #stale = false;
  readonly #sliding = new Set<string>();
  readonly #touched = (ids: ReadonlySet<string>) => {
    if (ids.has(this.chatId) && !this.#stale) {
      this.#stale = true; // many touches in a row are read once
      this.#then(() => this.#refresh());
    }
  };

  /** Rows that the store may not show yet, and those of them that it will by its next reading. */
  readonly #writing = new Map<string, Row>();
  readonly #written = new Set<string>();
  readonly #wrote = (given: Row[], over: boolean) => {
    const here = given.filter((row) => row.chatId === this.chatId);
    for (const row of here) {
      if (over) this.#written.add(row.id);
      else this.#writing.set(row.id, row);
    }
    const rows = this.rows.peek();
    if (over || !rows || !here.length || !this.atEnd) return;
    if (rows.length + here.length <= ROWS_MAX || this.follows()) this.#set(rows, this.atStart, true);
  };

  /** `follows`: whether the person looks at the end, so that rows go at the other one. */
  constructor(
    readonly chatId: string,
    private readonly follows: () => boolean = () => true,
  ) {
    onTouched.add(this.#touched);
    onWriting.add(this.#wrote);
  }

  close(): void {
    this.#closed = true;
    onTouched.delete(this.#touched);
    onWriting.delete(this.#wrote);
  }

  /** One thing at a time. */
  #then(work: () => Promise<void>): Promise<void> {
    this.#busy = this.#busy.then(() => (this.#closed ? undefined : work())).catch(() => undefined);
    return this.#busy;
  }

  /** One slice at a time: whoever asks while one is on its way would get two. */
  #slide(way: "older" | "newer", work: () => Promise<void>): Promise<void> {
    if (this.#sliding.has(way)) return this.#busy;
    this.#sliding.add(way);
    return this.#then(() => work().finally(() => this.#sliding.delete(way)));
  }

  /** The newest rows. */
  toEnd(): Promise<void> {
    return this.#then(async () => {
      const first = screenful();
      const rows = await engine.store.before(this.chatId, Number.MAX_VALUE, first);
      this.#set(rows, rows.length < first, true);
    });
  }

  /** Around a number: a good part before it, more after. */
  around(seq: number): Promise<void> {
    return this.#then(async () => {
      const after = screenful();
      const before = Math.ceil(after / 4);
      const read = () =>
        Promise.all([
          engine.store.before(this.chatId, seq, before),
          engine.store.after(this.chatId, seq - 1, after + 1),
        ]);
      let [older, newer] = await read();
      if (newer[0]?.place !== seq && seq > (await engine.store.position(this.chatId))) {
        await fetchAround(this.chatId, seq).catch(() => undefined);
        [older, newer] = await read();
      }
      this.#set([...older, ...newer], older.length < before, newer.length <= after);
    });
  }

  older(): Promise<void> {
    return this.#slide("older", async () => {
      const rows = this.rows.peek();
      if (!rows?.length || this.atStart) return;
      const older = await engine.store.before(this.chatId, rows[0]!.place, SLICE);
      const next = [...older, ...rows];
      if (next.length > ROWS_MAX && this.atEnd && this.follows()) return; // the end they look at would be cut off
      this.#set(next.slice(0, ROWS_MAX), older.length < SLICE, this.atEnd && next.length <= ROWS_MAX);
    });
  }

  newer(): Promise<void> {
    return this.#slide("newer", async () => {
      const rows = this.rows.peek();
      if (!rows?.length || this.atEnd) return;
      const newer = await engine.store.after(this.chatId, rows.at(-1)!.place, SLICE);
      const next = [...rows, ...newer];
      this.#set(next.slice(-ROWS_MAX), this.atStart && next.length <= ROWS_MAX, newer.length < SLICE);
    });
  }

  async #refresh(): Promise<void> {
    this.#stale = false;
    const over = [...this.#written]; // what is read from here on has them, if they are there at all
    this.#written.clear();
    const rows = this.rows.peek();
    if (!rows?.length || isUnsent(rows[0]!)) {
      const found = rows && (await engine.store.before(this.chatId, Number.MAX_VALUE, SLICE));
      for (const id of over) this.#writing.delete(id);
      if (found) this.#set(found, found.length < SLICE, true);
      return;
    }
    const from = rows[0]!.place;
    const last = rows.at(-1)!;
    let found = await engine.store.between(this.chatId, from, this.atEnd ? Number.MAX_VALUE : last.place);
    let atEnd = this.atEnd;
    if (found.length > ROWS_MAX && !this.follows()) {
      // A flood while reading up here: what is below waits outside of the document.
      found = found.slice(0, ROWS_MAX);
      atEnd = false;
    }
    if (!found.length) {
      found = await engine.store.before(this.chatId, Number.MAX_VALUE, SLICE);
      atEnd = true;
    }
    for (const id of over) this.#writing.delete(id);
    this.#set(found, this.atStart && found[0]?.place === from, atEnd);
  }

  #set(rows: Row[], atStart: boolean, atEnd: boolean): void {
    const known = atEnd && this.#writing.size ? new Set(rows.map(keyOf)) : null;
    const writing = [...this.#writing.values()].filter((row) => known && !known.has(keyOf(row)));
    let all = writing.length ? [...rows, ...writing].sort((a, b) => a.place - b.place) : rows;
    const cut = all.length > ROWS_MAX && this.follows();
    all = cut ? all.slice(-KEPT) : all.slice(0, ROWS_MAX); // what is below comes when it is stored
    this.atStart = atStart && !cut;
    this.atEnd = atEnd;
    // The same row stays the same object, so its bubble is not drawn again.
    const held = new Map((this.rows.peek() ?? []).map((row) => [row.id, row]));
    this.rows.value = all.map((row) => {
      const old = held.get(row.id);
      return old && !differ(old, row) ? old : row;
    });
  }
}

export function isUnsent(row: Row): boolean {
  return row.place >= UNSENT;
}

/** The same bubble before and after the server gave it a number. */
export function keyOf(row: Row): string {
  return row.message.clientMsgId && row.message.senderId === engine.store.userId ? row.message.clientMsgId : row.id;
}
