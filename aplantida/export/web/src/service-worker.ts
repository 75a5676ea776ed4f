/**
 * Offline: every file that the page needs is kept in a cache named after bundle.json's digest, which the page passes
 * as `service-worker.js?bundle=DIGEST`. A new bundle is a new address, so a new worker with a new cache; the old cache
 * goes when the new worker takes over.
 */

import { sha256 } from "./sha256";

declare const self: ServiceWorkerGlobalScope;

const DIGEST = new URL(self.location.href).searchParams.get("bundle") ?? "";
const PREFIX = `aplantida:${self.registration.scope}:`;
const CACHE = PREFIX + DIGEST;
const INDEX = "index.html";

/** What the page does not need to name a plant stays on the server until somebody asks for it. */
const ON_DEMAND = /^(golden\/|attributions\.)/;

async function fetched(name: string, digest: string): Promise<Response> {
  const url = new URL(name, self.registration.scope);
  for (const cache of ["default", "reload"] as const) {
    const response = await fetch(url, { cache });
    if (!response.ok) throw new Error(`${name}: HTTP ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if ((await sha256(bytes)) === digest) {
      return new Response(bytes, { headers: { "Content-Type": response.headers.get("Content-Type") ?? "" } });
    }
  }
  throw new Error(`${name} is not the file that bundle.json lists`);
}

async function install(): Promise<void> {
  const manifest = await fetched("bundle.json", DIGEST);
  const files: Record<string, { sha256: string }> = (await manifest.clone().json()).files;
  const cache = await caches.open(CACHE);
  const names = Object.keys(files).filter((name) => !ON_DEMAND.test(name));
  for (const name of names) {
    await cache.put(new URL(name, self.registration.scope), await fetched(name, files[name].sha256));
  }
  await cache.put(new URL("bundle.json", self.registration.scope), manifest);
}

async function activate(): Promise<void> {
  const older = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(older.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === new URL(self.registration.scope).pathname) url.pathname += INDEX;
  const cached = await (await caches.open(CACHE)).match(url, { ignoreSearch: true });
  return cached ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => {
  if (event.data === "take over") void self.skipWaiting();
});
self.addEventListener("fetch", (event) => {
  const { method, url, cache } = event.request;
  if (method !== "GET" || !url.startsWith(self.registration.scope) || cache === "no-store") return;
  event.respondWith(answer(event.request));
});
