/** The service worker: the app opens without a network, pushes become notifications, shared things are let in. */

/// <reference lib="webworker" />
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

self.addEventListener("message", (event) => {
  const asked = event.data as { renew?: true; not?: string; forget?: true };
  if (asked.forget) pair = null;
  if (!asked.renew) return;
  const left = Math.floor((until - Date.now()) / 1000);
  if (pair && pair.accessToken !== asked.not && left > 60) {
    event.ports[0]?.postMessage({ accessToken: pair.accessToken, expiresIn: left });
    return;
  }
  renewing ??= renew().finally(() => {
    renewing = null;
  });
  event.waitUntil(renewing.then((found) => event.ports[0]?.postMessage(found)));
});

interface Push {
  type: "message" | "read";
  messageId?: string;
  chatId: string;
  seq: number;
  senderName?: string;
  chatName?: string;
  text?: string | null;
  badge?: number;
}

self.addEventListener("push", (event) => {
  event.waitUntil(
    (async () => {
      const push = event.data?.json() as Push | undefined;
      if (!push) return;
      const badge = navigator as { setAppBadge?(count: number): Promise<void>; clearAppBadge?(): Promise<void> };
      if (push.badge !== undefined) await (push.badge ? badge.setAppBadge?.(push.badge) : badge.clearAppBadge?.());
      if (push.type === "read") {
        for (const one of await self.registration.getNotifications({ tag: push.chatId })) one.close();
        return;
      }
      const group = push.chatName && push.chatName !== push.senderName;
      await self.registration.showNotification(push.chatName || push.senderName || "Tidings", {
        body: group && push.senderName ? `${push.senderName}: ${push.text ?? ""}` : (push.text ?? ""),
        tag: push.chatId,
        icon: "/icons/icon-192.png",
        badge: "/icons/icon-192.png",
        data: { open: `/chat/${push.chatId}`, messageId: push.messageId },
      });
    })(),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { open } = event.notification.data as { open: string };
  event.waitUntil(
    (async () => {
      const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
      const page = pages.find((one) => "focus" in one);
      if (!page) return void (await self.clients.openWindow(open));
      await page.focus();
      page.postMessage({ open });
    })(),
  );
});

export {};
