/** The core's operations on the store: a step is a transaction, a long one several. */

import { type IDBPTransaction, type StoreNames, unwrap } from "idb";
import type { Op } from "../sync/model";
import type { Member, Message } from "../sync/wire";
import { type ChatRow, type Db, type Mark, type Row, type RowState, type Schema, UNSENT } from "./schema";
import { shelfOf, textOf, wordsOf } from "./text";

export const PARTS = [
  "chats",
  "positions",
  "messages",
  "outbox",
  "wishes",
  "marks",
  "unsentReads",
  "hidden",
  "stale",
  "facts",
  "drafts",
  "uploads",
  "members",
] as const satisfies StoreNames<Schema>[];

type Part = (typeof PARTS)[number];
export type Tx = IDBPTransaction<Schema, Part[], "readwrite">;

const PART_OPS = 32; // at least in one transaction of a long step
const TURN_ROWS = 24; // put without a pause: a slow CPU takes 1 ms for each, and a key that is pressed waits for all
const UNREAD_MAX = 1000; // counted no further; the badge says 999+
const UNREAD_SLICES = 10; // of rows that are looked at for so many: notices and what was deleted do not count

/** Drafts are left out unless asked for: one that is written when the page goes away must not have to wait. */
export function begin(db: Db, durability: "strict" | "relaxed", drafts = false): Tx {
  const parts = PARTS.filter((part) => drafts || part !== "drafts");
  const tx: Tx = db.transaction(parts, "readwrite", { durability });
  tx.done.catch(() => undefined); // what was asked of it tells, and may do so before `done` is waited for
  return tx;
}

/** A transaction: all of it or, when anything in it throws, nothing. */
export async function whole<T>(
  db: Db,
  durability: "strict" | "relaxed",
  work: (tx: Tx) => Promise<T>,
  drafts = false,
): Promise<T> {
  const tx = begin(db, durability, drafts);
  try {
    const found = await work(tx);
    await tx.done;
    return found;
  } catch (error) {
    const why = tx.error ?? error; // why it ended, not that it had ended when the next thing was asked of it
    try {
      tx.abort();
    } catch {} // it had ended
    throw why;
  }
}

/** What was sealed by another tab is no row here: nothing is made of it, and it is not written over. */
export function plain<T>(held: T): T {
  if (held && typeof held === "object" && "sealed" in held) throw new Error("it is sealed");
  return held;
}

/** The row of a message. */
export const rowIn = async (tx: Tx, id: string) => plain(await tx.objectStore("messages").get(id));

/** What a step may have changed of a chat's unread messages: nothing, some came at the end, or anything. */
export const Unread = { Same: 0, More: 1, Any: 2 } as const;
type Unread = (typeof Unread)[keyof typeof Unread];

/** What a step changed of a chat: what it did not is as the chat's row has it, and is not read again. */
interface Touch {
  unread: Unread;
  marks: boolean;
  /** Whether the newest message must be looked for; if not, it is the row's, or this one where it is newer. */
  newest: boolean;
  came: Row | null;
  row: Promise<ChatRow | undefined> | undefined;
}

type Touched = Map<string, Touch>;

const anything = (unread: Unread): Touch => ({ unread, marks: true, newest: true, came: null, row: undefined });

function touch(touched: Touched, chatId: string, changed: Partial<Touch> = {}): Touch {
  let it = touched.get(chatId);
  if (!it) {
    it = { unread: Unread.Same, marks: false, newest: false, came: null, row: undefined };
    touched.set(chatId, it);
  }
  it.unread = Math.max(it.unread, changed.unread ?? 0) as Unread;
  it.marks ||= changed.marks ?? false;
  it.newest ||= changed.newest ?? false;
  return it;
}

/** Apply a step. `wishes`: those that led to it, gone with the last of it: they were on disk, and are there again if
 * this is lost. `changed` is given the chats whose rows changed. A long step is several transactions, between which
 * whoever reads gets a turn: each position goes with the entries it covers, and what says that the step is done is in the
 * last. It is not gone on with when its core is not alive any more: what is in the store then may be another's. */
export async function apply(
  db: Db,
  userId: string,
  ops: Op[],
  wishes: number[],
  changed: Set<string>,
  alive: () => boolean,
): Promise<void> {
  for (let from = 0; (from < ops.length || wishes.length) && alive(); ) {
    const to = partOf(ops, from);
    const isLast = to === ops.length;
    const part = ops.slice(from, to);
    const drops = part.some((op) => op.op === "dropChat");
    const ids = await whole(db, "relaxed", (tx) => steps(tx, userId, part, isLast ? wishes : []), drops);
    for (const id of ids) changed.add(id);
    if (isLast) break;
    from = to;
  }
}

