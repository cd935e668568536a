/** A sealed store answers as a plain one does, and holds nothing that could be read without the key. */

import "fake-indexeddb/auto";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { stored } from "../src/store/apply";
import type { Lock, Row, Upload } from "../src/store/schema";
import { type Box, boxOf, newKey, unwrapped, wrap } from "../src/store/seal";
import { isSealed, OPEN, sealed } from "../src/store/sealed";
import { convert } from "../src/store/sealing";
import { search, shelf } from "../src/store/search";
import { wantStars } from "../src/store/stars";
import { Store } from "../src/store/store";
import type { Op } from "../src/sync/model";
import type { Member, User } from "../src/sync/wire";
import { AT, chatOf, messageOf } from "./builders";

const SECRET = "zebra";
let made = 0;

async function plainStore(): Promise<Store> {
  const store = await Store.open(`lock-${made++}`);
  await store.begin("me");
  return store;
}

/** As the lock does it, without its keys' ceremony. */
function use(store: Store, box: Box | null, onDamaged: (what: string) => void = (what) => expect.fail(what)): void {
  store.db = box ? sealed(store.bare, box, onDamaged) : store.bare;
  store.files = box?.files ?? null;
}

async function sealedStore(): Promise<{ store: Store; box: Box }> {
  const [store, box] = [await plainStore(), await boxOf(newKey())];
  use(store, box);
  return { store, box };
}

const person = (id: string): User =>
  ({ id, name: `${SECRET} ${id}`, about: null, avatar: null, phone: "+491", lastSeen: null }) as User;
const upload = (id: string): Upload => ({
  id,
  chatId: "c",
  file: new Blob([`${SECRET} file`], { type: "text/plain" }),
  fileName: `${SECRET}.txt`,
  draft: { kind: "document", mediaId: "", fileName: `${SECRET}.txt`, size: 9, mimeType: "text/plain" } as never,
  replyTo: null,
  createdAt: AT,
});

/** Something of everything. */
async function fill(store: Store, messages = 5): Promise<void> {
  const put = (seq: number): Op => ({ op: "putMessage", message: messageOf(seq, "bob", `${SECRET} number${seq}`) });
  await store.apply([
    {
      op: "putChat",
      chat: chatOf(messages, { name: `${SECRET} club`, lastMessage: messageOf(messages, "bob", SECRET) }),
    },
    ...Array.from({ length: messages }, (_, n) => put(n + 1)),
    { op: "setPosition", chatId: "c", seq: messages },
    { op: "setSince", since: "s1" },
    { op: "outboxPut", entry: { id: "o", chatId: "c", frame: { type: "message.send", content: SECRET } } },
  ]);
  await store.wish({
    in: "send",
    chatId: "c",
    clientMsgId: "w",
    content: { kind: "text", text: SECRET },
    createdAt: AT,
  });
  await store.putPeople([person("bob")]);
  await store.putMembers("c", [{ userId: "bob", role: "member", joinedAt: AT, user: person("bob") } as Member]);
  await store.putDraft({ chatId: "c", text: SECRET, at: 1 });
  await store.setFact("me", person("me"));
  await store.addUpload(upload("u"));
  await store.putBlob("p:full", new Blob([`${SECRET} picture`], { type: "image/png" }), 1);
}

/** Every byte that is kept, of values and of files. */
async function raw(store: Store): Promise<string> {
  const texts: string[] = [];
  const walk = async (value: unknown): Promise<void> => {
    if (value instanceof Blob) texts.push(await value.text(), value.type);
    else if (value instanceof Uint8Array) texts.push(new TextDecoder("latin1").decode(value));
    else if (value && typeof value === "object")
      for (const [key, inner] of Object.entries(value)) {
        texts.push(key);
        await walk(inner);
      }
    else texts.push(String(value));
  };
  for (const name of store.bare.objectStoreNames) {
    await walk(await store.bare.getAll(name));
    await walk(await store.bare.getAllKeys(name));
  }
  return texts.join("\n");
}

const withoutWords = (row: Row | null) => row && { ...row, words: undefined };

