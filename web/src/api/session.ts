/**
 * Who is signed in: the access token lives in memory only, the refresh token in an HttpOnly cookie that no script
 * sees. Renewing rotates the cookie, so it happens in one tab at a time; the others are told the new token.
 */

import { call, Refusal } from "./http";

interface Pair {
  accessToken: string;
  expiresIn: number;
  user?: { id: string; phone: string; isNewUser: boolean };
}

type Renewed = Pair | { status: number; code: string };

const WORKER_MS = 20_000;
const MARGIN_MS = 30_000; // a token is renewed this long before it ends
const HEARSAY_MS = 60; // how long another tab has to tell its token

export class Session {
  #token = "";
  #until = 0;
  #spoiled = ""; // the last token that the server did not take
  #renewing: Promise<string> | null = null;
  readonly #tabs = new BroadcastChannel("tidings-session");
  /** Called when the server has ended the session. */
  onEnd: () => void = () => undefined;

  constructor() {
    this.#tabs.onmessage = ({ data }: MessageEvent<{ ask?: true; not?: string; token?: string; until?: number }>) => {
      if (data.not && data.not === this.#token) this.spoiled();
      if (data.token && data.until && data.until > this.#until && data.token !== this.#spoiled)
        this.#take(data.token, data.until);
      else if (data.ask && this.fresh) this.#tell();
    };
  }

  get fresh(): boolean {
    return this.#token !== "" && Date.now() < this.#until - MARGIN_MS;
  }

  /** How long until the token should be renewed, ms. */
  get left(): number {
    return Math.max(0, this.#until - MARGIN_MS - Date.now());
  }

  async token(): Promise<string> {
    if (this.fresh) return this.#token;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return await this.#renewing;
  }

  /** The server did not take the token. */
  spoiled(): void {
    this.#spoiled = this.#token;
    this.#until = 0;
  }

  requestCode(phone: string): Promise<{ expiresIn: number; resendAfter: number; delivery?: "sms" | "shown" }> {
    return call("POST", "/auth/request-otp", { phone });
  }

  /** Sign in. Answers who. */
  async verify(phone: string, otp: string, deviceName: string): Promise<NonNullable<Pair["user"]>> {
    const pair = await call<Pair>("POST", "/auth/verify-otp", {
      phone,
      otp,
      device: { name: deviceName, platform: "web" },
    });
    navigator.serviceWorker?.controller?.postMessage({ forget: true });
    this.#take(pair.accessToken, Date.now() + pair.expiresIn * 1000);
    return pair.user!;
  }

  async logout(): Promise<void> {
    await call("POST", "/auth/logout", {}, await this.token());
    this.forget();
  }

  forget(): void {
    navigator.serviceWorker?.controller?.postMessage({ forget: true });
    this.#token = "";
    this.#until = 0;
  }

  #take(token: string, until: number): void {
    this.#token = token;
    this.#until = until;
  }

  #tell(): void {
    this.#tabs.postMessage({ token: this.#token, until: this.#until });
  }

  /** By the service worker when there is one: it outlives a reload, so a cookie is never rotated unseen. */
  async #refresh(): Promise<Pair> {
    const worker = navigator.serviceWorker?.controller;
    if (!worker) return await call<Pair>("POST", "/auth/refresh", {});
    const answer = await new Promise<Renewed>((resolve) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = ({ data }: MessageEvent<Renewed>) => resolve(data);
      setTimeout(() => resolve({ status: 0, code: "unreachable" }), WORKER_MS);
      worker.postMessage({ renew: true, not: this.#token }, [channel.port2]);
    });
    if ("status" in answer) throw new Refusal(answer.status, answer.code);
    return answer;
  }

  async #renew(): Promise<string> {
    return await navigator.locks.request("tidings-session", async () => {
      if (this.fresh) return this.#token; // another tab renewed it while we waited
      this.#tabs.postMessage({ ask: true, not: this.#spoiled });
      await new Promise((resolve) => setTimeout(resolve, HEARSAY_MS));
      if (this.fresh) return this.#token;
      try {
        const pair = await this.#refresh();
        this.#take(pair.accessToken, Date.now() + pair.expiresIn * 1000);
        this.#tell();
        return this.#token;
      } catch (error) {
        if (error instanceof Refusal && error.status === 401) this.onEnd();
        throw error;
      }
    });
  }
}
