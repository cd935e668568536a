/**
 * Joins the core, the store and the wire. One tab owns the socket and the core (Web Lock `tidings-socket`); what a
 * person does in any tab is a wish in the store, which the owner takes in order. The others repaint when told.
 */

import { batch } from "@preact/signals";
import { Api } from "../api/http";
import { Session } from "../api/session";
import { Socket } from "../api/socket";
import { TYPED } from "../store/schema";
import { type Changed, Store } from "../store/store";
import { Core } from "../sync/core";
import type { Effect, Frame, Wish } from "../sync/model";
import type { Chat, Message, User } from "../sync/wire";
import { answered } from "./calls";
import { enterPlain, leavePlain } from "./plain";
import { present, progressed, reread, show, showNobody, typed } from "./shown";
import * as state from "./state";
import { Steps, type Taken } from "./steps";
import { Uploader } from "./uploads";

type Note =
  | { do: "changed"; changed: Changed }
  | { do: "wish" }
  | { do: "say"; frame: Frame }
  | { do: "tell"; frame: Frame }
  | { do: "link"; link: typeof state.link.value }
  | { do: "watch"; userIds: string[] }
  | { do: "progress"; id: string; share: number | null }
  | { do: "cancel"; id: string }
  | { do: "who?" }
  | { do: "skew"; skew: number }
  | { do: "out" }
  | { do: "reload" };

const OWNER_SILENT_MS = 2_500; // an owner that does not answer a visible tab is frozen: its lock is taken
const HALT_MS = 2_000; // what is being written has so long before the page goes
const SKEW_MS = 5_000; // a clock that is off by less is right

export class Engine {
  readonly session = new Session();
  readonly api = new Api(this.session);
  readonly uploader: Uploader;
  readonly #tabs = new BroadcastChannel("tidings");
  #steps: Steps | null = null; // where the socket is
  #written: Promise<void> = Promise.resolve();
  #socket: Socket | null = null;
  #taken = new Set<number>();
  #wake: ReturnType<typeof setTimeout> | undefined;
  #stop: AbortController | null = null;
  #release: (() => void) | null = null;
  #ownerAnswered = 0;
  #watched = new Map<string, number>(); // by all tabs: any of them may have the socket next
  /** Told each new message of others that came while no chat of this tab shows it. */
  onIncoming: (messages: Message[]) => void = () => undefined;

  private constructor(readonly store: Store) {
    this.uploader = new Uploader(this);
    store.onChange = (changed) => {
      this.#tabs.postMessage({ do: "changed", changed } satisfies Note);
      void reread(this.store, changed);
    };
    store.onWriting = (rows, over) => {
      for (const listener of state.onWriting) listener(rows, over);
    };
    this.#tabs.onmessage = ({ data }: MessageEvent<Note>) => this.#noted(data);
    this.session.onEnd = () => void this.signedOut();
    addEventListener("online", () => this.#nudge());
    addEventListener("offline", () => {
      this.#socket?.cut();
      this.#link("offline");
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#nudge();
    });
    addEventListener("pageshow", (event) => {
      if (!(event as PageTransitionEvent).persisted) return;
      state.phase.value = "starting"; // nothing shows: it heard nothing meanwhile, and there may be a lock
      void this.beginAnew();
    });
  }

  /** Open the store and show what it holds; the network comes after. */
  static async start(): Promise<Engine> {
    const engine = new Engine(await Store.open(undefined, enterPlain()));
    if (engine.store.lock) {
      leavePlain();
      // Not waited for: it imports what is loaded with this, which would wait for it.
      import("./lock")
        .then((lock) => lock.meet(engine))
        .catch((error: unknown) => {
          console.error("the lock", error);
          state.phase.value = "failed";
        });
    } else if (engine.store.userId) await engine.enter();
    else state.phase.value = "out";
    return engine;
  }

  // -- coming and going ------------------------------------------------------------------------------

  async signIn(phone: string, code: string): Promise<void> {
    const user = await this.session.verify(phone, code, deviceName());
    await this.store.begin(user.id);
    const mine = await this.api.get<User>("/users/me");
    await this.store.setFact("me", mine);
    await this.enter();
    void navigator.storage?.persist?.();
  }

  /** Show what the store holds; the network comes after. */
  async enter(): Promise<void> {
    await show(this.store);
    this.#run();
  }

  /** Until `enter` this tab takes no part, and nothing of a step is being written when it ends. */
  async halt(): Promise<void> {
    this.#stop?.abort();
    this.#release?.();
    this.#ceased();
    await this.#written;
  }

  /** As if it were opened now, when what is being written is on disk. */
  async beginAnew(): Promise<void> {
    await Promise.race([this.halt(), new Promise((resolve) => setTimeout(resolve, HALT_MS))]);
    location.reload();
  }

  /** The other tabs begin anew: the store is another one now. */
  reloadOthers(): void {
    this.#tabs.postMessage({ do: "reload" } satisfies Note);
  }

  /** This session ends, and what was kept of it here goes. */
  async signOut(): Promise<void> {
    await this.session.logout();
    await this.signedOut();
  }

  async signedOut(): Promise<void> {
    if (state.phase.value === "out") return;
    this.#tabs.postMessage({ do: "out" } satisfies Note);
    await this.#end();
    await this.store.wipe();
  }

  async setMe(user: User): Promise<void> {
    await this.store.setFact("me", user);
    batch(() => {
      state.me.value = user;
      if (user.name) state.phase.value = "in";
    });
    await this.store.putPeople([user]);
  }

  async #end(): Promise<void> {
    await this.halt();
    this.session.forget();
    this.uploader.stop();
    this.#watched.clear(); // whoever signs in next watches nobody of them
    localStorage.removeItem(TYPED);
    void import("./push").then((push) => push.forget());
    showNobody();
  }

