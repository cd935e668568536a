/** One WebSocket after another, as long as it is wanted: opened by ticket, reconnected with full jitter. */

import type { Frame } from "../sync/model";
import { type Api, Refusal } from "./http";

const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const QUIET_MS = 25_000; // silence after which we ask whether anybody is there
const PONG_MS = 8_000;

export interface SocketEvents {
  frame(frame: Frame): void;
  closed(): void;
  connecting(): void;
}

export class Socket {
  #socket: WebSocket | null = null;
  #wanted = true;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #opening = false;

  constructor(
    readonly api: Api,
    readonly events: SocketEvents,
  ) {
    void this.#open();
  }

  send(frame: Frame): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** The network is back or the person is: try now. */
  nudge(): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#check();
    else {
      this.#failures = 0;
      clearTimeout(this.#retry);
      void this.#open();
    }
  }

  /** There is no network: what is open is not. */
  cut(): void {
    this.#drop();
  }

  stop(): void {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#drop();
  }

  async #open(): Promise<void> {
    if (this.#opening || !this.#wanted) return;
    this.#opening = true;
    this.events.connecting();
    try {
      const { ticket } = await this.api.post<{ ticket: string }>("/auth/ws-ticket");
      if (!this.#wanted) return;
      const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws?ticket=${encodeURIComponent(ticket)}`);
      this.#socket?.close(); // it was still being opened
      this.#socket = socket;
      socket.onmessage = ({ data }) => {
        if (socket !== this.#socket) return;
        this.#heard();
        const frame = JSON.parse(data as string) as Frame;
        if (frame.type === "ready") {
          this.#failures = 0;
          this.#extendLater();
        }
        if (frame.type !== "pong") this.events.frame(frame);
      };
      socket.onclose = ({ code }) => {
        if (socket !== this.#socket) return;
        if (code === 4001) this.api.session.spoiled();
        this.#lost();
      };
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) {
        this.#wanted = false; // the session says that it has ended
        return;
      }
      this.events.closed();
      this.#again(error instanceof Refusal ? error.retryAfterMs : null);
    } finally {
      this.#opening = false;
    }
  }

  #lost(): void {
    this.#socket = null;
    clearTimeout(this.#quiet);
    clearTimeout(this.#renewal);
    this.events.closed();
    this.#again(null);
  }

  #drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    socket.close();
    this.#lost(); // the close handshake may take minutes when the network is gone
  }

  #again(waitMs: number | null): void {
    if (!this.#wanted) return;
    const most = Math.min(BACKOFF_MS * 2 ** Math.min(this.#failures, 12), BACKOFF_MAX_MS);
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#open(), waitMs ?? 100 + Math.random() * most);
  }

  #heard(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#check(), QUIET_MS);
  }

  #check(): void {
    clearTimeout(this.#quiet);
    if (this.send({ type: "ping" })) this.#quiet = setTimeout(() => this.#drop(), PONG_MS);
  }

  #extendLater(): void {
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(
      async () => {
        const accessToken = await this.api.session.token().catch(() => null);
        if (accessToken && this.send({ type: "auth", accessToken })) this.#extendLater();
      },
      Math.max(5_000, this.api.session.left),
    );
  }
}