/** Where the part that begins here ends: behind a position, or a chat, once there is enough of it. */
function partOf(ops: Op[], from: number): number {
  let to = from + PART_OPS;
  while (to < ops.length && ops[to - 1]!.op !== "setPosition" && ops[to - 1]!.op !== "putChat") to++;
  return ops.length - to < PART_OPS ? ops.length : to;
}

async function steps(tx: Tx, userId: string, ops: Op[], wishes: number[]): Promise<string[]> {
  const touched: Touched = new Map();
  const hidden = ops.some((op) => op.op === "putMessage")
    ? new Set(await tx.objectStore("hidden").getAllKeys())
    : new Set<string>();
  for (const op of ops) // all at once; what is wrong is told where they are waited for
    if (op.op === "putChat") rowOf(tx, op.chat.id, touch(touched, op.chat.id)).catch(() => undefined);
  for (let at = 0; at < ops.length; ) {
    const messages: Message[] = [];
    for (let op = ops[at]; op?.op === "putMessage"; op = ops[++at]) messages.push(op.message);
    if (messages.length) await putMessages(tx, userId, messages, touched, hidden);
    else await one(tx, userId, ops[at++]!, touched, hidden);
  }
  for (const n of wishes) await tx.objectStore("wishes").delete(n);
  await Promise.all([...touched].map(([chatId, it]) => summarise(tx, userId, chatId, it)));
  return [...touched.keys()];
}

/** What these operations change of the chat they name. */
const changes: { [op in Op["op"]]?: Partial<Touch> } = {
  putOptimistic: { newest: true },
  markSent: { newest: true },
  markFailed: { newest: true },
  markPending: { newest: true },
  setContent: { newest: true },
  setDeleted: { newest: true, unread: Unread.Any },
  setVotes: { newest: true },
  setPinned: { newest: true },
  setMark: { marks: true },
};

async function one(tx: Tx, userId: string, op: Op, touched: Touched, hidden: Set<string>): Promise<void> {
  if ("chatId" in op) touch(touched, op.chatId, changes[op.op]);
  switch (op.op) {
    case "updateMessage": {
      const row = await rowIn(tx, op.message.messageId);
      if (row) {
        touch(touched, row.chatId, { newest: true, unread: Unread.Any });
        const starred = op.message.starred ?? row.message.starred;
        await tx.objectStore("messages").put(index({ ...row, message: { ...op.message, starred } }));
      }
      break;
    }
    case "putOptimistic": {
      const row = optimistic(userId, op, "pending");
      const held = await rowIn(tx, row.id);
      if (!held) await tx.objectStore("messages").add(row);
      else if (held.state === "uploading") await tx.objectStore("messages").put({ ...row, place: held.place });
      break;
    }
    case "markSent": {
      const row = await rowIn(tx, `~${op.clientMsgId}`);
      if (row) {
        await tx.objectStore("messages").delete(row.id);
        const { messageId, seq, createdAt } = op;
        const message = { ...row.message, messageId, seq, createdAt };
        await tx.objectStore("messages").put(index({ ...row, id: messageId, place: seq, state: "stored", message }));
      }
      break;
    }
    case "markFailed":
      await setState(tx, op.clientMsgId, "failed", op.code);
      break;
    case "markPending":
      await setState(tx, op.clientMsgId, "pending");
      break;
    case "setContent":
      await change(tx, op.messageId, { content: op.content, editedAt: op.editedAt });
      break;
    case "setDeleted":
      await change(tx, op.messageId, {
        content: null,
        deletedAt: op.at ?? new Date().toISOString(), // when is not always told; that it is, is
        deletedBy: op.userId,
        reactions: [],
      });
      break;
    case "setVotes":
      await change(tx, op.messageId, { votes: op.votes });
      break;
    case "setPinned": {
      const row = await rowIn(tx, op.messageId);
      if (row) await tx.objectStore("messages").put({ ...row, pinned: op.pinned });
      const held = await rowOf(tx, op.chatId, touch(touched, op.chatId));
      if (held) {
        const others = (held.chat.pinnedMessageIds ?? []).filter((id) => id !== op.messageId);
        held.chat.pinnedMessageIds = op.pinned ? [...others, op.messageId] : others;
      }
      break;
    }
    case "setStale":
      if (op.stale) await tx.objectStore("stale").put(1, op.messageId);
      else await tx.objectStore("stale").delete(op.messageId);
      break;
    case "hide":
      for (const id of op.messageIds) {
        hidden.add(id);
        await tx.objectStore("hidden").put(1, id);
        const row = await rowIn(tx, id);
        if (row) {
          touch(touched, row.chatId, { newest: true, unread: Unread.Any });
          await tx.objectStore("messages").delete(id);
        }
      }
      break;
    case "setPosition":
      await tx.objectStore("positions").put(op.seq, op.chatId);
      break;
    case "putChat": {
      const it = touch(touched, op.chat.id);
      const held = await rowOf(tx, op.chat.id, it);
      if (!held) touch(touched, op.chat.id, anything(Unread.Any));
      it.row = Promise.resolve({ ...(held ?? blank(op.chat.id)), chat: op.chat });
      break;
    }
    case "dropChat":
      touched.set(op.chatId, anything(Unread.Any)); // its row is gone, too
      await dropChat(tx, op.chatId);
      break;
    case "dropLog":
      await dropLog(tx, touched);
      break;
    case "setSince":
      await tx.objectStore("facts").put(op.since, "since");
      break;
    case "setEpoch":
      await tx.objectStore("facts").put(op.logEpoch, "logEpoch");
      break;
    case "outboxPut":
      if ((await tx.objectStore("outbox").index("id").getKey(op.entry.id)) === undefined)
        await tx.objectStore("outbox").add({ ...op.entry });
      break;
    case "outboxDone": {
      const key = await tx.objectStore("outbox").index("id").getKey(op.id);
      if (key !== undefined) await tx.objectStore("outbox").delete(key);
      break;
    }
    case "setMark": {
      const marks = tx.objectStore("marks");
      const held = await marks.get([op.chatId, op.userId, op.status]);
      if (!held || held.seq < op.seq)
        await marks.put({ chatId: op.chatId, userId: op.userId, status: op.status, seq: op.seq });
      break;
    }
    case "setUnsentRead":
      if (op.seq === null) await tx.objectStore("unsentReads").delete(op.chatId);
      else await tx.objectStore("unsentReads").put(op.seq, op.chatId);
      break;
  }
}

