/** What the local store holds after steps of the core, and that any interleaving ends in the server's state. */

import "fake-indexeddb/auto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { begin, summarise, Unread } from "../src/store/apply";
import type { ChatRow } from "../src/store/schema";
import { search } from "../src/store/search";
import { Store } from "../src/store/store";
import { Core } from "../src/sync/core";
import type { Effect, Frame, Input, Op, Synced } from "../src/sync/model";
import type { Change, Member, Message, Reaction } from "../src/sync/wire";
import { AT, chatOf, messageOf } from "./builders";

let store: Store;
let made = 0;

beforeEach(async () => {
  store = await Store.open(`test-${made++}`);
  await store.begin("me");
});
afterEach(() => store.close());

describe("the store", () => {
  const folder = join(import.meta.dirname, "../../tests/scenarios");
  test.each(readdirSync(folder).filter((name) => name.endsWith(".json")))("takes %s, twice", async (name) => {
    const { steps } = JSON.parse(readFileSync(join(folder, name), "utf8")) as { steps: { ops: Op[] }[] };
    for (const { ops } of steps) {
      const given = ops.map((op) => (op.op === "putChat" ? { ...op, chat: { ...chatOf(0), ...op.chat } } : op));
      await store.apply(given);
      await store.apply(given); // a step is idempotent: it may be told again
    }
    const clients = (await store.before("c", Number.MAX_VALUE, 500)).map((row) => row.message.clientMsgId);
    expect(new Set(clients).size).toBe(clients.length);
  });

  test("unread counts what others wrote beyond the read mark", async () => {
    const put = (seq: number, who: string): Op => ({ op: "putMessage", message: messageOf(seq, who, "hi") });
    await store.apply([{ op: "putChat", chat: chatOf(4) }]);
    await store.apply([put(1, "bob"), put(2, "me"), put(3, "bob"), put(4, "bob")]);
    await store.apply([{ op: "setPosition", chatId: "c", seq: 4 }]);
    expect((await store.chats())[0]!.unread).toBe(3);
    await store.wish({ in: "read", chatId: "c", seq: 3 });
    expect((await store.chats())[0]!.unread).toBe(1);
    await store.apply([{ op: "setDeleted", chatId: "c", messageId: "m4", userId: "bob", at: AT }]);
    expect((await store.chats())[0]!.unread).toBe(0);
  });

  test("unread is what a count of all rows would be, whatever changed", async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("put" as const), seq: fc.nat(12) }),
      fc.record({
        do: fc.constantFrom("delete" as const, "hide" as const, "read" as const, "chat" as const),
        seq: fc.nat(12),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 5 }), { maxLength: 8 }), async (steps) => {
        const mine = await Store.open(`unread-${made++}`);
        await mine.begin("me");
        await mine.apply([{ op: "putChat", chat: chatOf(0) }]);
        for (const given of steps) {
          for (const { seq } of given.filter((one) => one.do === "read"))
            await mine.wish({ in: "read", chatId: "c", seq });
          await mine.apply(
            given.flatMap((one): Op[] => {
              const messageId = `m${one.seq}`;
              if (one.do === "put")
                return [{ op: "putMessage", message: messageOf(one.seq, one.seq % 3 ? "bob" : "me", "hi") }];
              if (one.do === "hide") return [{ op: "hide", messageIds: [messageId] }];
              if (one.do === "read") return [];
              if (one.do === "chat") return [{ op: "putChat", chat: chatOf(0, { readSeq: one.seq }) }];
              return [{ op: "setDeleted", chatId: "c", messageId, userId: "bob", at: AT }];
            }),
          );
          const { unread, readSeq } = (await mine.chats())[0]!;
          const rows = await mine.between("c", readSeq + 1, 100);
          const wanted = rows.filter(({ message }) => message.senderId !== "me" && !message.deletedAt).length;
          expect(unread).toBe(wanted);
        }
        mine.close();
      }),
      { numRuns: 100 },
    );
  });

  test("the list shows of a chat what reading all of it anew would show, whatever changed", async () => {
    const move = fc.record({
      do: fc.constantFrom("put", "own", "send", "sent", "edit", "delete", "hide", "mark", "position", "chat", "drop"),
      seq: fc.nat(6),
      who: fc.constantFrom("bob", "eve", "me"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("direct" as const, "group" as const),
        fc.array(fc.array(move, { maxLength: 4 }), { maxLength: 10 }),
        async (type, steps) => {
          const mine = await Store.open(`shown-${made++}`);
          await mine.begin("me");
          await mine.putMembers(
            "c",
            ["me", "bob", "eve"].map((userId): Member => ({ userId, role: "member", joinedAt: AT, user: null })),
          );
          const most = { last: 0, read: 0, others: 0 }; // the server's numbers only grow
          for (const given of [[{ do: "chat", seq: 0, who: "bob" }], ...steps]) {
            const ops = given.flatMap(({ do: what, seq: n, who }): Op[] => {
              const own = ["own", "send", "sent"].includes(what) || (who === "me" && what !== "put" && what !== "chat");
              const seq = own ? n + 4 : n; // those that the person wrote are none of the others', but in between
              if (what === "put" && seq >= 4) return [];
              const [messageId, clientMsgId] = [`m${seq}`, `x${seq}`];
              const content = { kind: "text" as const, text: `changed ${seq}` };
              if (what === "put" || what === "own")
                return [{ op: "putMessage", message: messageOf(seq, what === "own" ? "me" : "bob", "hi") }];
              if (what === "send")
                return [
                  {
                    op: "putOptimistic",
                    chatId: "c",
                    clientMsgId,
                    content,
                    createdAt: AT,
                    replyTo: null,
                    mentions: [],
                  },
                ];
              if (what === "sent") return [{ op: "markSent", chatId: "c", clientMsgId, messageId, seq, createdAt: AT }];
              if (what === "edit") return [{ op: "setContent", chatId: "c", messageId, content, editedAt: AT }];
              if (what === "delete") return [{ op: "setDeleted", chatId: "c", messageId, userId: "bob", at: AT }];
              if (what === "hide") return [{ op: "hide", messageIds: [messageId] }];
              if (what === "mark")
                return [{ op: "setMark", chatId: "c", userId: who, status: seq % 2 ? "read" : "delivered", seq }];
              if (what === "position") return [{ op: "setPosition", chatId: "c", seq }];
              if (what === "drop") return [{ op: "dropChat", chatId: "c" }];
              most.last = Math.max(most.last, seq - 3); // mostly no further than what is held
              most.read = Math.max(most.read, seq - 4);
              most.others = Math.max(most.others, seq - 3);
              const lastMessage = most.last ? messageOf(most.last, "bob", "newest") : null;
              const numbers = { lastMessage, readSeq: most.read, othersReadSeq: most.others };
              return [{ op: "putChat", chat: chatOf(most.last, { ...numbers, type, memberCount: 2 + (seq % 2) }) }];
            });
            await mine.apply(ops);
            const shown = await mine.chats();
            const tx = begin(mine.db, "relaxed");
            await summarise(tx, "me", "c", Unread.Any);
            await tx.done;
            const anew = await mine.chats();
            const bare = (rows: ChatRow[]) => rows.map(({ counted: _, lent: __, ...row }) => row);
            expect(bare(shown)).toEqual(bare(anew));
          }
          mine.close();
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("who the members are changes how far all of them are", async () => {
    const members = (...ids: string[]) =>
      ids.map((userId): Member => ({ userId, role: "member", joinedAt: AT, user: null }));
    const told: unknown[] = [];
    await store.apply([
      { op: "putChat", chat: chatOf(5, { type: "group" }) },
      { op: "setMark", chatId: "c", userId: "bob", status: "read", seq: 4 },
      { op: "setMark", chatId: "c", userId: "eve", status: "read", seq: 2 },
    ]);
    store.onChange = ({ chats }) => told.push(chats);
    await store.putMembers("c", members("me", "bob", "eve"));
    expect((await store.chats())[0]!.othersReadSeq).toBe(2);
    await store.putMembers("c", members("me", "bob"));
    expect((await store.chats())[0]!.othersReadSeq).toBe(4);
    await store.putMembers("c", members("me", "bob")); // no news
    expect(told).toEqual([["c"], ["c"]]);
  });

  const long = (): Op[] => [
    { op: "putChat", chat: chatOf(1000) },
    ...Array.from({ length: 1000 }, (_, n): Op[] => [
      { op: "putMessage", message: messageOf(n + 1, "bob", "hi") },
      ...((n + 1) % 100 ? [] : [{ op: "setPosition" as const, chatId: "c", seq: n + 1 }]),
    ]).flat(),
    { op: "setSince", since: "now" },
  ];

  test("nothing of a long step comes after the store was emptied", async () => {
    let alive = true;
    const writing = store.apply(long(), [], [], () => alive);
    await vi.waitFor(async () => expect(await store.position("c")).toBeGreaterThan(0));
    alive = false;
    await store.wipe();
    await writing;
    expect(await store.db.count("messages")).toBe(0);
    expect(await store.fact("since")).toBeUndefined();
  });

  test("what is on disk of a step that broke off is shown", async () => {
    const told: unknown[] = [];
    store.onChange = ({ chats }) => told.push(chats);
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      if (args[0]?.id === "m950") throw new DOMException("full", "QuotaExceededError");
      return put.apply(this, args);
    };
    try {
      await expect(store.apply(long())).rejects.toMatchObject({ name: "QuotaExceededError" });
    } finally {
      IDBObjectStore.prototype.put = put;
    }
    expect(await store.position("c")).toBe(900);
    expect(told).toEqual([["c"]]);
  });

  test("numbers that begin anew are not read before they are told", async () => {
    const read = { readSeq: 10, othersReadSeq: 10, othersDeliveredSeq: 10 };
    await store.apply([
      { op: "putChat", chat: chatOf(10, read) },
      { op: "setMark", chatId: "c", userId: "bob", status: "read", seq: 10 },
      { op: "setPosition", chatId: "c", seq: 10 },
    ]);
    await store.apply([{ op: "dropLog" }]);
    const none = { readSeq: 0, othersReadSeq: 0, othersDeliveredSeq: 0, unread: 0 };
    expect((await store.chats())[0]).toMatchObject(none);
    await store.apply([
      { op: "putMessage", message: messageOf(1, "bob", "hi") },
      { op: "putMessage", message: messageOf(2, "bob", "hi") },
      { op: "setPosition", chatId: "c", seq: 2 },
      { op: "putChat", chat: chatOf(2) },
    ]);
    expect((await store.chats())[0]).toMatchObject({ ...none, unread: 2 });
  });

  test("a step that the disk refuses tells why", async () => {
    const op: Op = { op: "putMessage", message: messageOf(1, "bob", "hi") };
    await store.apply([{ op: "putChat", chat: chatOf(0) }, op]);
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = IDBObjectStore.prototype.add; // refused for what is there already
    try {
      await expect(store.apply([op])).rejects.toMatchObject({ name: "ConstraintError" });
    } finally {
      IDBObjectStore.prototype.put = put;
    }
    expect((await store.chats())[0]!.unread).toBe(1);
  });

  test("a thousand unread are counted, not read again for each that comes", async () => {
    const put = (from: number, to: number): Op[] =>
      Array.from({ length: to - from + 1 }, (_, n) => ({
        op: "putMessage",
        message: messageOf(from + n, "bob", "hi"),
      }));
    await store.apply([{ op: "putChat", chat: chatOf(0) }, ...put(1, 1001)]);
    const unread = async () => (await store.chats())[0]!.unread;
    expect(await unread()).toBe(1000);
    await store.apply([{ op: "setDeleted", chatId: "c", messageId: "m1", userId: "bob", at: AT }]);
    expect(await unread()).toBe(1000); // those behind a thousand rows are looked at
    await store.apply([{ op: "setDeleted", chatId: "c", messageId: "m2", userId: "bob", at: AT }]);
    expect(await unread()).toBe(999);
    await store.apply(put(1002, 1002));
    expect(await unread()).toBe(1000);
    await store.wish({ in: "read", chatId: "c", seq: 1000 });
    expect(await unread()).toBe(2);
  });

  test("what is written is told before it is on disk, and that it is, or could not be", async () => {
    const told: unknown[] = [];
    store.onWriting = (rows, over) => told.push([...rows.map((row) => row.id), over]);
    store.onChange = () => told.push("changed");
    const wish = (id: string) =>
      store.wish({ in: "send", chatId: "c", clientMsgId: id, content: { kind: "text", text: "x" }, createdAt: AT });
    const kept = wish("a");
    expect(told).toEqual([["~a", false]]);
    await kept;
    expect(told).toEqual([["~a", false], ["~a", true], "changed"]);
    store.close();
    await expect(wish("b")).rejects.toThrow();
    expect(told.slice(3)).toEqual([["~b", false], ["~b", true], "changed"]);
    store = await Store.open(`test-${made++}`);
  });

  test("what comes live is told before it is on disk, and taken back if it can't be; many are not", async () => {
    const told: unknown[] = [];
    store.onWriting = (rows, over) => told.push([...rows, over]);
    store.onChange = ({ chats }) => told.push(chats);
    const put = (seq: number): Op => ({ op: "putMessage", message: messageOf(seq, "bob", "hi") });
    const step: Op[] = [put(1), { op: "setPosition", chatId: "c", seq: 1 }];
    const early = store.foreshow(step);
    expect(told.length).toBe(1);
    await store.apply(step, [], early);
    const row = await store.row("m1");
    expect(JSON.stringify(told)).toBe(JSON.stringify([[row, false], [row, true], ["c"]])); // so it is not drawn again
    expect(store.foreshow(Array.from({ length: 21 }, (_, n) => put(3 + n)))).toEqual([]);
    expect(told.length).toBe(3);
    const lost = store.foreshow([put(30)]);
    store.close();
    await expect(store.apply([put(30)], [], lost)).rejects.toThrow();
    expect(told.slice(3)).toMatchObject([[{ id: "m30" }, false], [{ id: "m30" }, true], ["c"]]); // it goes again
    store.forget(store.foreshow([put(31)]));
    expect(told.slice(6)).toMatchObject([[{ id: "m31" }, false], [{ id: "m31" }, true], ["c"]]);
    store = await Store.open(`test-${made++}`);
  });

  test("whoever reads gets a turn within a long step, whose positions go with their entries", async () => {
    const ops: Op[] = Array.from({ length: 1000 }, (_, n): Op[] => [
      { op: "putMessage", message: messageOf(n + 1, "bob", "hi") },
      ...((n + 1) % 128 ? [] : [{ op: "setPosition" as const, chatId: "c", seq: n + 1 }]),
    ]).flat();
    await store.apply([{ op: "putChat", chat: chatOf(1000) }]);
    const writing = store.apply([
      ...ops,
      { op: "setPosition", chatId: "c", seq: 1000 },
      { op: "setSince", since: "now" },
    ]);
    const seen = new Set<number>();
    for (let position = 0; position < 1000; ) {
      const tx = store.db.transaction(["positions", "messages", "facts"]);
      const [at, count, since] = await Promise.all([
        tx.objectStore("positions").get("c"),
        tx.objectStore("messages").count(),
        tx.objectStore("facts").get("since"),
      ]);
      position = at ?? 0;
      expect(count).toBe(position);
      expect(since).toBe(position === 1000 ? "now" : undefined);
      seen.add(position);
    }
    await writing;
    expect(seen.size).toBeGreaterThan(2);
  });

  test("finds by the beginnings of words, without accents", async () => {
    await store.apply([
      { op: "putMessage", message: messageOf(1, "bob", "Grüße aus Köln") },
      { op: "putMessage", message: messageOf(2, "bob", "nothing") },
    ]);
    expect((await search(store.db, "gru kol")).map((row) => row.id)).toEqual(["m1"]);
    expect(await search(store.db, "gru berlin")).toEqual([]);
  });

  test("pages backwards over holes", async () => {
    const seqs = [1, 2, 900, 901, 5000];
    await store.apply(seqs.map((seq): Op => ({ op: "putMessage", message: messageOf(seq, "bob", "hi") })));
    const places = async (place: number, count: number) =>
      (await store.before("c", place, count)).map((row) => row.place);
    expect(await places(Number.MAX_VALUE, 3)).toEqual([900, 901, 5000]);
    expect(await places(900, 3)).toEqual([1, 2]);
    expect(await places(1, 3)).toEqual([]);
  });

  test("what was never answered outlives a restore and a new person does not see the old one's", async () => {
    await store.wish({
      in: "send",
      chatId: "c",
      clientMsgId: "a",
      content: { kind: "text", text: "x" },
      createdAt: AT,
    });
    await store.apply([{ op: "putMessage", message: messageOf(1, "bob", "gone") }, { op: "dropLog" }]);
    expect((await store.before("c", Number.MAX_VALUE, 9)).map((row) => row.id)).toEqual(["~a"]);
    expect(await store.pending()).toBe(1);
    await store.begin("someone");
    expect(await store.before("c", Number.MAX_VALUE, 9)).toEqual([]);
    expect(await store.pending()).toBe(0);
  });
});

// -- any interleaving ends in the server's state ----------------------------------------------------------

/** One chat as the contract describes it: a log, and messages as they are now. */
class Server {
  readonly log: (Message | Omit<Change, "message">)[] = [];
  readonly now = new Map<string, Message>();
  readonly reactions = new Map<string, Map<string, string>>();
  frames: Frame[] = [];

  post(senderId: string, clientMsgId: string, text: string): Message {
    const held = this.log.find(
      (one): one is Message => one.kind === "message" && one.senderId === senderId && one.clientMsgId === clientMsgId,
    );
    if (held) return held;
    const message = messageOf(this.log.length + 1, senderId, text, clientMsgId);
    this.log.push(message);
    this.now.set(message.messageId, structuredClone(message));
    this.frames.push({ type: "message.new", ...structuredClone(message) });
    return message;
  }

  change(which: number, what: "edited" | "deleted" | "reaction"): void {
    const targets = this.log.filter((one): one is Message => one.kind === "message");
    if (!targets.length) return;
    const target = this.now.get(targets[which % targets.length]!.messageId)!;
    if (target.deletedAt) return;
    const seq = this.log.length + 1;
    const head = { messageId: target.messageId, chatId: "c", seq, targetSeq: target.seq, userId: "bob" };
    if (what === "edited") {
      Object.assign(target, { content: { kind: "text", text: `edited at ${seq}` }, editedAt: AT });
      this.frames.push({ type: "message.edited", ...head, content: target.content, editedAt: AT });
    } else if (what === "deleted") {
      Object.assign(target, { content: null, deletedAt: AT, deletedBy: "bob", reactions: [] });
      this.frames.push({ type: "message.deleted", ...head, for: "everyone", at: AT });
    } else {
      const emoji = seq % 2 ? "👍" : "❤️";
      target.reactions = [{ emoji, count: 1, mine: false }] satisfies Reaction[];
      this.frames.push({ type: "message.reaction", ...head, emoji });
    }
    this.log.push({ kind: "change", change: what, at: AT, ...head });
  }

  page(after: number, limit: number) {
    const items = this.log.slice(after, after + limit).map((one) => {
      const message = structuredClone(this.now.get(one.messageId)!);
      return one.kind === "change" ? { ...one, message } : message;
    });
    const toSeq = after + items.length;
    return { items, fromSeq: after + 1, toSeq, hasMore: toSeq < this.log.length };
  }

  sync(positions: Record<string, number>, limit: number): Synced {
    const page = this.page(positions.c ?? 0, limit);
    return {
      chats: [chatOf(this.log.length)],
      removed: [],
      log: page.items.length ? { c: page } : {},
      hidden: [],
      since: `s${this.log.length}`,
      hasMore: page.hasMore,
      logEpoch: "e1",
      serverTime: AT,
    };
  }
}

/** A device: core and store, effects waiting to be performed or lost. */
class Device {
  core!: Core;
  at = 0;
  effects: Effect[] = [];
  online = false;
  sent = 0;

  constructor(
    readonly store: Store,
    readonly server: Server,
  ) {}

  /** A new start, as after a crash: from what the store holds. */
  async start(): Promise<void> {
    this.online = false;
    this.effects = [];
    this.core = new Core(await this.store.load());
    for (const { n, wish } of await this.store.wishes()) await this.give(wish, [n]);
  }

  async give(input: Input, wishes: number[] = []): Promise<void> {
    const { ops, effects } = this.core.handle(input, this.at);
    await this.store.apply(ops, wishes);
    this.effects.push(...effects.filter((one) => one.effect !== "wake" && one.effect !== "tell"));
  }

  async connect(): Promise<void> {
    this.online = true;
    this.server.frames = [];
    this.effects = [];
    const frame = { type: "ready", userId: "me", sessionId: "s", serverTime: AT, heartbeatSeconds: 30, logEpoch: "e1" };
    await this.give({ in: "frame", frame });
  }

  async cut(): Promise<void> {
    this.online = false;
    this.effects = [];
    this.server.frames = [];
    await this.give({ in: "closed" });
  }

  async perform(limit = 3): Promise<void> {
    const effect = this.effects.shift();
    if (!effect || !this.online) return;
    if (effect.effect === "sync")
      await this.give({ in: "synced", round: effect.round, answer: this.server.sync(effect.positions, limit) });
    else if (effect.effect === "fetch") {
      const { round, chatId, after } = effect;
      await this.give({ in: "fetched", round, chatId, after, page: this.server.page(after, limit) });
    } else if (effect.effect === "look") {
      const message = structuredClone(this.server.now.get(effect.messageId) ?? null);
      await this.give({ in: "looked", messageId: effect.messageId, message });
    } else if (effect.effect === "sendFrame" && effect.frame.type === "message.send") {
      const { clientMsgId, content } = effect.frame;
      const { messageId, seq, createdAt } = this.server.post("me", clientMsgId, content.text);
      const frame = { type: "message.sent", clientMsgId, messageId, chatId: "c", seq, createdAt };
      await this.give({ in: "frame", frame });
    }
  }

  async frame(which: number): Promise<void> {
    if (!this.online || !this.server.frames.length) return;
    const [frame] = this.server.frames.splice(which % this.server.frames.length, 1);
    await this.give({ in: "frame", frame: frame! });
  }
}

const moves = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("post" as const), text: fc.string({ maxLength: 4 }) }),
    fc.record({
      do: fc.constant("change" as const),
      which: fc.nat(20),
      what: fc.constantFrom("edited" as const, "deleted" as const, "reaction" as const),
    }),
    fc.record({ do: fc.constantFrom("connect" as const, "cut" as const, "crash" as const, "tick" as const) }),
    fc.record({ do: fc.constant("send" as const), offline: fc.boolean() }),
    fc.record({ do: fc.constant("frame" as const), which: fc.nat(5) }),
    fc.record({ do: fc.constant("lose" as const), which: fc.nat(5) }),
    fc.record({ do: fc.constant("perform" as const) }),
  ),
  { maxLength: 40 },
);

