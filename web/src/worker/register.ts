/** The page's side of the service worker. */

interface Policies {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

export function registerWorker(): void {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
  const policy = policies?.createPolicy("tidings", { createScriptURL: (url) => (url === "/sw.js" ? url : "") });
  navigator.serviceWorker
    .register(policy?.createScriptURL("/sw.js") ?? "/sw.js", { scope: "/" })
    .catch((error: unknown) => console.warn("no service worker", error));
}