let lastPlace = 0;

/** After everything written before, also by the clock of another tab within a millisecond. */
export function unsentPlace(createdAt: string): number {
  lastPlace = Math.max(lastPlace + 1, UNSENT + Date.parse(createdAt) * 8);
  return lastPlace;
}

/** A row of one's own that has no number yet. */
export function optimistic(
  userId: string,
  given: {
    chatId: string;
    clientMsgId: string;
    content: Message["content"];
    createdAt: string;
    replyTo?: string | null;
    mentions?: string[];
  },
  state: RowState,
): Row {
  return index({
    id: `~${given.clientMsgId}`,
    chatId: given.chatId,
    place: unsentPlace(given.createdAt),
    state,
    message: {
      kind: "message",
      messageId: null,
      seq: null,
      chatId: given.chatId,
      senderId: userId,
      clientMsgId: given.clientMsgId,
      content: given.content,
      replyTo: given.replyTo ? { messageId: given.replyTo } : null,
      mentions: given.mentions ?? [],
      createdAt: given.createdAt,
      reactions: [],
    },
  });
}

/** With what it is found by. */
export function index(row: Row): Row {
  const { words: _words, shelf: _shelf, error, ...rest } = row;
  const words = wordsOf(textOf(rest.message.content));
  const shelf = rest.message.seq === null ? undefined : shelfOf(rest.message);
  return {
    ...rest,
    ...(error && rest.state === "failed" ? { error } : {}),
    ...(words.length ? { words } : {}),
    ...(shelf ? { shelf } : {}),
  };
}

/** The row of a message of the log; `before`: what is held of it already. */
export function stored(message: Message, before?: Row): Row {
  const starred = message.starred ?? before?.message.starred;
  return index({
    id: message.messageId,
    chatId: message.chatId,
    place: message.seq,
    state: "stored",
    pinned: before?.pinned ?? false,
    message: starred === undefined ? message : { ...message, starred },
  });
}

/** Many at once. What is held already is asked once per chat, and writes are waited for only so that whatever else
 * there is gets its turn: one that fails ends the transaction, and its `done` tells. */