/** All that can be asked. */
async function answers(store: Store): Promise<unknown> {
  const file = async (blob: Blob | undefined) => blob && [await blob.text(), blob.type];
  const rows = await store.before("c", Number.MAX_VALUE, 100);
  const uploaded = await store.upload("u");
  return {
    chats: (await store.chats()).map((row) => ({ ...row, last: withoutWords(row.last) })),
    byId: (await store.chatsById(["c", "none"])).size,
    rows: rows.map(withoutWords),
    each: (await Promise.all(rows.map((row) => store.row(row.id)))).map((row) => withoutWords(row!)),
    found: (await search(store.db, "zeb num", undefined, 1_000)).map((row) => row.id).sort(),
    inChat: (await search(store.db, SECRET, "c", 1_000)).map((row) => row.id).sort(),
    shelf: (await shelf(store.db, "c", "links")).map((row) => row.id),
    load: await store.load(),
    wishes: await store.wishes(),
    pending: await store.pending(),
    marks: await store.marks("c"),
    people: await store.people(),
    members: await store.members("c"),
    drafts: await store.drafts(),
    me: await store.fact("me"),
    none: await store.fact("none"),
    upload: uploaded && { ...uploaded, file: await file(uploaded.file) },
    blob: await file(await store.blob("p:full")),
  };
}

const seq = fc.nat(6);
const step = fc.oneof(
  fc.record({ do: fc.constantFrom("put", "own", "edit", "delete", "hide", "pin", "star", "foresee"), seq }),
  fc.record({ do: fc.constantFrom("send", "sent", "failed", "discard", "read", "position", "chat", "votes"), seq }),
  fc.record({ do: fc.constantFrom("draft", "member", "upload", "failUpload", "dropChat", "dropLog", "blob"), seq }),
  fc.record({ do: fc.constantFrom("outbox", "done", "react", "wipe"), seq }),
);

async function act(store: Store, { do: what, seq }: { do: string; seq: number }): Promise<void> {
  const [messageId, clientMsgId] = [`m${seq}`, `x${seq}`];
  const content = { kind: "text" as const, text: `${SECRET} https://e.org ${seq}` };
  const one = (op: Op) => store.apply([op]);
  const at = new Date(Date.parse(AT) + seq * 1000).toISOString(); // places are by the clock: the same in both
  if (what === "put") await one({ op: "putMessage", message: messageOf(seq, "bob", content.text) });
  else if (what === "own") await one({ op: "putMessage", message: messageOf(seq, "me", content.text) });
  else if (what === "edit") await one({ op: "setContent", chatId: "c", messageId, content, editedAt: AT });
  else if (what === "delete") await one({ op: "setDeleted", chatId: "c", messageId, userId: "bob", at: AT });
  else if (what === "hide") await one({ op: "hide", messageIds: [messageId] });
  else if (what === "pin") await one({ op: "setPinned", chatId: "c", messageId, pinned: seq % 2 > 0 });
  else if (what === "star") await wantStars(store, [messageId], true);
  else if (what === "foresee") await store.foresee("c", [messageOf(seq, "bob", "seen")]);
  else if (what === "send") await store.wish({ in: "send", chatId: "c", clientMsgId, content, createdAt: at });
  else if (what === "sent") await one({ op: "markSent", chatId: "c", clientMsgId, messageId, seq, createdAt: AT });
  else if (what === "failed") await one({ op: "markFailed", chatId: "c", clientMsgId, code: "blocked", message: "" });
  else if (what === "discard") {
    const row = await store.row(`~${clientMsgId}`);
    if (row) await store.discard(row);
  } else if (what === "read") await store.wish({ in: "read", chatId: "c", seq });
  else if (what === "position") await one({ op: "setPosition", chatId: "c", seq });
  else if (what === "chat") await one({ op: "putChat", chat: chatOf(seq, { name: SECRET }) });
  else if (what === "draft") await store.putDraft({ chatId: "c", text: seq % 3 ? SECRET : "", at: seq });
  else if (what === "member")
    await store.putMembers("c", [{ userId: `p${seq}`, role: "member", joinedAt: AT, user: null } as Member]);
  else if (what === "upload") await store.addUpload({ ...upload("u"), createdAt: at });
  else if (what === "failUpload") await store.failUpload("u", "too_large");
  else if (what === "dropChat") await one({ op: "dropChat", chatId: "c" });
  else if (what === "dropLog") await one({ op: "dropLog" });
  else if (what === "blob") await store.putBlob("p:full", new Blob([`${seq}`], { type: "image/png" }), seq);
  else if (what === "outbox")
    await one({ op: "outboxPut", entry: { id: clientMsgId, chatId: "c", frame: { type: "x" } } });
  else if (what === "done") await one({ op: "outboxDone", chatId: "c", id: clientMsgId } as Op);
  else if (what === "react")
    await store.wish({
      in: "ask",
      chatId: "c",
      ref: `${messageId}.1`,
      frame: { type: "message.react", messageId, emoji: "👍" },
    });
}

