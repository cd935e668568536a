/** The rows of a chat that are shown: those of the store, and for a moment those that it is about to hold. */

import { beforeEach, describe, expect, test, vi } from "vitest";
import { onTouched, onWriting } from "../src/engine/state";
import { type Row, UNSENT } from "../src/store/schema";
import { keyOf, Window } from "../src/views/thread/window";
import { messageOf } from "./builders";

const held: Row[] = [];

vi.mock("../src/engine/actions", () => ({ fetchAround: async () => undefined }));
vi.mock("../src/engine/here", () => ({
  engine: {
    store: {
      userId: "me",
      before: async (_: string, place: number, count: number) => held.filter((row) => row.place < place).slice(-count),
      after: async (_: string, place: number, count: number) => held.filter((row) => row.place > place).slice(0, count),
      between: async (_: string, from: number, to: number) =>
        held.filter((row) => row.place >= from && row.place <= to),
      position: async () => held.at(-1)?.place ?? 0,
    },
  },
}));

const rowOf = (seq: number, senderId = "bob", clientMsgId = `x${seq}`): Row => ({
  id: `m${seq}`,
  chatId: "c",
  place: seq,
  state: "stored",
  message: messageOf(seq, senderId, "hi", clientMsgId),
});
const mine = (clientMsgId: string, after = 0): Row => ({
  ...rowOf(0, "me", clientMsgId),
  id: `~${clientMsgId}`,
  place: UNSENT + after,
  state: "pending",
});
const write = (rows: Row[], over = false) => {
  for (const listener of onWriting) listener(rows, over);
};
const touch = () => {
  for (const listener of onTouched) listener(new Set(["c"]));
};
const shown = (view: Window) => view.rows.value!.map(keyOf);

describe("a window", () => {
  let view: Window;
  beforeEach(async () => {
    held.splice(0, held.length, rowOf(1), rowOf(2));
    view?.close();
    view = new Window("c");
    await view.toEnd();
  });

  test("shows what is being written at once, at its place, and once", async () => {
    write([mine("a")]);
    write([rowOf(3)]);
    expect(shown(view)).toEqual(["m1", "m2", "m3", "a"]);
    held.push(rowOf(3), mine("a"));
    write([rowOf(3)], true);
    write([mine("a")], true);
    touch();
    await vi.waitFor(() => expect(view.rows.value!.map((row) => row.id)).toEqual(["m1", "m2", "m3", "~a"]));
    held.splice(3, 1, rowOf(4, "me", "a")); // it got its number
    touch();
    await vi.waitFor(() => expect(view.rows.value!.map((row) => row.id)).toEqual(["m1", "m2", "m3", "m4"]));
  });

  test("takes away what could not be written", async () => {
    write([rowOf(3)]);
    expect(shown(view)).toEqual(["m1", "m2", "m3"]);
    write([rowOf(3)], true);
    touch();
    await vi.waitFor(() => expect(shown(view)).toEqual(["m1", "m2"]));
  });

  test("keeps what is still being written through a reading of the store", async () => {
    write([mine("a")]);
    held.push(rowOf(3));
    touch();
    await vi.waitFor(() => expect(shown(view)).toEqual(["m1", "m2", "m3", "a"]));
  });

  test("shows nothing of it that belongs to another chat, or while it stands further up", async () => {
    write([{ ...rowOf(3), chatId: "d" }]);
    expect(shown(view)).toEqual(["m1", "m2"]);
    held.push(...Array.from({ length: 200 }, (_, n) => rowOf(3 + n)));
    await view.around(20);
    const before = shown(view);
    write([rowOf(300)]);
    expect(shown(view)).toEqual(before);
  });

  test("holds 120 rows: the newest for who follows the end, else those that are there", async () => {
    const flood = (from: number) => held.push(...Array.from({ length: 150 }, (_, n) => rowOf(from + n)));
    flood(3);
    touch();
    await vi.waitFor(() => expect(view.rows.value!.at(-1)!.place).toBe(152));
    expect([view.rows.value!.length, view.atEnd, view.atStart]).toEqual([80, true, false]);
    for (let seq = 153; seq < 400; seq++) {
      write([rowOf(seq)]); // as many as come while the disk is busy: each is shown at once, and nothing is left out
      const places = view.rows.value!.map((row) => row.place);
      expect(places).toEqual(Array.from({ length: places.length }, (_, n) => seq + 1 - places.length + n));
      expect(places.length).toBeLessThanOrEqual(120);
    }
    touch();
    await view.older();
    expect(view.rows.value!.length).toBeLessThanOrEqual(120);
    const reader = new Window("c", () => false);
    await reader.toEnd();
    const top = reader.rows.value![0]!.place;
    flood(153);
    touch();
    await vi.waitFor(() => expect(reader.rows.value!.length).toBe(120));
    expect([reader.rows.value![0]!.place, reader.atEnd]).toEqual([top, false]);
    reader.close();
  });

  test("reads one slice however often it is asked for, and never cuts off the end that is looked at", async () => {
    held.push(...Array.from({ length: 300 }, (_, n) => rowOf(3 + n)));
    await view.toEnd();
    const first = view.rows.value!.length;
    await Promise.all([view.older(), view.older(), view.older()]);
    expect(view.rows.value!.length).toBe(first + 40);
    for (let n = 0; n < 5; n++) await view.older();
    expect([view.rows.value!.at(-1)!.place, view.atEnd]).toEqual([302, true]);
  });

  test("draws a row again only if it is another", async () => {
    const [first] = view.rows.value!;
    write([rowOf(3)]);
    const third = view.rows.value![2];
    held.push({ ...rowOf(3) });
    held[0] = { ...rowOf(1) };
    write([rowOf(3)], true);
    touch();
    await view.older(); // after the reading
    expect(view.rows.value![0]).toBe(first);
    expect(view.rows.value![2]).toBe(third);
  });
});
