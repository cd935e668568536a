/** The local store as the engine and the views use it. Every write names the chats it changed to `onChange`. */

import type { Op, State, Wish } from "../sync/model";
import type { Member, Message, Reaction, User } from "../sync/wire";
import {
  apply,
  change,
  chat,
  index,
  optimistic,
  PARTS,
  plain,
  rowIn,
  stored,
  summarise,
  type Tx,
  Unread,
  whole,
} from "./apply";
import { differ } from "./differ";
import {
  type ChatRow,
  type Db,
  type Draft,
  type Files,
  type Lock,
  NAME,
  open,
  type Row,
  UNSENT,
  type Upload,
} from "./schema";

export interface Changed {
  chats?: string[];
  drafts?: string[];
  people?: string[];
  /** Some were chosen or taken off. */
  stars?: boolean;
}

const EARLY_MAX = 20; // messages that are shown before they are on disk
const MEDIA_QUOTA = 200 * 1024 * 1024; // bytes of pictures and files kept for offline

export class Store {
  userId = "";
  onChange: (changed: Changed) => void = () => undefined;
  /** Told rows that are being written before they are on disk, and again when they are, or could not be. */
  onWriting: (rows: Row[], over: boolean) => void = () => undefined;

  /** As everybody asks it: what seals `bare` while a lock is set and open, else `bare` itself. */
  db: Db;
  lock: Lock | null = null;
  files: Files | null = null;

  private constructor(readonly bare: Db) {
    this.db = bare;
  }

  /** `ready`: what is waited for before anything is read. */
  static async open(name = NAME, ready?: Promise<unknown>): Promise<Store> {
    const [db] = await Promise.all([open(name), ready]);
    const store = new Store(db);
    const [userId, lock] = await Promise.all([store.fact<string>("userId"), store.fact<Lock>("lock")]);
    store.userId = userId ?? "";
    store.lock = lock ?? null;
    return store;
  }

  close(): void {
    this.db.close();
  }

  /** The store belongs to this person from now on; another's things go. */
  async begin(userId: string): Promise<void> {
    if (this.userId !== userId) {
      await this.wipe();
      await this.db.put("facts", userId, "userId");
    }
    this.userId = userId;
  }

  /** Everything goes: signed out. */
  async wipe(): Promise<void> {
    const names = [...this.bare.objectStoreNames];
    const tx = this.bare.transaction(names, "readwrite", { durability: "strict" });
    await Promise.all(names.map((name) => tx.objectStore(name).clear()));
    await tx.done;
    this.userId = "";
    this.db = this.bare;
    this.lock = this.files = null;
  }

  // -- the core's side -----------------------------------------------------------------------------

  /** What the core starts with. */
  async load(): Promise<State> {
    const tx = this.db.transaction([...PARTS]);
    const [since, logEpoch, chatIds, seqs, outbox, readIds, reads, stale] = await Promise.all([
      tx.objectStore("facts").get("since"),
      tx.objectStore("facts").get("logEpoch"),
      tx.objectStore("positions").getAllKeys(),
      tx.objectStore("positions").getAll(),
      tx.objectStore("outbox").getAll(),
      tx.objectStore("unsentReads").getAllKeys(),
      tx.objectStore("unsentReads").getAll(),
      tx.objectStore("stale").getAllKeys(),
    ]);
    return {
      userId: this.userId,
      since: (since as string | undefined) ?? null,
      logEpoch: (logEpoch as string | undefined) ?? null,
      positions: Object.fromEntries(chatIds.map((id, i) => [id, seqs[i]!])),
      outbox: outbox.map(plain).map(({ id, chatId, frame }) => ({ id, chatId, frame })),
      unsentReads: Object.fromEntries(readIds.map((id, i) => [id, reads[i]!])),
      stale,
    };
  }

  /** Show the messages of a step before they are on disk, unless they are many. Answers their rows, for `apply`. */
  foreshow(ops: Op[]): Row[] {
    const rows = ops.flatMap((op) => (op.op === "putMessage" ? [stored(op.message)] : []));
    if (!rows.length || rows.length > EARLY_MAX) return [];
    this.onWriting(rows, false);
    return rows;
  }

  /** These will not be written. */
  forget(early: Row[]): void {
    if (!early.length) return;
    this.onWriting(early, true);
    this.onChange({ chats: early.map((row) => row.chatId) });
  }