const bare = (given: unknown) => JSON.parse(JSON.stringify(given, (key, value) => (key === "place" ? 0 : value)));

test("whatever is done, a sealed store answers as a plain one, also while it is sealed or opened", async () => {
  const moves = fc.array(fc.oneof({ weight: 8, arbitrary: step }, { weight: 1, arbitrary: fc.constant(null) }), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(moves, fc.nat(3), async (given, slices) => {
      const [plain, other] = [await plainStore(), await plainStore()];
      const box = await boxOf(newKey());
      await fill(plain);
      await fill(other);
      use(other, box);
      for (const one of given) {
        let left = slices; // then the page went away
        if (one === null) await convert(other.bare, box, "sealed", undefined, () => left-- > 0);
        else if (one.do !== "wipe") for (const store of [plain, other]) await act(store, one);
      }
      expect(bare(await answers(other))).toEqual(bare(await answers(plain)));
      await convert(other.bare, box, "sealed");
      expect(bare(await answers(other))).toEqual(bare(await answers(plain)));
      expect(await raw(other)).not.toContain(SECRET);
      await convert(other.bare, box, "plain");
      use(other, null);
      expect(bare(await answers(other))).toEqual(bare(await answers(plain)));
      plain.close();
      other.close();
    }),
    { numRuns: 120 },
  );
}, 120_000);

test("what is written under a lock can't be read in what is kept", async () => {
  const { store } = await sealedStore();
  await fill(store);
  const kept = await raw(store);
  for (const hint of [SECRET, "number1", "message.send", "+491", "text/plain", "image/png"])
    expect(kept).not.toContain(hint);
  for (const part of Object.keys(OPEN) as (keyof typeof OPEN)[])
    if (part !== "facts") expect((await store.bare.getAll(part)).every(isSealed), part).toBe(true);
});

test("sealing that broke off is gone on with, and nothing is lost", async () => {
  const [store, box] = [await plainStore(), await boxOf(newKey())];
  await fill(store, 700);
  const before = bare(await answers(store));
  use(store, box);
  let slices = 5;
  await convert(store.bare, box, "sealed", undefined, () => slices-- > 0);
  const forms = (await store.bare.getAll("messages")).map(isSealed);
  expect(new Set(forms).size).toBe(2);
  expect(bare(await answers(store))).toEqual(before);
  const told: number[] = [];
  await convert(store.bare, box, "sealed", (share) => told.push(share));
  expect(told.at(-1)).toBe(1);
  expect(await raw(store)).not.toContain(SECRET);
  expect(bare(await answers(store))).toEqual(before);
});

