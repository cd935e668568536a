/** REST: one function that knows the token, what to retry, and how refusals look. */

import type { Session } from "./session";

export class Refusal extends Error {
  constructor(
    readonly status: number, // 0: nobody answered
    readonly code: string,
    readonly retryAfterMs: number | null = null,
  ) {
    super(code);
  }
}

const TIMEOUT_MS = 15_000;

export async function refusalOf(answer: Response): Promise<Refusal> {
  const wait = Number(answer.headers.get("retry-after"));
  const body = (await answer.json().catch(() => null)) as { code?: string } | null;
  const code = body?.code ?? (answer.status >= 500 ? "unavailable" : "invalid_request");
  return new Refusal(answer.status, code, wait > 0 ? wait * 1000 : null);
}

export async function call<T>(method: string, path: string, body?: unknown, token?: string): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      keepalive: path === "/auth/refresh", // the rotated cookie must arrive even if the page goes
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Refusal(0, "unreachable");
  }
  if (!answer.ok) throw await refusalOf(answer);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** What a signed-in person asks. A token that ran out is renewed once. */
export class Api {
  constructor(readonly session: Session) {}

  get<T>(path: string): Promise<T> {
    return this.#ask<T>("GET", path);
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#ask<T>("POST", path, body);
  }

  put<T>(path: string, body?: unknown): Promise<T> {
    return this.#ask<T>("PUT", path, body);
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#ask<T>("PATCH", path, body);
  }

  delete(path: string, body?: unknown): Promise<void> {
    return this.#ask<void>("DELETE", path, body);
  }

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    try {
      return await call<T>(method, path, body, await this.session.token());
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 401) throw error;
      this.session.spoiled();
      return await call<T>(method, path, body, await this.session.token());
    }
  }

  /** A file, with what has gone so far told to `progress` (0 to 1). Aborts with `signal`. */
  async upload<T>(file: Blob, name: string, progress: (share: number) => void, signal: AbortSignal): Promise<T> {
    const token = await this.session.token();
    const form = new FormData();
    form.append("file", file, name);
    const done = await transfer("POST", "/api/v1/media/upload", form, progress, signal, token);
    if (done.status === 401) this.session.spoiled();
    if (done.status >= 300) throw new Refusal(done.status, codeOf(done));
    return done.response as T;
  }

  /** A part of a file to where a signed URL says; answers its tag. */
  async putPart(url: string, part: Blob, progress: (share: number) => void, signal: AbortSignal): Promise<string> {
    const done = await transfer("PUT", url, part, progress, signal);
    const tag = done.getResponseHeader("etag");
    if (done.status >= 300 || !tag) throw new Refusal(done.status, "unavailable");
    return tag;
  }
}

function codeOf(done: XMLHttpRequest): string {
  return (done.response as { code?: string } | null)?.code ?? "unavailable";
}

/** A request that tells how far it is, as `fetch` cannot. */
function transfer(
  method: string,
  url: string,
  body: Blob | FormData,
  progress: (share: number) => void,
  signal: AbortSignal,
  token?: string,
): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    if (token) request.setRequestHeader("authorization", `Bearer ${token}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => resolve(request);
    request.onerror = () => reject(new Refusal(0, "unreachable"));
    request.onabort = () => reject(new Refusal(0, "cancelled"));
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
