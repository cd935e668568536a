/**
 * The client's side of sync: an input in, operations on the local store and effects out. The same rules as
 * `src/tidings/client/core.py`, held to it by `tests/scenarios`.
 *
 * Its caller commits the operations of a step in their order, a position together with the entries before it, and only
 * then sends anything of the effects; it may hand in the next input meanwhile. If they can't be committed it begins anew. Live frames are an optimisation; the log is the truth.
 */

import type { Effect, Entry, Frame, Input, Op, Send, State, Step, Synced } from "./model";
import { isFinal, Outbox } from "./outbox";
import type { Change, Chat, Message, Page } from "./wire";

const GAP_MS = 300; // frames of one chat may overtake each other by this much
const NO_PROGRESS_MS = 1_000; // a page that did not bring what a frame had promised
const DELIVERED_MS = 50; // watermarks are gathered this long
const SYNC_RETRY_MS = 1_000;
const SYNC_RETRY_MAX_MS = 60_000;
const PART = 512; // entries of a page
const AHEAD_MAX = 1_000; // entries kept per chat beyond a gap; what is beyond is fetched

const CHANGES = new Set(["message.edited", "message.deleted", "message.reaction", "message.vote", "message.pinned"]);
const TOLD = new Set(["typing.start", "typing.stop", "presence.updated", "media.updated"]);

/** Owner of the positions. Created anew from what the store holds. */
export class Core {
  readonly userId: string;
  #since: string | null;
  #epoch: string | null;
  readonly #positions: Map<string, number>;
  readonly #outbox: Outbox;
  readonly #unsentReads: Map<string, number>;
  readonly #readTo: Map<string, number>; // own read marks, as far as known
  readonly #stale: Map<string, boolean>; // message -> changed again while it is looked up
  readonly #looking = new Set<string>();
  #round = 0; // answers of an earlier connection or epoch do not count
  #online = false;
  #syncing = false;
  #syncAgain = false;
  #syncFailures = 0;
  #syncAt: number | null = null;
  #asked: Record<string, number> = {};
  #buffer: Frame[] = []; // frames that wait for the sync to end
  readonly #ahead = new Map<string, Map<number, Frame>>(); // chat -> entries beyond a gap
  readonly #heads = new Map<string, number>(); // chat -> a number that is said to exist
  readonly #gapAt = new Map<string, number>();
  readonly #fetching = new Set<string>();
  readonly #delivered = new Map<string, number>(); // told on this connection
  readonly #undelivered = new Set<string>();
  #deliverAt: number | null = null;
  #step: Step = { ops: [], effects: [] };
  #now = 0;

  constructor(state: State) {
    this.userId = state.userId;
    this.#since = state.since ?? null;
    this.#epoch = state.logEpoch ?? null;
    this.#positions = new Map(Object.entries(state.positions ?? {}));
    this.#outbox = new Outbox(state.outbox ?? []);
    this.#unsentReads = new Map(Object.entries(state.unsentReads ?? {}));
    this.#readTo = new Map(this.#unsentReads);
    this.#stale = new Map((state.stale ?? []).map((id) => [id, false]));
  }

  /** Between `ready` and the end of the socket. */
  get online(): boolean {
    return this.#online;
  }

  get syncing(): boolean {
    return this.#syncing;
  }

  /** Connected, and everything known to exist is held. */
  get settled(): boolean {
    return this.#online && !this.#syncing && !this.#ahead.size && !this.#fetching.size && !this.#gapAt.size;
  }

  position(chatId: string): number {
    return this.#positions.get(chatId) ?? 0;
  }