test("a row of before the lock is read, and sealed; once all is sealed, one that is not was put there by others", async () => {
  const { store, box } = await sealedStore();
  await fill(store);
  await store.bare.put("messages", stored(messageOf(9, "bob", SECRET)));
  const wordless = { ...messageOf(10, "bob", ""), content: { kind: "location", lat: 52.5, lon: 13.4 } };
  await store.bare.put("messages", stored(wordless as never));
  expect((await store.row("m9"))?.message.content).toEqual({ kind: "text", text: SECRET });
  await convert(store.bare, box, "sealed");
  expect((await store.bare.getAll("messages")).every(isSealed)).toBe(true);
  const damaged = vi.fn();
  store.db = sealed(store.bare, box, damaged, { strict: true });
  expect((await store.row("m10"))?.message.content).toEqual(wordless.content);
  expect(await store.fact("userId")).toBe("me");
  await store.bare.put("facts", 12, "blobBytes");
  expect(await store.fact("blobBytes")).toBe(12);
  expect(damaged).not.toHaveBeenCalled();
  await store.bare.put("messages", stored(messageOf(11, "bob", "forged")));
  await store.bare.put("facts", "forged", "since");
  await store.bare.put("members", [], "d");
  expect(await store.row("m11")).toBe(undefined);
  expect((await store.between("c", 9, 11)).map((row) => row.id)).toEqual(["m9", "m10"]);
  expect((await store.load()).since).toBe(null);
  expect(await store.members("d")).toBe(undefined);
  expect(new Set(damaged.mock.calls.flat())).toEqual(new Set(["messages m11", "facts since", "members d"]));
});

test("nothing that stands beside the seal is taken but what it is found by", async () => {
  const { store, box } = await sealedStore();
  const damaged = vi.fn();
  use(store, box, damaged);
  await fill(store);
  const forged = { message: messageOf(1, "bob", "forged"), frame: { type: "forged" }, name: "forged", at: 9 };
  for (const part of ["messages", "outbox", "wishes", "people", "drafts", "uploads", "chats"] as const)
    for (const record of await store.bare.getAll(part)) await store.bare.put(part, { ...record, ...forged } as never);
  await store.bare.put("members", { ...(await store.bare.get("members", "c")), forged: 1 } as never, "c");
  await store.bare.put("facts", { ...((await store.bare.get("facts", "me")) as object), forged: 1 }, "me");
  await store.bare.put("drafts", { chatId: "d", text: "forged", sealed: "not bytes", at: 1 } as never);
  expect(await store.before("c", Number.MAX_VALUE, 100)).toEqual([]);
  expect((await store.load()).outbox).toEqual([]);
  for (const none of [await store.wishes(), await store.people(), await store.drafts(), await store.chats()])
    expect(none).toEqual([]);
  for (const none of [await store.members("c"), await store.fact("me"), await store.upload("u")])
    expect(none).toBe(undefined);
  await convert(store.bare, box, "plain");
  expect(await raw(store)).not.toContain("forged");
});

test("a tab that knows of no lock makes nothing of sealed records: what it tries is undone as a whole", async () => {
  const [store, box] = [await plainStore(), await boxOf(newKey())];
  const one: Op = {
    op: "putOptimistic",
    chatId: "c",
    clientMsgId: "x1",
    content: { kind: "text", text: "mine" },
    createdAt: AT,
    replyTo: null,
    mentions: [],
  } as never;
  await fill(store);
  await store.apply([one, { op: "putMessage", message: messageOf(3, "bob", "https://e.org") }]);
  use(store, box);
  const before = bare(await answers(store));
  await convert(store.bare, box, "sealed");
  use(store, null);
  const content = { kind: "text" as const, text: "new" };
  const tries: (() => Promise<unknown>)[] = [
    () => store.apply([{ op: "markSent", chatId: "c", clientMsgId: "x1", messageId: "m9", seq: 9, createdAt: AT }]),
    () =>
      store.apply([
        { op: "outboxDone", id: "o" } as never,
        { op: "markFailed", chatId: "c", clientMsgId: "x1", code: "blocked", message: "" },
      ]),
    () => store.apply([{ op: "putMessage", message: messageOf(1, "bob", "again") }]),
    () =>
      store.apply([
        { op: "setPosition", chatId: "c", seq: 9 },
        { op: "setContent", chatId: "c", messageId: "m1", content, editedAt: AT },
      ]),
    () => store.apply([{ op: "setPinned", chatId: "c", messageId: "m1", pinned: true }]),
    () => store.apply([{ op: "putChat", chat: chatOf(1) }]),
    () => store.apply([{ op: "dropLog" }]),
    () => store.wish({ in: "send", chatId: "c", clientMsgId: "x2", content, createdAt: AT }),
    () =>
      store.wish({
        in: "ask",
        chatId: "c",
        ref: "m1.1",
        frame: { type: "message.react", messageId: "m1", emoji: "👍" },
      }),
    () => wantStars(store, ["m1"], true),
    () => store.failUpload("u", "too_large"),
    () => store.addUpload(upload("u")),
    () => store.discard({ id: "~x1", chatId: "c" } as Row),
    () => store.foresee("c", [{ ...messageOf(9, "bob", "seen"), messageId: "m1" }]),
    () => store.load(),
    () => store.wishes(),
    () => store.chats(),
    () => store.row("m1"),
    () => store.between("c", 0, 99),
    () => shelf(store.bare, "c", "links"),
  ];
  for (const attempt of tries) await expect(attempt(), String(attempt)).rejects.toThrow("sealed");
  use(store, box);
  expect(bare(await answers(store))).toEqual(before);
});