  /** `early`: the rows of it that are shown already. `alive`: whether the rest of a long step is still wanted. */
  async apply(ops: Op[], wishes: number[] = [], early: Row[] = [], alive = () => true): Promise<void> {
    const changed = new Set(early.map((row) => row.chatId));
    try {
      await apply(this.db, this.userId, ops, wishes, changed, alive);
    } finally {
      if (early.length) this.onWriting(early, true);
      if (changed.size) this.onChange({ chats: [...changed] });
    }
  }

  /** What the person did, on disk before anything of it is sent: the tab that owns the socket takes it from here. */
  async wish(wish: Wish): Promise<void> {
    let chatId = wish.in === "again" ? wish.entry.chatId : wish.chatId;
    const row = wish.in === "send" ? optimistic(this.userId, wish, "pending") : null;
    if (row) this.onWriting([row], false);
    try {
      await whole(this.db, wish.in === "read" ? "relaxed" : "strict", async (tx) => {
        await tx.objectStore("wishes").add({ wish });
        if (row) {
          await putOwn(tx, row);
          await tx.objectStore("uploads").delete(row.message.clientMsgId!);
        } else if (wish.in === "ask") {
          chatId = (await foretell(tx, this.userId, wish.frame)) ?? chatId;
        } else if (wish.in === "read") {
          const held = await tx.objectStore("marks").get([wish.chatId, this.userId, "read"]);
          if (!held || held.seq < wish.seq)
            await tx.objectStore("marks").put({ chatId, userId: this.userId, status: "read", seq: wish.seq });
        }
        await summarise(tx, this.userId, chatId, wish.in === "ask" ? Unread.Any : Unread.Same);
      });
    } finally {
      if (row) this.onWriting([row], true);
      this.onChange({ chats: [chatId] });
    }
  }

  async wishes(): Promise<{ n: number; wish: Wish }[]> {
    return (await this.db.getAll("wishes")).map(plain) as { n: number; wish: Wish }[];
  }

  /** How much of what the person did has not been answered. */
  async pending(): Promise<number> {
    const tx = this.db.transaction(["outbox", "wishes", "uploads"]);
    const [outbox, wishes, uploads] = await Promise.all([
      tx.objectStore("outbox").count(),
      tx.objectStore("wishes").getAll(),
      tx.objectStore("uploads").count(),
    ]);
    return outbox + uploads + wishes.map(plain).filter(({ wish }) => wish.in !== "read").length;
  }

  /** Messages as the server has them now, outside of the log's order: put only beyond the position, where the log
   * will tell of them again. */
  async foresee(chatId: string, messages: Message[]): Promise<void> {
    await whole(this.db, "relaxed", async (tx) => {
      const position = (await tx.objectStore("positions").get(chatId)) ?? 0;
      const hidden = new Set(await tx.objectStore("hidden").getAllKeys());
      for (const message of messages)
        if (message.seq > position && !hidden.has(message.messageId))
          await tx.objectStore("messages").put(stored(message, await rowIn(tx, message.messageId)));
    });
    this.onChange({ chats: [chatId] });
  }

  // -- files on their way ----------------------------------------------------------------------------

  async addUpload(upload: Upload): Promise<void> {
    const file = await this.#sealed(upload.id, upload.file);
    await whole(this.db, "strict", async (tx) => {
      await tx.objectStore("uploads").put({ ...upload, file });
      const given = { ...upload, clientMsgId: upload.id, content: upload.draft, replyTo: upload.replyTo };
      await putOwn(tx, optimistic(this.userId, given, "uploading"));
      await summarise(tx, this.userId, upload.chatId, Unread.Any);
    });
    this.onChange({ chats: [upload.chatId] });
  }

  async failUpload(id: string, code: string): Promise<void> {
    const row = await whole(this.db, "strict", async (tx) => {
      const [upload, held] = [plain(await tx.objectStore("uploads").get(id)), await rowIn(tx, `~${id}`)];
      if (upload) await tx.objectStore("uploads").put({ ...upload, error: code });
      if (held) {
        await tx.objectStore("messages").put(index({ ...held, state: "failed", error: code }));
        await summarise(tx, this.userId, held.chatId, Unread.Same);
      }
      return held;
    });
    if (row) this.onChange({ chats: [row.chatId] });
  }

  /** An upload in parts has a place at the server, or none any more. */
  async placeUpload(id: string, mediaId: string | undefined): Promise<void> {
    await whole(this.db, "strict", async (tx) => {
      const upload = plain(await tx.objectStore("uploads").get(id));
      if (upload) await tx.objectStore("uploads").put({ ...upload, mediaId });
    });
  }

  /** With their files as they are kept: to have one opened, ask for its upload. */
  async uploads(): Promise<Upload[]> {
    return (await this.db.getAll("uploads")).map(plain);
  }