async function putMessages(
  tx: Tx,
  userId: string,
  given: Message[],
  touched: Touched,
  hidden: Set<string>,
): Promise<void> {
  const messages = tx.objectStore("messages");
  const bare = unwrap(messages) ?? messages; // none: it seals, and has promises of its own
  const ranges = new Map<string, [number, number]>();
  for (const { chatId, seq } of given) {
    const [from, to] = ranges.get(chatId) ?? [seq, seq];
    ranges.set(chatId, [Math.min(from, seq), Math.max(to, seq)]);
  }
  const found = await Promise.all(
    [...ranges].map(([id, [from, to]]) => messages.index("place").getAll(IDBKeyRange.bound([id, from], [id, to]))),
  );
  const held = new Map(found.flat().map((row) => [row.id, plain(row)]));
  for (const [n, message] of given.entries()) {
    const { messageId, chatId, seq } = message;
    const mine = message.senderId === userId;
    const before = held.get(messageId);
    const it = touch(touched, chatId, { unread: before ? Unread.Any : mine ? Unread.Same : Unread.More });
    if (mine && message.clientMsgId) {
      bare.delete(`~${message.clientMsgId}`);
      it.newest = true;
    }
    if (hidden.has(messageId)) continue;
    const row = stored(message, before);
    held.set(row.id, row);
    if (!it.came || it.came.place <= seq) it.came = row;
    if (n % TURN_ROWS === TURN_ROWS - 1) await messages.put(row);
    else bare.put(row);
  }
}

async function setState(tx: Tx, clientMsgId: string, state: RowState, error?: string): Promise<void> {
  const row = await rowIn(tx, `~${clientMsgId}`);
  if (row) await tx.objectStore("messages").put(index({ ...row, state, error }));
}

/** A change of a message that is held and not deleted. */
export async function change(tx: Tx, messageId: string, fields: Partial<Message>): Promise<void> {
  const row = await rowIn(tx, messageId);
  if (row && !row.message.deletedAt)
    await tx.objectStore("messages").put(index({ ...row, message: { ...row.message, ...fields } }));
}

async function dropChat(tx: Tx, chatId: string): Promise<void> {
  for (const part of ["chats", "positions", "unsentReads", "drafts", "members"] as const)
    await tx.objectStore(part).delete(chatId);
  for (const key of await tx.objectStore("messages").index("place").getAllKeys(chat(chatId)))
    await tx.objectStore("messages").delete(key);
  for (const key of await tx.objectStore("marks").index("chatId").getAllKeys(chatId))
    await tx.objectStore("marks").delete(key);
  for (const entry of await tx.objectStore("outbox").getAll())
    if (entry.chatId === chatId) await tx.objectStore("outbox").delete(entry.n!);
  for (const upload of await tx.objectStore("uploads").getAll())
    if (upload.chatId === chatId) await tx.objectStore("uploads").delete(upload.id);
}

/** Stored messages, positions and marks go, for the numbers begin anew; what was never answered stays. */
async function dropLog(tx: Tx, touched: Touched): Promise<void> {
  const messages = tx.objectStore("messages");
  const unsent: Row[] = [];
  for (let cursor = await messages.openCursor(); cursor; cursor = await cursor.continue())
    if (plain(cursor.value).state !== "stored") unsent.push(cursor.value);
  await messages.clear();
  for (const row of unsent) await messages.put(row);
  for (const part of ["positions", "stale", "marks"] as const) await tx.objectStore(part).clear();
  for (const row of (await tx.objectStore("chats").getAll()).map(plain)) {
    const none = { readSeq: 0, othersReadSeq: 0, othersDeliveredSeq: 0 };
    const chat = { ...row.chat, ...none };
    touched.set(row.id, { ...anything(Unread.Any), row: Promise.resolve({ ...row, ...none, chat }) });
  }
}

export const chat = (chatId: string) => IDBKeyRange.bound([chatId, -1], [chatId, Number.MAX_VALUE]);

function blank(id: string): Omit<ChatRow, "chat"> {
  return {
    id,
    last: null,
    unread: 0,
    mentioned: false,
    readSeq: 0,
    othersReadSeq: 0,
    othersDeliveredSeq: 0,
    activity: 0,
  };
}

/** How far everybody else is; 0 while a member's mark was never told. */
function slowest(marks: Mark[], members: Member[], userId: string): { read: number; delivered: number } {
  const others = members.filter((member) => member.userId !== userId);
  if (!others.length) return { read: 0, delivered: 0 };
  const of = (id: string, status: Mark["status"]) =>
    marks.find((mark) => mark.userId === id && mark.status === status)?.seq ?? 0;
  return {
    read: Math.min(...others.map(({ userId: id }) => of(id, "read"))),
    delivered: Math.min(...others.map(({ userId: id }) => Math.max(of(id, "delivered"), of(id, "read")))),
  };
}