test("only the passphrase opens the key; another one is another wrapping of the same", async () => {
  const key = newKey();
  const lock: Lock = { id: "l", after: 0, state: "set", ...(await wrap("correct horse", key, 1000)) };
  expect(await unwrapped("wrong horse", lock)).toBe(null);
  expect(await unwrapped("correct horse", lock)).toEqual(key);
  const changed: Lock = { ...lock, ...(await wrap("battery staple", key, 1000)) };
  expect(await unwrapped("correct horse", changed)).toBe(null);
  expect(await unwrapped("battery staple", changed)).toEqual(key);
  const accented = { ...lock, ...(await wrap("caf\u00e9 caf\u00e9", key, 1000)) }; // keyboards differ
  expect(await unwrapped("cafe\u0301 cafe\u0301", accented)).toEqual(key);
});

test("a record that was changed or moved is told of and left out; the rest is read", async () => {
  const { store, box } = await sealedStore();
  const damaged = vi.fn();
  use(store, box, damaged);
  await fill(store);
  type Raw = { id: string; place: number; sealed: Uint8Array };
  const [one, two, three] = (await store.bare.getAll("messages")) as unknown as [Raw, Raw, Raw];
  one.sealed[40]! ^= 1;
  await store.bare.put("messages", one as never);
  await store.bare.put("messages", { ...two, sealed: three.sealed } as never);
  await store.bare.put("messages", { ...three, place: 77 } as never);
  const left = await store.between("c", 1, 100);
  expect(left.map((row) => row.id)).toEqual(["m4", "m5"]);
  expect(await store.row("m1")).toBe(undefined);
  expect(damaged.mock.calls.flat()).toContain("messages m1");
  await store.apply([{ op: "putMessage", message: messageOf(1, "bob", "again") }]); // the server tells it again
  expect((await store.row("m1"))?.state).toBe("stored");
  await store.apply([{ op: "dropLog" }]);
  expect(await store.pending()).toBe(3);
});

test("files are sealed in pieces, each in its place; one that was changed or cut is no file", async () => {
  const { files } = await boxOf(newKey());
  for (const size of [0, 1, 1024 * 1024, 2.5 * 1024 * 1024]) {
    const bytes = new Uint8Array(size).map((_, i) => i % 251);
    const closed = await files.seal("a", new Blob([bytes], { type: "image/png" }));
    const opened = (await files.open("a", closed))!;
    expect(opened.type).toBe("image/png");
    expect(Buffer.compare(Buffer.from(await opened.arrayBuffer()), Buffer.from(bytes))).toBe(0);
    expect(await files.open("b", closed)).toBe(null);
    expect(await files.open("a", closed.slice(0, closed.size - 1, closed.type))).toBe(null);
    const again = await files.seal("a", closed);
    expect(again).toBe(closed);
  }
});

test("signing out leaves nothing of the lock", async () => {
  const { store } = await sealedStore();
  await store.bare.put("facts", { id: "l" }, "lock");
  await fill(store);
  await store.wipe();
  for (const name of store.bare.objectStoreNames) expect(await store.bare.count(name)).toBe(0);
  expect(store.db).toBe(store.bare);
});
