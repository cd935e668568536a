/** Sends the files that wait in the store, one at a time per chat; each then becomes an ordinary message. */

import { Refusal } from "../api/http";
import type { Upload } from "../store/schema";
import type { Content, Media } from "../sync/wire";
import type { Engine } from "./engine";

const PARTS_FROM = 5 * 1024 * 1024; // smaller files go in one piece
const RETRY_MS = 5_000;
const RETRIED = new Set(["unreachable", "unavailable", "overloaded", "internal", "rate_limited", "token_expired"]);

export class Uploader {
  readonly #busy = new Map<string, AbortController>(); // chat -> its upload
  #current = new Map<string, string>(); // upload -> chat
  #on = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly engine: Engine) {}

  start(): void {
    this.#on = true;
    void this.#next();
  }

  stop(): void {
    this.#on = false;
    clearTimeout(this.#retry);
    for (const abort of this.#busy.values()) abort.abort();
  }

  cancelHere(id: string): void {
    const chatId = this.#current.get(id);
    if (chatId) this.#busy.get(chatId)?.abort();
  }

  async #next(): Promise<void> {
    if (!this.#on || !this.engine.owns) return;
    for (const upload of await this.engine.store.uploads()) {
      if (upload.error || this.#busy.has(upload.chatId)) continue;
      const abort = new AbortController();
      this.#busy.set(upload.chatId, abort);
      this.#current.set(upload.id, upload.chatId);
      void this.#send(upload, abort.signal).finally(() => {
        this.#busy.delete(upload.chatId);
        this.#current.delete(upload.id);
        this.engine.progress(upload.id, null);
      });
    }
  }

  async #send({ id }: Upload, signal: AbortSignal): Promise<void> {
    const { store, api } = this.engine;
    try {
      const upload = await store.upload(id);
      if (!upload) return void setTimeout(() => void this.#next());
      const progress = (share: number) => this.engine.progress(id, share);
      const media =
        upload.file.size > PARTS_FROM
          ? await (await import("./parts")).sendInParts(api, store, upload, progress, signal)
          : await api.upload<Media>(upload.file, upload.fileName, progress, signal);
      if (media.state === "failed") throw new Refusal(415, "unsupported_media");
      await store.putBlob(`${media.id}:full`, upload.file, Date.now()).catch(() => undefined);
      if (!(await store.isUploading(id))) return; // discarded meanwhile
      await this.engine.wish({
        in: "send",
        chatId: upload.chatId,
        clientMsgId: id,
        content: withMedia(upload.draft, media),
        createdAt: upload.createdAt,
        replyTo: upload.replyTo,
      });
      setTimeout(() => void this.#next());
    } catch (error) {
      if (signal.aborted) return;
      const code = error instanceof Refusal ? error.code : "internal";
      if (RETRIED.has(code)) {
        clearTimeout(this.#retry);
        this.#retry = setTimeout(() => void this.#next(), RETRY_MS);
      } else {
        await store.failUpload(id, code);
        setTimeout(() => void this.#next());
      }
    }
  }
}

function withMedia(draft: Content, media: Media): Content {
  if (!("mediaId" in draft)) return draft;
  if (draft.kind === "image" || draft.kind === "video")
    return {
      ...draft,
      mediaId: media.id,
      width: media.width ?? draft.width,
      height: media.height ?? draft.height,
      ...(draft.blurhash || media.blurhash ? { blurhash: draft.blurhash ?? media.blurhash } : {}),
    };
  return { ...draft, mediaId: media.id };
}
