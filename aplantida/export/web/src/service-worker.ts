/**
 * Offline: the files that open the page, and those that an answer needs, are kept in the classifier's own store of
 * bundle.json's digest, which the page passes as `service-worker.js?bundle=DIGEST`. A new bundle is a new address, so
 * a new worker with a new store; the old one goes when the new worker takes over.
 *
 * Only plain addresses are answered here: what the classifier asks for has its digest in the address, and comes past
 * this worker.
 */

import { AplantidaError } from "./errors";
import { parseManifest, type BundleManifest } from "./bundle";
import { answerFiles, EXTRAS, INDEX, MANIFEST, SHELL } from "./files";
import { keepHeaders, keptHeaders, type HostHeaders } from "./host-headers";
import { HttpSource, mended, publishedEdition, typeOf } from "./source";
import { forget, Store, type Trouble } from "./store";

declare const self: ServiceWorkerGlobalScope;

const FOLDER = self.registration.scope;
const DIGEST = new URL(self.location.href).searchParams.get("bundle") ?? "";

/** Credits by species come after everything that the page needs to name a plant, or when somebody asks for them. */
const CREDITS = /^credits\//;

const store = Store.open(FOLDER, DIGEST);
let manifest: BundleManifest | null = null;
/** Whether all is left to the server's edition; so is what a page that is just opened asks for. */
let gaveWay = false;

/** Tell the bundle's own pages why this worker could not be installed; other pages of the origin are a host's. */
async function tell(trouble: string): Promise<void> {
  for (const client of await self.clients.matchAll({ includeUncontrolled: true })) {
    if (client.url.startsWith(FOLDER)) client.postMessage({ folder: FOLDER, bundle: DIGEST, trouble });
  }
}

/**
 * The browser installs changed bytes of this script under the same address, too, while the worker of that address
 * serves pages from the same store: what fails then takes away only what it brought.
 */
async function install(): Promise<void> {
  const kept = await store;
  const { active, waiting } = self.registration;
  const serving = [active, waiting].some((worker) => worker?.scriptURL === self.location.href);
  const brought: string[] = [];
  for (const name of [...SHELL, ...EXTRAS]) if (!serving || !(await kept.has(name))) brought.push(name);
  try {
    let edition = await publishedEdition(FOLDER);
    if (edition.digest !== DIGEST) edition = await publishedEdition(FOLDER, true);
    if (edition.digest !== DIGEST) throw new AplantidaError("altered", `bundle.json is ${edition.digest}, not ${DIGEST}`);
    const source = new HttpSource(kept);
    const lost = await mended(source, edition.manifest, [...answerFiles(edition.manifest.files), ...SHELL]);
    await source.settled();
    for (const problem of lost.values()) throw problem;
    await kept.keep(MANIFEST, edition.bytes, "application/json", edition.digest);
    await keepHeaders(kept, edition.manifest.files[INDEX], true);
    if (kept.trouble) throw new AplantidaError("offline", kept.trouble);
    await mended(source, edition.manifest, EXTRAS);
    await source.settled();
  } catch (error) {
    for (const name of brought) await kept.forget(name);
    await tell(kept.trouble ?? "unavailable");
    throw error;
  }
}

async function activate(): Promise<void> {
  await forget(FOLDER, [DIGEST]);
  await self.clients.claim();
}

/** What this worker's bundle.json says; null when it is kept no more. */
async function ownManifest(): Promise<BundleManifest | null> {
  const bytes = manifest ? null : await (await store).read(MANIFEST, DIGEST);
  if (bytes) manifest = parseManifest(bytes);
  return manifest;
}

/** Put back what was lost or spoilt; why the page would not work without a connection, null when it would. */
async function mend(source: HttpSource, known: BundleManifest): Promise<Trouble | null> {
  const kept = source.store;
  const needed = [...answerFiles(known.files), ...SHELL];
  await mended(source, known, needed);
  await source.settled();
  for (const name of [MANIFEST, ...needed]) if (!(await kept.has(name))) return kept.trouble ?? "unavailable";
  return null;
}