  async upload(id: string): Promise<Upload | undefined> {
    const held = plain(await this.db.get("uploads", id));
    const file = held && (await this.#opened(id, held.file));
    if (held && !file) await this.failUpload(id, "damaged");
    return held && file ? { ...held, file } : undefined;
  }

  async isUploading(id: string): Promise<boolean> {
    return (await this.db.count("uploads", id)) > 0;
  }

  #sealed(name: string, file: Blob): Blob | Promise<Blob> {
    return this.files ? this.files.seal(name, file) : file;
  }

  #opened(name: string, file: Blob): Blob | Promise<Blob | null> {
    return this.files ? this.files.open(name, file) : file;
  }

  /** A row that was never sent goes, with its file. */
  async discard(row: Row): Promise<void> {
    await whole(this.db, "strict", async (tx) => {
      await tx.objectStore("messages").delete(row.id);
      await tx.objectStore("uploads").delete(row.id.slice(1));
      await summarise(tx, this.userId, row.chatId, Unread.Any);
    });
    this.onChange({ chats: [row.chatId] });
  }

  // -- the reader's side -----------------------------------------------------------------------------

  async chats(): Promise<ChatRow[]> {
    return (await this.db.getAll("chats")).map(plain);
  }

  async chatsById(ids: string[]): Promise<Map<string, ChatRow | undefined>> {
    const tx = this.db.transaction("chats");
    return new Map(await Promise.all(ids.map(async (id) => [id, plain(await tx.store.get(id))] as const)));
  }

  /** Everything of the chat's log up to here is held. */
  async position(chatId: string): Promise<number> {
    return (await this.db.get("positions", chatId)) ?? 0;
  }

  async row(id: string): Promise<Row | undefined> {
    return plain(await this.db.get("messages", id));
  }

  /** Rows from one place to another, both included. */
  async between(chatId: string, from: number, to: number): Promise<Row[]> {
    const range = IDBKeyRange.bound([chatId, from], [chatId, to]);
    return (await this.db.getAllFromIndex("messages", "place", range)).map(plain);
  }

  async after(chatId: string, place: number, count: number): Promise<Row[]> {
    const range = IDBKeyRange.bound([chatId, place], [chatId, Number.MAX_VALUE], true);
    return (await this.db.getAllFromIndex("messages", "place", range, count)).map(plain);
  }

  /** The last `count` rows before a place. Numbers are nearly dense, so a range is asked, and widened if need be. */
  async before(chatId: string, place: number, count: number): Promise<Row[]> {
    let unsent: Row[] = [];
    let top = place;
    if (place > UNSENT) {
      unsent = await this.between(chatId, UNSENT, place - 1);
      top = UNSENT;
      const range = IDBKeyRange.bound([chatId, -1], [chatId, UNSENT], false, true);
      const newest = await this.db.transaction("messages").store.index("place").openKeyCursor(range, "prev");
      top = newest ? (newest.key as [string, number])[1] + 1 : 0;
    }
    const wanted = count - unsent.length;
    for (let width = wanted * 2; wanted > 0 && top > 0; width *= 8) {
      const found = await this.between(chatId, Math.max(0, top - width), top - 1);
      if (found.length >= wanted || width >= top) return [...found.slice(-wanted), ...unsent];
    }
    return unsent.slice(-count);
  }

  async marks(chatId: string): Promise<Map<string, { delivered: number; read: number }>> {
    const found = new Map<string, { delivered: number; read: number }>();
    for (const mark of await this.db.getAllFromIndex("marks", "chatId", chatId)) {
      const held = found.get(mark.userId) ?? { delivered: 0, read: 0 };
      held[mark.status] = mark.seq;
      found.set(mark.userId, held);
    }
    return found;
  }

  // -- people, drafts, files ---------------------------------------------------------------------------

  async people(): Promise<User[]> {
    return (await this.db.getAll("people")).map(plain);
  }

  async putPeople(users: User[]): Promise<void> {
    if (!users.length) return;
    const tx = this.db.transaction("people", "readwrite");
    const held = await Promise.all(users.map((user) => tx.store.get(user.id)));
    const fresh = users.filter((user, i) => differ(user, held[i]));
    await Promise.all(fresh.map((user) => tx.store.put(user)));
    await tx.done;
    if (fresh.length) this.onChange({ people: fresh.map((user) => user.id) });
  }

  async members(chatId: string): Promise<Member[] | undefined> {
    return plain(await this.db.get("members", chatId));
  }

  async putMembers(chatId: string, members: Member[]): Promise<void> {
    if (!differ(await this.members(chatId), members)) return;
    await whole(this.db, "relaxed", async (tx) => {
      await tx.objectStore("members").put(members, chatId);
      await summarise(tx, this.userId, chatId, Unread.Same);
    });
    this.onChange({ chats: [chatId] });
  }

  async drafts(): Promise<Draft[]> {
    return (await this.db.getAll("drafts")).map(plain);
  }

  async putDraft(draft: Draft): Promise<void> {
    const tx = this.db.transaction("drafts", "readwrite");
    const asked = draft.text.trim() || draft.replyTo ? tx.store.put(draft) : tx.store.delete(draft.chatId);
    tx.commit(); // at once: of a page that goes away, what is not being committed is undone
    await Promise.all([asked, tx.done]);
    this.onChange({ drafts: [draft.chatId] });
  }

  async fact<T>(name: string): Promise<T | undefined> {
    return plain(await this.db.get("facts", name)) as T | undefined;
  }

  async setFact(name: string, value: unknown): Promise<void> {
    await this.db.put("facts", value, name);
  }

  async blob(id: string): Promise<Blob | undefined> {
    const kept = await this.db.get("blobs", id);
    return (kept && (await this.#opened(id, kept.blob))) ?? undefined;
  }

  /** Kept until there is more than the quota, then the longest unused go. */
  async putBlob(id: string, file: Blob, now: number): Promise<void> {
    const blob = await this.#sealed(id, file);
    const tx = this.db.transaction("blobs", "readwrite");
    await tx.store.put({ id, blob, size: blob.size, usedAt: now });
    const total = ((await this.db.get("facts", "blobBytes")) as number | undefined) ?? 0;
    await tx.done;
    if (total + blob.size <= MEDIA_QUOTA) {
      await this.setFact("blobBytes", total + blob.size);
      return;
    }
    const kept = await this.db.getAllFromIndex("blobs", "usedAt");
    let left = kept.reduce((sum, one) => sum + one.size, 0);
    for (const one of kept) {
      if (left <= MEDIA_QUOTA / 2) break;
      await this.db.delete("blobs", one.id);
      left -= one.size;
    }
    await this.setFact("blobBytes", left);
  }
}

/** A row of one's own without a number, in the place of what it was before. */
async function putOwn(tx: Tx, row: Row): Promise<void> {
  const held = await rowIn(tx, row.id);
  await tx.objectStore("messages").put(held ? { ...row, place: held.place } : row);
}

/** What an edit, deletion, reaction or vote will look like, shown before the server has answered. */
async function foretell(
  tx: Tx,
  userId: string,
  frame: { type: string; [field: string]: unknown },
): Promise<string | undefined> {
  const messageId = frame.messageId as string;
  const row = await rowIn(tx, messageId);
  if (!row) return undefined;
  const { message } = row;
  if (frame.type === "message.edit") {
    const content = frame.content as Message["content"];
    await change(tx, messageId, { content, editedAt: message.editedAt ?? message.createdAt });
  } else if (frame.type === "message.delete" && frame.for === "me") {
    await tx.objectStore("messages").delete(messageId);
  } else if (frame.type === "message.delete") {
    await change(tx, messageId, { content: null, deletedAt: message.createdAt, deletedBy: userId, reactions: [] });
  } else if (frame.type === "message.react") {
    await change(tx, messageId, { reactions: reacted(message.reactions ?? [], frame.emoji as string | null) });
  } else if (frame.type === "message.vote") {
    const chosen = frame.optionIds as string[];
    const options = message.content?.kind === "poll" ? message.content.options : [];
    const votes = options.map(({ id: optionId }) => {
      const held = message.votes?.find((vote) => vote.optionId === optionId);
      const [was, is] = [held?.mine ?? false, chosen.includes(optionId)];
      return { optionId, mine: is, count: (held?.count ?? 0) + Number(is) - Number(was) };
    });
    await change(tx, messageId, { votes });
  }
  return row.chatId;
}

/** One's own reaction in place of an earlier one. */
export function reacted(given: Reaction[], emoji: string | null): Reaction[] {
  const rest = given
    .map((one) => (one.mine ? { ...one, mine: false, count: one.count - 1 } : one))
    .filter((one) => one.count > 0);
  if (emoji === null) return rest;
  const same = rest.find((one) => one.emoji === emoji);
  if (!same) return [...rest, { emoji, count: 1, mine: true }];
  return rest.map((one) => (one === same ? { ...one, mine: true, count: one.count + 1 } : one));
}

export { chat };
