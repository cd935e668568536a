/** The service worker: the app opens without a network, pushes become notifications, shared things are let in. */

/// <reference lib="webworker" />

import type { Push } from "./notice";
import { changed, clicked, heard, pushed } from "./notices";

declare const self: ServiceWorkerGlobalScope;

const SHELL = `tidings-${__VERSION__}`;
const SHARED = "tidings-shared";

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(SHELL);
      await cache.addAll([new Request("/", { cache: "reload" }), ...__FILES__]);
      await self.skipWaiting(); // files are named by their content: old pages keep finding theirs
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = (await caches.keys()).filter((name) => /^tidings-[0-9a-f]{12}$/.test(name) && name !== SHELL);
      // The release before stays: a page of it may still be open and load a part of itself.
      for (const name of names.slice(0, -1)) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

const PAGES = /^\/($|chat|invite|settings|new|starred|share)/;

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === "POST" && url.pathname === "/share") event.respondWith(share(request));
  else if (request.method !== "GET") return;
  else if (request.mode === "navigate" && PAGES.test(url.pathname)) event.respondWith(shell(request));
  else if (/^\/(assets|icons)\//.test(url.pathname)) event.respondWith(asset(request));
});

/** The newest shell when the server answers soon, else the one kept. */
async function shell(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  const kept = await cache.match("/");
  const fresh = fetch(request).then(async (answer) => {
    if (answer.ok && answer.headers.get("content-type")?.includes("text/html")) return answer;
    throw new Error("not the shell");
  });
  if (!kept) return fresh;
  const late = new Promise<Response>((resolve) => setTimeout(() => resolve(kept), 1_200));
  return Promise.race([fresh.catch(() => kept), late]);
}

async function asset(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) (await caches.open(SHELL)).put(request, answer.clone());
  return answer;
}

/** Another app shares: kept for the page, which asks whom it is for. */
async function share(request: Request): Promise<Response> {
  const form = await request.formData();
  const cache = await caches.open(SHARED);
  const text = ["title", "text", "url"].map((name) => form.get(name)).filter((one) => typeof one === "string" && one);
  if (text.length) await cache.put("/share/text", new Response(text.join("\n")));
  for (const [i, file] of form.getAll("files").entries())
    if (file instanceof File)
      await cache.put(
        `/share/${i}-${encodeURIComponent(file.name)}`,
        new Response(file, { headers: { "content-type": file.type } }),
      );
  return Response.redirect("/share", 303);
}

interface Pair {
  accessToken: string;
  expiresIn: number;
}

let pair: Pair | null = null; // in memory, as in the pages
let until = 0;
let renewing: Promise<Pair | { status: number; code: string }> | null = null;

/** One refresh at a time, finished also when the page that asked is gone: a cookie used twice ends the session. */
async function renew(): Promise<Pair | { status: number; code: string }> {
  try {
    const answer = await fetch("/api/v1/auth/refresh", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
      cache: "no-store",
    });
    const body = (await answer.json().catch(() => ({}))) as Pair & { code?: string };
    if (!answer.ok) return { status: answer.status, code: body.code ?? "unavailable" };
    pair = { accessToken: body.accessToken, expiresIn: body.expiresIn };
    until = Date.now() + body.expiresIn * 1000;
    return pair;
  } catch {
    return { status: 0, code: "unreachable" };
  }
}

/** The access token, renewed if need be; null when nobody is signed in, or the server cannot be reached. */
async function token(): Promise<string | null> {
  if (pair && until - Date.now() > 60_000) return pair.accessToken;
  const found = await renewOnce();
  return "accessToken" in found ? found.accessToken : null;
}

function renewOnce(): NonNullable<typeof renewing> {
  renewing ??= renew().finally(() => {
    renewing = null;
  });
  return renewing;
}

self.addEventListener("message", (event) => {
  const asked = event.data as { renew?: true; not?: string; forget?: true; show?: Push };
  if (asked.forget) pair = null;
  if (asked.show) event.waitUntil(heard(asked.show));
  if (!asked.renew) return;
  const left = Math.floor((until - Date.now()) / 1000);
  if (pair && pair.accessToken !== asked.not && left > 60) {
    event.ports[0]?.postMessage({ accessToken: pair.accessToken, expiresIn: left });
    return;
  }
  event.waitUntil(renewOnce().then((found) => event.ports[0]?.postMessage(found)));
});

self.addEventListener("push", (event) => {
  const push = event.data?.json() as Push | undefined;
  if (push) event.waitUntil(pushed(push, token));
});

self.addEventListener("notificationclick", (event) => event.waitUntil(clicked(event.notification)));

self.addEventListener("pushsubscriptionchange", (event) =>
  event.waitUntil(changed(event as PushSubscriptionChangeEvent, token)),
);