  /** Take one input in. `nowMs` is any clock that never goes back. */
  handle(given: Input, nowMs: number): Step {
    this.#step = { ops: [], effects: [] };
    this.#now = nowMs;
    switch (given.in) {
      case "frame":
        this.#frame(given.frame);
        break;
      case "closed":
        this.#closed();
        break;
      case "synced":
        if (given.round === this.#round && this.#syncing) this.#synced(given.answer);
        break;
      case "syncFailed":
        if (given.round === this.#round && this.#syncing) this.#syncFailed(given.code, given.retryAfterMs);
        break;
      case "fetched":
        if (given.round === this.#round && this.#fetching.has(given.chatId))
          this.#fetched(given.chatId, given.after, given.page);
        break;
      case "fetchFailed":
        if (given.round === this.#round && this.#fetching.has(given.chatId)) {
          this.#fetching.delete(given.chatId);
          this.#gapAt.set(given.chatId, nowMs + NO_PROGRESS_MS);
          if (given.code === "not_found" || given.code === "forbidden") this.#forgetGap(given.chatId);
        }
        break;
      case "looked":
        this.#looked(given.messageId, given.message);
        break;
      case "lookFailed":
        this.#looking.delete(given.messageId); // it stays stale: again after the next `ready`
        break;
      case "send":
        this.#send(given);
        break;
      case "ask":
        this.#enqueue({ id: given.ref, chatId: given.chatId, frame: { ...given.frame, ref: given.ref } });
        break;
      case "again":
        this.#op({ op: "markPending", chatId: given.entry.chatId, clientMsgId: given.entry.id });
        this.#enqueue(given.entry);
        break;
      case "read":
        this.#read(given.chatId, given.seq);
        break;
      case "tick":
        break;
    }
    this.#due();
    return this.#step;
  }

  // -- the connection ------------------------------------------------------------------------------

  #frame(frame: Frame): void {
    const kind = frame.type;
    if (kind === "ready") this.#ready(frame);
    else if (!this.#online)
      return; // a late frame of a socket that is gone: the next sync brings what it told
    else if (TOLD.has(kind)) this.#effect({ effect: "tell", frame });
    else if (kind === "message.sent") this.#sent(frame);
    else if (kind === "error") this.#refused(frame);
    else if (kind === "resync") this.#resync();
    else if (kind === "ack") this.#acknowledged(frame.ref);
    else {
      if (CHANGES.has(kind) && frame.ref != null) this.#done(frame.ref);
      if (this.#syncing) this.#buffer.push(frame);
      else this.#live(frame);
    }
  }

  #ready(frame: Frame): void {
    this.#closed();
    this.#online = true;
    this.#newEpoch(frame.logEpoch);
    for (const [chatId, seq] of this.#unsentReads) this.#sendRead(chatId, seq);
    for (const messageId of [...this.#stale.keys()]) this.#look(messageId);
    this.#sync();
  }

  #closed(): void {
    this.#online = this.#syncing = this.#syncAgain = false;
    this.#round += 1;
    this.#syncAt = null;
    this.#syncFailures = 0;
    for (const chatId of this.#delivered.keys()) this.#undelivered.add(chatId);
    this.#looking.clear();
    this.#buffer = []; // what was not applied comes by the next sync
    for (const gone of [this.#ahead, this.#heads, this.#gapAt, this.#fetching, this.#delivered]) gone.clear();
    this.#outbox.disconnected();
  }

  #newEpoch(epoch: string): void {
    if (!epoch || epoch === this.#epoch) return;
    if (this.#epoch !== null) {
      this.#op({ op: "dropLog" });
      this.#positions.clear();
      this.#stale.clear();
      this.#since = null;
      this.#op({ op: "setSince", since: null });
    }
    this.#epoch = epoch;
    this.#op({ op: "setEpoch", logEpoch: epoch });
  }

  // -- sync ----------------------------------------------------------------------------------------

  #sync(): void {
    this.#syncing = true;
    this.#syncAt = null;
    this.#asked = Object.fromEntries(this.#positions);
    this.#effect({ effect: "sync", round: this.#round, since: this.#since, positions: this.#asked });
  }

  #resync(): void {
    if (this.#syncing)
      this.#syncAgain = true; // what is asked now may have been read before what was lost
    else this.#sync();
  }

  #synced(answer: Synced): void {
    this.#syncFailures = 0;
    const epoch = answer.logEpoch;
    if (this.#epoch !== null && epoch && epoch !== this.#epoch) {
      this.#newEpoch(epoch);
      this.#round += 1;
      this.#fetching.clear();
      this.#ahead.clear();
      this.#gapAt.clear();
      this.#sync();
      return;
    }
    for (const [chatId, page] of Object.entries(answer.log)) this.#page(chatId, this.#asked[chatId] ?? 0, page);
    for (const chat of answer.chats) this.#putChat(chat);
    for (const chatId of answer.removed) this.#dropChat(chatId);
    if (answer.hidden.length) this.#op({ op: "hide", messageIds: answer.hidden });
    this.#since = answer.since;
    this.#op({ op: "setSince", since: this.#since });
    if (answer.hasMore) this.#sync();
    else if (this.#syncAgain) {
      this.#syncAgain = false;
      this.#sync();
    } else {
      this.#syncing = false;
      const waiting = this.#buffer;
      this.#buffer = [];
      for (const frame of waiting) this.#live(frame);
      for (const chatId of [...this.#ahead.keys()]) this.#drain(chatId);
      for (const chatId of this.#heads.keys())
        if (!this.#fetching.has(chatId) && !this.#gapAt.has(chatId)) this.#gapAt.set(chatId, this.#now + GAP_MS);
    }
  }

  #syncFailed(code: string, retryAfterMs: number | null | undefined): void {
    if (code === "cursor_expired" && this.#since !== null) {
      this.#since = null;
      this.#op({ op: "setSince", since: null });
      this.#sync();
      return;
    }
    const delay = retryAfterMs || Math.min(SYNC_RETRY_MS * 2 ** Math.min(this.#syncFailures, 10), SYNC_RETRY_MAX_MS);
    this.#syncFailures += 1;
    this.#syncAt = this.#now + delay;
  }

  #putChat(chat: Chat): void {
    const chatId = chat.id;
    if (!this.#positions.has(chatId)) this.#advance(chatId, Math.max(0, chat.joinedSeq - 1));
    if (this.position(chatId) > chat.deliveredSeq && chat.membership === "member") this.#undelivered.add(chatId);
    this.#readTo.set(chatId, Math.max(chat.readSeq, this.#readTo.get(chatId) ?? 0));
    const unsent = this.#unsentReads.get(chatId);
    if (unsent !== undefined && unsent <= chat.readSeq) this.#readDone(chatId);
    this.#op({ op: "putChat", chat });
  }

  #dropChat(chatId: string): void {
    for (const known of [this.#positions, this.#ahead, this.#gapAt, this.#heads, this.#unsentReads])
      known.delete(chatId);
    this.#fetching.delete(chatId);
    this.#undelivered.delete(chatId);
    this.#outbox.dropChat(chatId);
    this.#op({ op: "dropChat", chatId });
  }

  /** Everything from `after` to `toSeq` is told by this page: a number it leaves out does not exist for us. */
  #page(chatId: string, after: number, page: Page): void {
    const position = this.position(chatId);
    if (after > position || page.toSeq <= position) return;
    for (const [n, item] of page.items.entries()) {
      if (item.seq > position) this.#item(item);
      if (n % PART === PART - 1) this.#advance(chatId, item.seq); // a long page may be committed in parts
    }
    this.#advance(chatId, page.toSeq);
  }

  /** An entry as the log tells it: a change carries its message as it is now. */
  #item(item: Message | Change): void {
    if (item.kind !== "change") {
      this.#putMessage(item);
      return;
    }
    this.#op({ op: "updateMessage", message: item.message });
    if (item.change === "pinned" && item.pinned != null)
      this.#op({ op: "setPinned", chatId: item.chatId, messageId: item.messageId, pinned: item.pinned });
    this.#changed(item.messageId);
  }

  // -- live frames ---------------------------------------------------------------------------------

  #live(frame: Frame): void {
    const kind = frame.type;
    if (kind === "message.new" || CHANGES.has(kind)) {
      if (frame.seq != null) this.#entry(frame.chatId, frame.seq, frame);
      else if (kind === "message.deleted" && frame.for === "me")
        this.#op({ op: "hide", messageIds: [frame.messageId] });
    } else if (kind === "message.status.updated")
      this.#op({ op: "setMark", chatId: frame.chatId, userId: frame.userId, status: frame.status, seq: frame.seq });
    else if (kind === "chat.created" || kind === "chat.updated") {
      this.#putChat(frame.chat);
      this.#head(frame.chat.id, frame.chat.lastSeq);
    } else if (kind === "group.member.added" || kind === "group.member.removed") {
      this.#head(frame.chatId, frame.seq);
      this.#effect({ effect: "tell", frame });
    }
  }

  /** An entry of the log: applied if it is the next, kept if a gap is before it, dropped if held. */
  #entry(chatId: string, seq: number, frame: Frame): void {
    const position = this.position(chatId);
    if (seq <= position) return;
    let ahead = this.#ahead.get(chatId);
    if (!ahead) {
      ahead = new Map();
      this.#ahead.set(chatId, ahead);
    }
    if ((ahead.size < AHEAD_MAX || seq === position + 1) && !ahead.has(seq)) ahead.set(seq, frame);
    this.#head(chatId, seq);
    if (!this.#syncing) this.#drain(chatId);
  }

  /** Apply what is contiguous now. */
  #drain(chatId: string): void {
    const ahead = this.#ahead.get(chatId) ?? new Map<number, Frame>();
    const start = this.position(chatId);
    let seq = start;
    for (let frame = ahead.get(seq + 1); frame; frame = ahead.get(seq + 1)) {
      seq += 1;
      ahead.delete(seq);
      this.#apply(frame);
    }
    if (seq > start) this.#advance(chatId, seq);
    for (const held of [...ahead.keys()]) if (held <= seq) ahead.delete(held);
    if (!ahead.size) this.#ahead.delete(chatId);
    if ((this.#heads.get(chatId) ?? 0) <= seq) this.#forgetGap(chatId);
  }

  #apply(frame: Frame): void {
    const { chatId, messageId } = frame;
    switch (frame.type) {
      case "message.new": {
        const { type: _, ...message } = frame;
        this.#putMessage(message as unknown as Message);
        return;
      }
      case "message.edited":
        this.#op({ op: "setContent", chatId, messageId, content: frame.content, editedAt: frame.editedAt });
        break;
      case "message.deleted":
        this.#op({ op: "setDeleted", chatId, messageId, userId: frame.userId, at: frame.at ?? null });
        break;
      case "message.vote":
        this.#op({ op: "setVotes", chatId, messageId, votes: frame.votes });
        break;
      case "message.pinned":
        this.#op({ op: "setPinned", chatId, messageId, pinned: frame.pinned });
        break;
      case "message.reaction":
        // The frame tells who reacted how, not with what before: the counts are known to the server alone.
        this.#op({ op: "setStale", messageId, stale: true });
        if (!this.#looking.has(messageId)) {
          this.#look(messageId);
          return;
        }
        break;
    }
    this.#changed(messageId);
  }

  #putMessage(message: Message): void {
    this.#op({ op: "putMessage", message });
    const mine = message.senderId === this.userId;
    if (mine && message.clientMsgId && this.#outbox.has(message.clientMsgId)) this.#done(message.clientMsgId);
    else if (!mine && message.kind === "message") this.#undelivered.add(message.chatId);
  }

  /** A number is said to exist. If it is still missing 300 ms later it is fetched. */
  #head(chatId: string, seq: number): void {
    if (seq <= this.position(chatId)) return;
    this.#heads.set(chatId, Math.max(seq, this.#heads.get(chatId) ?? 0));
    if (!this.#fetching.has(chatId) && !this.#syncing && !this.#gapAt.has(chatId))
      this.#gapAt.set(chatId, this.#now + GAP_MS);
  }

  #forgetGap(chatId: string): void {
    this.#heads.delete(chatId);
    this.#gapAt.delete(chatId);
    this.#ahead.delete(chatId);
  }

  #fetched(chatId: string, after: number, page: Page): void {
    const before = this.position(chatId);
    this.#fetching.delete(chatId);
    this.#page(chatId, after, page);
    this.#drain(chatId);
    const position = this.position(chatId);
    if (page.hasMore && position > before) this.#fetch(chatId);
    else if (this.#ahead.get(chatId)?.size)
      this.#gapAt.set(chatId, this.#now + (position > before ? GAP_MS : NO_PROGRESS_MS));
    else this.#forgetGap(chatId); // what was promised is not for us
  }

  #fetch(chatId: string): void {
    this.#gapAt.delete(chatId);
    this.#fetching.add(chatId);
    this.#effect({ effect: "fetch", round: this.#round, chatId, after: this.position(chatId) });
  }

  #advance(chatId: string, seq: number): void {
    if (seq <= (this.#positions.get(chatId) ?? -1)) return;
    this.#positions.set(chatId, seq);
    this.#op({ op: "setPosition", chatId, seq });
  }

  #look(messageId: string): void {
    this.#looking.add(messageId);
    this.#stale.set(messageId, false);
    this.#effect({ effect: "look", messageId });
  }

  #changed(messageId: string): void {
    if (this.#looking.has(messageId)) this.#stale.set(messageId, true); // the answer under way may be older than this
  }

  #looked(messageId: string, message: Message | null): void {
    if (!this.#looking.delete(messageId)) return;
    const again = this.#stale.get(messageId);
    if (message !== null && !again) this.#op({ op: "updateMessage", message });
    if (message !== null && again) {
      this.#look(messageId);
      return;
    }
    this.#stale.delete(messageId);
    this.#op({ op: "setStale", messageId, stale: false });
  }

  // -- one's own -----------------------------------------------------------------------------------

  #send(given: Send): void {
    const { chatId, clientMsgId, content, createdAt } = given;
    const frame: Frame = { type: "message.send", chatId, clientMsgId, content };
    if (given.replyTo != null) frame.replyTo = given.replyTo;
    if (given.mentions?.length) frame.mentions = given.mentions;
    if (given.expiresIn != null) frame.expiresIn = given.expiresIn;
    const replyTo = given.replyTo ?? null;
    this.#op({ op: "putOptimistic", chatId, clientMsgId, content, createdAt, replyTo, mentions: given.mentions ?? [] });
    this.#enqueue({ id: clientMsgId, chatId, frame });
  }

  #enqueue(entry: Entry): void {
    this.#outbox.add(entry);
    this.#op({ op: "outboxPut", entry });
  }

  #done(id: string): Entry | undefined {
    const entry = this.#outbox.done(id);
    if (entry) this.#op({ op: "outboxDone", id });
    return entry;
  }

  #sent(frame: Frame): void {
    const entry = this.#done(frame.clientMsgId);
    if (!entry) return; // the log brought it before its answer
    const { chatId, clientMsgId, messageId, seq, createdAt } = frame;
    this.#op({ op: "markSent", chatId, clientMsgId, messageId, seq, createdAt });
    // It takes its place in the log as any other entry; what a page tells of it later replaces it.
    const own: Frame = {
      type: "message.new",
      kind: "message",
      messageId,
      chatId,
      senderId: this.userId,
      seq,
      clientMsgId,
      content: entry.frame.content,
      mentions: entry.frame.mentions ?? [],
      createdAt,
    };
    if (entry.frame.replyTo != null) own.replyTo = { messageId: entry.frame.replyTo };
    this.#entry(chatId, seq, own);
  }

  #refused(frame: Frame): void {
    const id: string = frame.clientMsgId || frame.ref || "";
    const wait = frame.retryAfterMs;
    if (!this.#outbox.has(id)) this.#effect({ effect: "tell", frame });
    else if (!isFinal(frame.code, wait)) this.#outbox.refused(id, wait, this.#now);
    else {
      const entry = this.#done(id)!;
      if (entry.frame.type === "message.send") {
        const { code, message } = frame;
        this.#op({ op: "markFailed", chatId: entry.chatId, clientMsgId: entry.id, code, message });
      } else this.#effect({ effect: "tell", frame });
    }
  }

  #read(chatId: string, seq: number): void {
    if (seq <= (this.#readTo.get(chatId) ?? 0)) return;
    this.#unsentReads.set(chatId, seq);
    this.#readTo.set(chatId, seq);
    this.#op({ op: "setMark", chatId, userId: this.userId, status: "read", seq });
    this.#op({ op: "setUnsentRead", chatId, seq });
    if (this.#online) this.#sendRead(chatId, seq);
  }

  #sendRead(chatId: string, seq: number): void {
    this.#effect({
      effect: "sendFrame",
      frame: { type: "message.read", chatId, seq, ref: `read:${chatId}:${seq}` },
    });
  }

  #acknowledged(ref: string): void {
    const [kind, chatId, seq] = ref.split(":");
    if (kind === "read" && chatId !== undefined && seq === String(this.#unsentReads.get(chatId)))
      this.#readDone(chatId);
    else this.#done(ref);
  }

  #readDone(chatId: string): void {
    this.#unsentReads.delete(chatId);
    this.#op({ op: "setUnsentRead", chatId, seq: null });
  }

  // -- time ----------------------------------------------------------------------------------------

  /** What time or the input made due, and when to come back. */
  #due(): void {
    if (!this.#online) return;
    if (this.#syncAt !== null && this.#syncAt <= this.#now) this.#sync();
    for (const [chatId, at] of [...this.#gapAt]) if (at <= this.#now && !this.#syncing) this.#fetch(chatId);
    for (const entry of this.#outbox.due(this.#now)) this.#effect({ effect: "sendFrame", frame: entry.frame });
    this.#deliver();
    const gaps = this.#syncing ? [] : [...this.#gapAt.values()];
    const times = [this.#syncAt, ...gaps, this.#outbox.nextDue(), this.#deliverAt].filter((at) => at !== null);
    if (times.length) this.#effect({ effect: "wake", atMs: Math.min(...times) });
  }

  /** Tell how far we hold each chat without a hole: once per chat and 50 ms. */
  #deliver(): void {
    if (this.#syncing || !this.#undelivered.size) {
      this.#deliverAt = null;
      return;
    }
    this.#deliverAt ??= this.#now + DELIVERED_MS;
    if (this.#deliverAt > this.#now) return;
    for (const chatId of [...this.#undelivered].sort()) {
      const seq = this.position(chatId);
      if (seq <= (this.#delivered.get(chatId) ?? 0)) continue;
      this.#delivered.set(chatId, seq);
      this.#effect({ effect: "sendFrame", frame: { type: "message.delivered", chatId, seq } });
    }
    this.#undelivered.clear();
    this.#deliverAt = null;
  }

  #op(op: Op): void {
    this.#step.ops.push(op);
  }

  #effect(effect: Effect): void {
    this.#step.effects.push(effect);
  }
}
