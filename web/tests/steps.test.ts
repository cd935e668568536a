/** Steps of the core on their way to the disk: nothing is sent before it is there, nothing shown out of order. */

import { beforeEach, describe, expect, test } from "vitest";
import { type Moved, Steps } from "../src/engine/steps";
import type { Row } from "../src/store/schema";
import type { Core } from "../src/sync/core";
import type { Effect, Input, Op, Step } from "../src/sync/model";
import { messageOf } from "./builders";

/** A commit that is under way, to be ended by the test. */
interface Commit {
  ops: Op[];
  wishes: number[];
  early: Row[];
  alive: () => boolean;
  done: () => void;
  fail: (error: Error) => void;
}

const SEND: Effect = { effect: "sendFrame", frame: { type: "message.send" } };
const ASK: Effect = { effect: "look", messageId: "m1" };
const putMessage = (seq: number): Op => ({ op: "putMessage", message: messageOf(seq, "bob", "hi") });
const tick: Input = { in: "tick" };

let next: Step; // what the core makes of the next input
let syncing: boolean;
let commits: Commit[];
let shown: string[]; // rows shown early; with ! when they were taken away
let seen: string[]; // what happened besides
let answer: (input: Input) => void;
let steps: Steps;

const core = {
  handle: () => next,
  online: true,
  get syncing() {
    return syncing;
  },
} as unknown as Core;
const store = {
  apply: (ops: Op[], wishes: number[] = [], early: Row[] = [], alive = () => true) =>
    new Promise<void>((done, fail) => void commits.push({ ops, wishes, early, alive, done, fail })),
  foreshow: (ops: Op[]) => {
    const rows = ops.flatMap((op) => (op.op === "putMessage" ? [{ id: op.message.messageId } as Row] : []));
    shown.push(...rows.map((row) => row.id));
    return rows;
  },
  forget: (rows: Row[]) => void shown.push(...rows.map((row) => `!${row.id}`)),
};
const moved: Moved = {
  ask: () => {
    seen.push("ask");
    return new Promise((resolve) => {
      answer = resolve;
    });
  },
  perform: (effect) => void seen.push(effect.effect),
  committed: (all) => void seen.push(`committed ${all.length}`),
  broke: () => void seen.push("broke"),
};
const settled = () => new Promise((resolve) => setTimeout(resolve));
const put = (step: Partial<Step>, wish?: number) => {
  next = { ops: [], effects: [], ...step };
  steps.put(tick, wish);
};

describe("steps", () => {
  beforeEach(() => {
    [syncing, commits, shown, seen] = [false, [], [], []];
    steps = new Steps(core, store, moved, () => 0);
  });

  test("what is sent waits for the disk, what is asked does not", async () => {
    put({ ops: [putMessage(1)], effects: [SEND, ASK] });
    await settled();
    expect(seen).toEqual(["ask"]);
    commits[0]!.done();
    await settled();
    expect(seen).toEqual(["ask", "sendFrame", "committed 1"]);
  });

  test("those that come while the disk is busy are one commit, in order, with their wishes", async () => {
    put({ ops: [putMessage(1)] }, 7);
    put({ ops: [putMessage(2)], effects: [SEND] }, 8);
    put({ ops: [putMessage(3)] }, 9);
    expect(commits).toHaveLength(1);
    commits[0]!.done();
    await settled();
    expect(commits[0]!.wishes).toEqual([7]);
    expect(commits[1]!.wishes).toEqual([8, 9]);
    expect(commits[1]!.ops).toEqual([putMessage(2), putMessage(3)]);
    expect(seen).toEqual(["committed 1"]);
    commits[1]!.done();
    await settled();
    expect(seen).toEqual(["committed 1", "sendFrame", "committed 2"]);
  });

  test("what comes just when nothing is left to write is written", async () => {
    for (let turns = 0; turns < 20; turns++) {
      commits = [];
      steps = new Steps(core, store, moved, () => 0);
      put({ ops: [putMessage(1)] });
      commits[0]!.done();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      put({ ops: [putMessage(2)] });
      await settled();
      expect([turns, commits.length]).toEqual([turns, 2]);
      commits[1]!.done();
      await settled();
    }
  });

  test("a message is shown early, unless one before it is not shown yet", async () => {
    put({ ops: [putMessage(1)] });
    expect(shown).toEqual(["m1"]);
    syncing = true;
    put({ ops: [putMessage(2)] });
    syncing = false;
    put({ ops: [putMessage(3)] });
    expect(shown).toEqual(["m1"]);
    commits[0]!.done();
    await settled();
    put({ ops: [putMessage(4)] });
    expect(shown).toEqual(["m1"]); // 2 and 3 are being written
    commits[1]!.done();
    await settled();
    commits[2]!.done();
    await settled();
    put({ ops: [putMessage(5)] });
    expect(shown).toEqual(["m1", "m5"]);
    expect(commits.map((one) => one.early.map((row) => row.id))).toEqual([["m1"], [], [], ["m5"]]);
  });

  test("a store that refuses ends them: what waits is neither shown, written nor sent", async () => {
    put({ ops: [putMessage(1)], effects: [SEND, ASK] });
    put({ ops: [putMessage(2)], effects: [SEND] });
    commits[0]!.fail(new Error("no room"));
    await settled();
    expect(seen).toEqual(["ask", "broke"]);
    expect(shown).toEqual(["m1", "m2", "!m2"]); // the store itself takes back what it was writing
    answer(tick);
    put({ ops: [putMessage(3)] });
    await settled();
    expect(commits).toHaveLength(1);
    expect(seen).toEqual(["ask", "broke"]);
  });

  test("the end waits for what is being written, of which nothing is done", async () => {
    put({ ops: [putMessage(1)], effects: [SEND] });
    put({ ops: [putMessage(2)] });
    let ended = false;
    void steps.end().then(() => {
      ended = true;
    });
    await settled();
    expect([ended, commits[0]!.alive()]).toEqual([false, false]);
    expect(shown).toEqual(["m1", "m2", "!m2"]);
    commits[0]!.done();
    await settled();
    expect([ended, seen, commits.length]).toEqual([true, [], 1]);
  });
});