  // -- the tab that owns the socket --------------------------------------------------------------------

  #run(): void {
    if (!navigator.onLine) state.link.value = "offline";
    this.#stop = new AbortController();
    this.#acquire();
    this.#tabs.postMessage({ do: "who?" } satisfies Note);
  }

  #acquire(steal = false): void {
    const { signal } = this.#stop!;
    navigator.locks
      .request("tidings-socket", steal ? { steal } : { signal }, async () => {
        if (!signal.aborted) await this.#own();
        if (signal.aborted) return;
        await new Promise<void>((resolve) => {
          this.#release = resolve;
        });
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        if (error instanceof DOMException && error.name === "AbortError") {
          this.#ceased(); // another tab took it; queue up behind it
          this.#acquire();
        } else throw error;
      });
  }

  async #own(): Promise<void> {
    const { signal } = this.#stop!;
    const held = await this.store.load();
    if (signal.aborted) return;
    this.#steps = this.#begin(new Core(held));
    this.#taken.clear();
    await this.#takeWishes();
    if (signal.aborted) return;
    this.#socket = new Socket(this.api, {
      frame: (frame) => {
        if (frame.type === "ready") this.#setClock(Date.parse(frame.serverTime as string) - Date.now());
        this.#steps?.put({ in: "frame", frame });
      },
      closed: () => {
        this.#steps?.put({ in: "closed" });
        this.#link(navigator.onLine ? "waiting" : "offline");
      },
      connecting: () => {
        if (state.link.value !== "offline" || navigator.onLine)
          this.#link(state.link.value === "waiting" ? "waiting" : "connecting");
      },
    });
    this.uploader.start();
    void this.#refreshMe();
  }

  /** The clock of this device may be wrong by days: how far it is from the server's. */
  #setClock(skew: number): void {
    if (Math.abs(skew - state.skew.value) < SKEW_MS) return;
    state.skew.value = skew;
    this.#tabs.postMessage({ do: "skew", skew } satisfies Note);
    void this.store.setFact("skew", skew).catch(() => undefined);
  }

  #ceased(): void {
    this.#socket?.stop();
    this.#socket = null;
    if (this.#steps) this.#written = this.#steps.end();
    this.#steps = null;
    clearTimeout(this.#wake);
    this.uploader.stop();
  }

  async #refreshMe(): Promise<void> {
    const mine = await this.api.get<User>("/users/me").catch(() => null);
    if (mine) await this.setMe(mine);
  }

  /** There is something new, a push says; or the person wants to know. */
  woken(): void {
    this.#nudge();
  }

  #nudge(): void {
    if (!this.#stop || this.#stop.signal.aborted) return;
    if (this.#socket) {
      this.#socket.nudge();
      this.uploader.start();
      return;
    }
    const asked = Date.now();
    this.#tabs.postMessage({ do: "who?" } satisfies Note);
    setTimeout(() => {
      const silent = this.#ownerAnswered < asked;
      if (silent && !this.#socket && document.visibilityState === "visible" && !this.#stop?.signal.aborted) {
        this.#stop?.abort();
        this.#stop = new AbortController();
        this.#acquire(true);
      }
    }, OWNER_SILENT_MS);
  }

  async #takeWishes(): Promise<void> {
    for (const { n, wish } of await this.store.wishes()) {
      if (this.#taken.has(n) || !this.#steps) continue;
      this.#taken.add(n);
      this.#steps.put(wish, n);
    }
  }

  #begin(core: Core): Steps {
    return new Steps(core, this.store, {
      ask: (call) => answered(this.api, call),
      perform: (effect) => this.#perform(effect),
      committed: (steps) => {
        state.storageFull.value = false;
        const { online, syncing } = steps.at(-1)!;
        if (online && core.online) this.#link(syncing ? "syncing" : "online");
        for (const one of steps) this.#announce(one);
      },
      broke: (error) => void this.#broke(error),
    });
  }

  /** Begin again from what the store holds, when there may be room. */
  async #broke(error: unknown): Promise<void> {
    console.error("the local store refused a step", error);
    state.storageFull.value = isFull(error);
    this.#ceased();
    if (state.storageFull.value) await this.store.db.clear("blobs").catch(() => undefined);
    setTimeout(() => {
      if (!this.#stop?.signal.aborted && this.#release && !this.#steps) void this.#own();
    }, 5_000);
  }

  #perform(effect: Effect): void {
    switch (effect.effect) {
      case "sendFrame":
        this.#socket?.send(effect.frame);
        break;
      case "wake":
        clearTimeout(this.#wake);
        this.#wake = setTimeout(
          () => this.#steps?.put({ in: "tick" }),
          Math.max(0, effect.atMs - Math.floor(performance.now())),
        );
        break;
      case "tell":
        this.#tabs.postMessage({ do: "tell", frame: effect.frame } satisfies Note);
        this.#told(effect.frame);
        break;
    }
  }

  #announce({ ops, syncing }: Taken): void {
    const mine = this.store.userId;
    const found = ops.flatMap((op) =>
      op.op === "putMessage" && op.message.senderId !== mine && op.message.kind === "message" ? [op.message] : [],
    );
    if (found.length && !syncing) this.onIncoming(found);
    if (ops.some((op) => op.op === "setEpoch") && this.#watched.size) this.#rewatch();
  }

  // -- between tabs ------------------------------------------------------------------------------------

  #noted(note: Note): void {
    if (note.do === "reload") return void this.beginAnew();
    if (state.phase.value === "locked" && note.do !== "out") return;
    switch (note.do) {
      case "changed":
        reread(this.store, note.changed).then(
          () => this.#tellChosen(note.changed.stars),
          () => undefined, // told where it was asked for
        );
        break;
      case "wish":
        if (this.#steps) void this.#takeWishes();
        break;
      case "say":
        this.#socket?.send(note.frame);
        break;
      case "tell":
        this.#told(note.frame);
        break;
      case "link":
        this.#ownerAnswered = Date.now();
        if (!this.#steps) state.link.value = note.link;
        break;
      case "skew":
        state.skew.value = note.skew;
        break;
      case "watch":
        this.#watch(note.userIds);
        break;
      case "progress":
        progressed(note.id, note.share);
        break;
      case "cancel":
        this.uploader.cancelHere(note.id);
        break;
      case "who?":
        if (this.#steps) {
          this.#tabs.postMessage({ do: "link", link: state.link.value } satisfies Note);
          void this.#takeWishes();
          this.#socket?.nudge();
          this.uploader.start();
        }
        break;
      case "out":
        this.store.userId = ""; // the other tab has emptied it
        void this.#end();
        break;
    }
  }

  #link(link: typeof state.link.value): void {
    if (state.link.value === link) return;
    const before = state.link.value;
    state.link.value = link;
    if (link === "online") {
      state.loaded.value = true;
      this.#rewatch();
      this.#tellChosen(true);
    }
    if (before === "offline" || link === "online") this.uploader.start();
    this.#tabs.postMessage({ do: "link", link } satisfies Note);
  }

  /** What a tab chose, which may be gone since. */
  #tellChosen(stars = false): void {
    const chats = state.waiting.value > state.pending.value;
    if (this.#steps && state.connected.value && (chats || stars))
      import("./chosen").then((chosen) => chosen.tell(chats, stars)).catch(() => undefined); // the next time
  }

  #told(frame: Frame): void {
    if (frame.type === "typing.start" || frame.type === "typing.stop")
      typed(frame.chatId, frame.userId, frame.type === "typing.start");
    else if (frame.type === "presence.updated") present(frame);
    else if (frame.type === "error" && this.#steps && frame.ref) {
      // What was foretold of this change did not come to be: show the message as it is.
      const messageId = String(frame.ref).split(".")[0]!;
      this.api.get<Message>(`/messages/${messageId}`).then(
        (message) => this.store.apply([{ op: "updateMessage", message }]),
        () => undefined,
      );
      this.onRefused(frame.code);
    } else if (frame.type === "group.member.added" || frame.type === "group.member.removed") {
      if (!this.#steps) return;
      this.api.get<Chat>(`/chats/${frame.chatId}`).then(
        (chat) => this.store.apply([{ op: "putChat", chat }]),
        () => undefined, // the next sync tells
      );
    }
  }

  onRefused: (code: string) => void = () => undefined;

  // -- what actions use ----------------------------------------------------------------------------------

  /** Write what the person did. Answers whether there was room for it; they are told if not. */
  async keep(write: () => Promise<void>): Promise<boolean> {
    try {
      await write();
      state.storageFull.value = false;
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      state.storageFull.value = true;
      this.onRefused("storage_full");
      return false;
    }
  }

  /** Answers whether it is kept. What was read is not worth a transaction of its own where the core is: if it is lost
   * before the next one ends, it is read again. */
  async wish(wish: Wish): Promise<boolean> {
    if (wish.in === "read" && this.#steps) {
      this.#steps.put(wish);
      return true;
    }
    const kept = await this.keep(() => this.store.wish(wish));
    if (kept) await this.#wished();
    return kept;
  }

  async #wished(): Promise<void> {
    if (this.#steps) await this.#takeWishes();
    else this.#tabs.postMessage({ do: "wish" } satisfies Note);
  }

  /** A frame that is not kept when there is no connection: typing. */
  sayFrame(frame: Frame): void {
    if (this.#socket) this.#socket.send(frame);
    else this.#tabs.postMessage({ do: "say", frame } satisfies Note);
  }

  /** Be told of these people's presence from now on: by the tab that has a socket, now or later. */
  watch(userIds: string[]): void {
    if (!userIds.length) return;
    this.#watch(userIds);
    if (!this.#socket) this.#tabs.postMessage({ do: "watch", userIds } satisfies Note);
  }

  #watch(userIds: string[]): void {
    for (const id of userIds) this.#watched.set(id, Date.now());
    const oldest = [...this.#watched].sort((a, b) => a[1] - b[1]).slice(0, Math.max(0, this.#watched.size - 200));
    for (const [id] of oldest) this.#watched.delete(id);
    if (oldest.length) this.#socket?.send({ type: "presence.unsubscribe", userIds: oldest.map(([id]) => id) });
    this.#socket?.send({ type: "presence.subscribe", userIds });
  }

  #rewatch(): void {
    if (this.#watched.size) this.#socket?.send({ type: "presence.subscribe", userIds: [...this.#watched.keys()] });
  }

  progress(id: string, share: number | null): void {
    progressed(id, share);
    this.#tabs.postMessage({ do: "progress", id, share } satisfies Note);
  }

  /** A file was put into the store: whoever owns the socket sends it. */
  uploadAdded(): void {
    if (this.#steps) this.uploader.start();
    else this.#tabs.postMessage({ do: "who?" } satisfies Note);
  }

  cancelUpload(id: string): void {
    this.uploader.cancelHere(id);
    this.#tabs.postMessage({ do: "cancel", id } satisfies Note);
  }

  get owns(): boolean {
    return this.#steps !== null;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}

function deviceName(): string {
  const agent = navigator.userAgent;
  const browser = /Firefox|Edg|Chrome|Safari/.exec(agent)?.[0]?.replace("Edg", "Edge") ?? "Browser";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0] ?? "";
  return system ? `${browser} · ${system}` : browser;
}