test("whatever is lost, doubled, reordered or cut, the store ends in the server's state", async () => {
  await fc.assert(
    fc.asyncProperty(moves, async (given) => {
      const fresh = await Store.open(`fuzz-${made++}`);
      await fresh.begin("me");
      const server = new Server();
      const device = new Device(fresh, server);
      await device.start();
      for (const move of given) {
        device.at += 60;
        if (move.do === "post") server.post("bob", `b${server.log.length}`, move.text || "x");
        else if (move.do === "change") server.change(move.which, move.what);
        else if (move.do === "connect") await device.connect();
        else if (move.do === "cut") await device.cut();
        else if (move.do === "crash") await device.start();
        else if (move.do === "tick") await device.give({ in: "tick" });
        else if (move.do === "frame") await device.frame(move.which);
        else if (move.do === "lose" && server.frames.length) server.frames.splice(move.which % server.frames.length, 1);
        else if (move.do === "perform") await device.perform();
        else if (move.do === "send") {
          const clientMsgId = `a${device.sent++}`;
          const content = { kind: "text" as const, text: clientMsgId };
          await fresh.wish({ in: "send", chatId: "c", clientMsgId, content, createdAt: AT });
          // Another tab may have written the wish: the owner finds it later, or after a crash.
          if (!move.offline) {
            const { n, wish } = (await fresh.wishes()).at(-1)!;
            await device.give(wish, [n]);
          }
        }
      }
      await device.start();
      await device.connect();
      for (let i = 0; i < 400 && (device.effects.length || server.frames.length || !device.core.settled); i++) {
        if (device.effects.length) await device.perform(5);
        else if (server.frames.length) await device.frame(0);
        else {
          device.at += 1_100;
          await device.give({ in: "tick" });
        }
      }
      const rows = await fresh.before("c", Number.MAX_VALUE, 1_000);
      const seen = rows.map(({ message: m }) => [m.messageId, m.content, m.deletedAt ?? null, m.reactions ?? []]);
      const truth = server.log
        .filter((one) => one.kind === "message")
        .map((one) => server.now.get(one.messageId)!)
        .map((m) => [m.messageId, m.content, m.deletedAt ?? null, m.reactions ?? []]);
      expect(seen).toEqual(truth);
      expect(await fresh.pending()).toBe(0);
      expect(server.log.filter((one) => one.kind === "message" && one.senderId === "me").length).toBe(device.sent);
      fresh.close();
    }),
    { numRuns: 150 },
  );
});
