/** Pictures and files as object URLs: from the store when it has them, else fetched once and kept. */

import type { Media } from "../sync/wire";
import type { Engine } from "./engine";
import { now } from "./state";

export type Size = "thumb" | "full";

const KEPT_BYTES = 24 * 1024 * 1024; // larger files are not kept for offline
const URLS_MAX = 500;
const STALE_MS = 15_000; // a signed URL with less left is asked for anew
const PROCESSING_TRIES = 6;

export class Pictures {
  readonly #urls = new Map<string, string>();
  readonly #loading = new Map<string, Promise<string | null>>();

  constructor(readonly engine: Engine) {}

  /** What is shown already, without waiting. */
  known(id: string, size: Size): string | undefined {
    return this.#urls.get(`${id}:${size}`) ?? (size === "thumb" ? this.#urls.get(`${id}:full`) : undefined);
  }

  /** An object URL, or null when it cannot be had now. */
  load(id: string, size: Size, hint?: Media | null): Promise<string | null> {
    const key = `${id}:${size}`;
    const known = this.known(id, size);
    if (known) return Promise.resolve(known);
    let loading = this.#loading.get(key);
    if (!loading) {
      loading = this.#load(id, size, hint).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** A file of one's own that is still on its way. */
  local(key: string, blob: Blob): string {
    return this.#urls.get(key) ?? this.#keep(key, blob);
  }

  /** Where the browser itself may fetch it from now: videos and downloads. */
  async address(id: string, hint?: Media | null): Promise<string | null> {
    const kept = await this.engine.store.blob(`${id}:full`);
    if (kept) return this.local(`${id}:full`, kept);
    const media = await this.#media(id, hint);
    if (this.engine.store.lock && media && media.size <= KEPT_BYTES) return this.load(id, "full", media);
    return media?.url ?? null;
  }

  async #load(id: string, size: Size, hint?: Media | null): Promise<string | null> {
    const { store } = this.engine;
    const key = `${id}:${size}`;
    const kept = (await store.blob(key)) ?? (size === "thumb" ? await store.blob(`${id}:full`) : undefined);
    if (kept) return this.#keep(key, kept);
    try {
      const media = await this.#media(id, hint);
      const address = size === "thumb" ? (media?.thumbnailUrl ?? media?.url) : media?.url;
      if (!address) return null;
      // Under a lock nothing of it is left in the browser's own cache.
      const answer = await fetch(address, { credentials: "omit", cache: store.lock ? "no-store" : "default" });
      if (!answer.ok) return null;
      const blob = await answer.blob();
      if (blob.size <= KEPT_BYTES) await store.putBlob(key, blob, Date.now()).catch(() => undefined);
      return this.#keep(key, blob);
    } catch {
      return null;
    }
  }

  async #media(id: string, hint?: Media | null): Promise<Media | null> {
    let media = hint ?? null;
    for (let tries = 0; tries < PROCESSING_TRIES; tries++) {
      const fresh = media?.url && Date.parse(media.urlExpiresAt ?? "") - now() > STALE_MS;
      if (fresh && media?.state !== "pending") return media;
      if (tries) await new Promise((resolve) => setTimeout(resolve, 400 * tries));
      media = await this.engine.api.get<Media>(`/media/${id}`);
    }
    return media;
  }

  #keep(key: string, blob: Blob): string {
    const url = URL.createObjectURL(blob);
    this.#urls.set(key, url);
    if (this.#urls.size > URLS_MAX) {
      const [oldest, gone] = this.#urls.entries().next().value!;
      this.#urls.delete(oldest);
      URL.revokeObjectURL(gone);
    }
    return url;
  }
}