/** The row of a chat, read once a step. */
function rowOf(tx: Tx, chatId: string, it: Touch): Promise<ChatRow | undefined> {
  it.row ??= tx.objectStore("chats").get(chatId).then(plain);
  return it.row;
}

/** How far the person and the others are, of all marks that are held. */
async function readMarks(tx: Tx, userId: string, row: ChatRow): Promise<void> {
  const [marks, members] = await Promise.all([
    tx.objectStore("marks").index("chatId").getAll(row.id),
    tx.objectStore("members").get(row.id),
  ]);
  const mine = { read: 0, delivered: 0 };
  const others = { read: 0, delivered: 0 };
  for (const mark of marks) {
    const side = mark.userId === userId ? mine : others;
    side[mark.status] = Math.max(side[mark.status], mark.seq);
  }
  const alone = row.chat.type === "direct" ? others : slowest(marks, members ?? [], userId);
  row.readSeq = mine.read;
  row.othersReadSeq = alone.read;
  row.othersDeliveredSeq = alone.delivered;
}

/** What the chat list shows of a chat, derived from what changed of its rows and marks. */
export async function summarise(tx: Tx, userId: string, chatId: string, given: Touch | Unread): Promise<void> {
  const touched = typeof given === "number" ? anything(given) : given;
  const place = tx.objectStore("messages").index("place");
  const [row, position = 0] = await Promise.all([rowOf(tx, chatId, touched), tx.objectStore("positions").get(chatId)]);
  if (!row) return;
  const { chat: it } = row;
  if (touched.marks) await readMarks(tx, userId, row);
  row.readSeq = Math.max(it.readSeq, row.readSeq);
  row.othersReadSeq = Math.max(it.othersReadSeq, row.othersReadSeq);
  row.othersDeliveredSeq = Math.max(it.othersDeliveredSeq, row.othersDeliveredSeq, row.othersReadSeq);

  if (touched.newest || !row.last || row.lent) row.last = (await place.openCursor(chat(chatId), "prev"))?.value ?? null;
  else if (touched.came && touched.came.place >= row.last.place) row.last = touched.came;
  const behind = position < it.lastSeq; // the server counts until everything is here
  row.lent = behind && it.lastMessage !== null && (row.last?.place ?? -1) < it.lastMessage.seq;
  if (row.lent && it.lastMessage) {
    const id = it.lastMessage.messageId;
    row.last = { id, chatId, place: it.lastMessage.seq, state: "stored", message: it.lastMessage };
  }
  const from = Math.max(row.readSeq, it.joinedSeq - 1);
  if (behind && row.readSeq <= it.readSeq) {
    row.unread = it.unreadCount;
    row.mentioned = it.mentionCount > 0;
    row.counted = undefined;
  } else if (!isCounted(row.counted, from, touched.unread)) {
    const unread = await unreadFrom(tx, userId, chatId, from);
    row.unread = unread.length;
    row.mentioned = unread.some(({ message }) => message.mentions?.includes(userId));
    row.counted = { from, full: unread.length === UNREAD_MAX };
  }
  row.activity = Date.parse(row.last?.message.createdAt ?? it.createdAt);
  await tx.objectStore("chats").put(row);
}

/** The first messages of others beyond a number, at most as many as are counted. */
async function unreadFrom(tx: Tx, userId: string, chatId: string, from: number): Promise<Row[]> {
  const place = tx.objectStore("messages").index("place");
  const unread: Row[] = [];
  for (let [after, slice] = [from, 0]; slice < UNREAD_SLICES; slice++) {
    const range = IDBKeyRange.bound([chatId, after], [chatId, UNSENT], true, true);
    const rows = await place.getAll(range, UNREAD_MAX);
    for (const row of rows) {
      const { kind, deletedAt, senderId } = row.message;
      if (kind === "message" && !deletedAt && senderId !== userId) unread.push(row);
    }
    if (rows.length < UNREAD_MAX || unread.length >= UNREAD_MAX) break;
    after = rows.at(-1)!.place;
  }
  return unread.slice(0, UNREAD_MAX);
}

/** Whether the count still holds: reading a thousand rows for each message that comes is what it saves. */
function isCounted(counted: ChatRow["counted"], from: number, changed: Unread): boolean {
  if (counted?.from !== from) return false;
  return changed === Unread.Same || (changed === Unread.More && counted.full);
}