/** Mend what is kept and tell who asked; then see to what the page works without. What fails comes next time. */
async function care(asker: ExtendableMessageEvent["source"], credits: boolean): Promise<void> {
  const kept = await store;
  const read = await ownManifest();
  const known = (await kept.read(MANIFEST, DIGEST)) ? read : ((await recovered()) ?? read);
  const source = new HttpSource(kept);
  const trouble = known ? await mend(source, known) : "unavailable";
  asker?.postMessage({ folder: FOLDER, bundle: DIGEST, trouble, cared: true });
  if (!known) return;
  const names: string[] = [...EXTRAS];
  if (credits) names.push(...Object.keys(known.files).filter((name) => CREDITS.test(name)));
  await mended(source, known, names);
  await source.settled();
  await keepHeaders(kept, known.files[INDEX], false);
}

/** bundle.json of this worker's edition, from the server, when that still has it. */
async function recovered(): Promise<BundleManifest | null> {
  const edition = await publishedEdition(FOLDER, true, undefined, false).catch(() => null);
  if (edition?.digest !== DIGEST) return null;
  await (await store).keep(MANIFEST, edition.bytes, "application/json", edition.digest);
  manifest = edition.manifest;
  return manifest;
}

function isServed(name: string): boolean {
  return name === MANIFEST || [...SHELL, ...EXTRAS].some((one) => one === name);
}

async function answer(request: Request, name: string): Promise<Response> {
  if (gaveWay) return fetch(request);
  const known = (await ownManifest()) ?? (await recovered());
  if (!known) return fetch(request);
  const kept = await store;
  if (name === MANIFEST) {
    const bytes = await kept.read(MANIFEST, DIGEST);
    return bytes ? respond(MANIFEST, bytes) : fetch(request);
  }
  const entry = known.files[name];
  if (!entry) return fetch(request);
  try {
    const bytes = await new HttpSource(kept).file(name, entry);
    return respond(name, bytes, name.endsWith(".html") ? await keptHeaders(kept, entry) : {});
  } catch (error) {
    const refused = error instanceof AplantidaError && error.code !== "offline";
    if (refused && SHELL.some((one) => one === name)) await giveWay();
    return fetch(request);
  }
}

/**
 * A file that opens the page is lost. If the server has another edition, it is lost for good, and pages come from
 * there; what is kept stays for that edition to take over. Else the server, or what stands in between, is unwell for now.
 */
async function giveWay(): Promise<void> {
  const published = await publishedEdition(FOLDER, true, undefined, false).catch(() => null);
  if (!published || published.digest === DIGEST) return;
  gaveWay = true;
  await self.registration.unregister();
}

function respond(name: string, bytes: Uint8Array<ArrayBuffer>, headers: HostHeaders = {}): Response {
  return new Response(bytes, { headers: { ...headers, "Content-Type": typeOf(name) } });
}

/** The bundle's file that a request is for; null when it is to go to the server. */
function nameOf({ method, url, cache, headers, mode }: Request): string | null {
  const { pathname, searchParams, href } = new URL(url);
  if (method !== "GET" || !href.startsWith(FOLDER) || cache === "no-store" || headers.has("Range")) return null;
  if (["h", "again", "part"].some((key) => searchParams.has(key))) return null;
  const name = decodeURIComponent(pathname.slice(new URL(FOLDER).pathname.length));
  if (name === "" && mode === "navigate") return INDEX;
  return isServed(name) ? name : null;
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => {
  if (event.data === "take over") void self.skipWaiting();
  if (event.data?.care) event.waitUntil(care(event.source, event.data.credits).catch((error) => console.warn(error)));
});
self.addEventListener("fetch", (event) => {
  const name = nameOf(event.request);
  if (name !== null) event.respondWith(answer(event.request, name));
});
