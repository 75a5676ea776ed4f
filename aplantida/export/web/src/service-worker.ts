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

/** Example photos stay on the server until somebody asks for them. */
const ON_DEMAND = /^golden\//;

/** Credits by species come after everything that the page needs to name a plant, or when somebody asks for them. */
const CREDITS = /^credits\//;

type Files = Record<string, { sha256: string }>;

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
  const files: Files = (await manifest.clone().json()).files;
  const cache = await caches.open(CACHE);
  const names = Object.keys(files).filter((name) => !ON_DEMAND.test(name) && !CREDITS.test(name));
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

/** The files of the bundle that this worker keeps. */
async function keptFiles(cache: Cache): Promise<Files> {
  const manifest = await cache.match(new URL("bundle.json", self.registration.scope));
  return manifest ? (await manifest.json()).files : {};
}

/** A file of the bundle that is kept from now on; null when the bundle has none of this name. */
async function keep(name: string, cache: Cache, files: Files): Promise<Response | null> {
  if (!(name in files)) return null;
  const response = await fetched(name, files[name].sha256);
  await cache.put(new URL(name, self.registration.scope), response.clone());
  return response;
}

/** Fetch the credits that are not here yet, one file after the other; what a lost connection leaves out comes next time. */
async function keepCredits(): Promise<void> {
  const cache = await caches.open(CACHE);
  const files = await keptFiles(cache);
  for (const name of Object.keys(files).filter((name) => CREDITS.test(name))) {
    if (!(await cache.match(new URL(name, self.registration.scope)))) await keep(name, cache, files);
  }
}

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === new URL(self.registration.scope).pathname) url.pathname += INDEX;
  const cache = await caches.open(CACHE);
  const cached = await cache.match(url, { ignoreSearch: true });
  if (cached) return cached;
  const name = url.href.slice(self.registration.scope.length);
  const kept = CREDITS.test(name) ? await keep(name, cache, await keptFiles(cache)) : null;
  return kept ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => {
  if (event.data === "take over") void self.skipWaiting();
  if (event.data === "keep credits") event.waitUntil(keepCredits().catch((error) => console.warn(error)));
});
self.addEventListener("fetch", (event) => {
  const { method, url, cache } = event.request;
  if (method !== "GET" || !url.startsWith(self.registration.scope) || cache === "no-store") return;
  event.respondWith(answer(event.request));
});
