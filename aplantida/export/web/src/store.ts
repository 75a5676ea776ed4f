/**
 * What is kept of a bundle in Cache Storage: one cache for each state of each folder, named
 * `aplantida:FOLDER:DIGEST`, filled by the classifier and by the page's service worker alike. Everything that is read
 * is checked; what is not whole is taken out.
 */

import { sha256 } from "./sha256";

/** Header of what bundle.json does not list (chunks, notes): its sha256, for nothing else says whether it is whole. */
const OWN_DIGEST = "X-Chunk-SHA256";

/** Why something could not be kept: "quota" when there is no room. */
export type Trouble = "quota" | "unavailable";

export function prefix(folder: string): string {
  return `aplantida:${folder}:`;
}

/** Cache Storage; none where a sandbox does not let a page even ask for it. */
function storage(): CacheStorage | undefined {
  try {
    return globalThis.caches;
  } catch {
    return undefined;
  }
}

export class Store {
  /** Why something could not be kept. */
  trouble: Trouble | null = null;

  private constructor(
    readonly folder: string,
    readonly digest: string,
    private readonly cache: Cache | null,
  ) {}

  /** The store of a bundle's state; one that keeps nothing where the browser has no Cache Storage. */
  static async open(folder: string, digest: string, keep = true): Promise<Store> {
    const cache = keep ? await storage()?.open(prefix(folder) + digest).catch(() => null) : null;
    const store = new Store(folder, digest, cache ?? null);
    if (keep && !cache) store.trouble = "unavailable";
    return store;
  }

  private url(name: string, part?: number): string {
    return new URL(name, this.folder).href + (part === undefined ? "" : `?part=${part}`);
  }

  /** The kept bytes when their digest is `wanted`; what is not whole is removed. */
  async read(name: string, wanted: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await this.bytes(this.url(name));
    if (!bytes) return null;
    if ((await sha256(bytes)) === wanted) return bytes;
    await this.cache?.delete(this.url(name)).catch(() => false);
    return null;
  }

  /** The file with the digest `wanted` in another state of the folder: an update fetches only what changed. */
  async elsewhere(name: string, wanted: string): Promise<Uint8Array<ArrayBuffer> | null> {
    for (const digest of this.cache ? await keptDigests(this.folder) : []) {
      if (digest === this.digest) continue;
      const bytes = await (await Store.open(this.folder, digest)).bytes(this.url(name));
      if (bytes && (await sha256(bytes)) === wanted) return bytes;
    }
    return null;
  }

  /** Like `read`, and changes nothing. */
  async state(name: string, wanted: string): Promise<"whole" | "bad" | "missing"> {
    const bytes = await this.bytes(this.url(name));
    if (!bytes) return "missing";
    return (await sha256(bytes)) === wanted ? "whole" : "bad";
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>, type: string): Promise<boolean> {
    return this.put(this.url(name), bytes, type);
  }

  /** Write it unless it is here, whole: with no room left, what is written anew may be lost. */
  async keep(name: string, bytes: Uint8Array<ArrayBuffer>, type: string, digest: string): Promise<void> {
    if (!(await this.read(name, digest))) await this.write(name, bytes, type);
  }

  async forget(name: string): Promise<void> {
    await this.cache?.delete(this.url(name)).catch(() => false);
  }

  /** Chunk `number` of an unfinished download, when it is whole, and the ETag that the server gave with it. */
  async chunk(name: string, number: number): Promise<{ bytes: Uint8Array<ArrayBuffer>; tag: string | null } | null> {
    const kept = await this.whole(this.url(name, number));
    return kept && { bytes: kept.bytes, tag: kept.headers.get("ETag") };
  }

  /** Keep a text of our own, under a name that no file has. */
  async note(name: string, text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    await this.put(this.url(name), bytes, "application/json", { [OWN_DIGEST]: await sha256(bytes) });
  }

  /** Such a text, when it is whole. */
  async noted(name: string): Promise<string | null> {
    const kept = await this.whole(this.url(name));
    return kept && new TextDecoder().decode(kept.bytes);
  }

  /**
   * Keep a chunk, unless the whole file is here: then nobody would read it, nor remove it. Who keeps the whole file
   * removes the chunks after that; so one that was written meanwhile is removed either there or here.
   */
  async keepChunk(name: string, number: number, bytes: Uint8Array<ArrayBuffer>, tag: string | null): Promise<void> {
    if (await this.has(name)) return;
    const headers = { [OWN_DIGEST]: await sha256(bytes), ...(tag !== null && { ETag: tag }) };
    await this.put(this.url(name, number), bytes, "application/octet-stream", headers);
    if (await this.has(name)) await this.dropChunks(name, number, number + 1);
  }

  /** Remove the chunks of a file from number `from` to before `to`. */
  async dropChunks(name: string, from: number, to: number): Promise<void> {
    for (let at = from; at < to; at++) await this.cache?.delete(this.url(name, at)).catch(() => false);
  }

  /** Whether there is an entry, whatever it holds. */
  async has(name: string): Promise<boolean> {
    return Boolean(await this.cache?.match(this.url(name)).catch(() => undefined));
  }

  /** An entry that has the digest it was kept with. */
  private async whole(url: string): Promise<{ bytes: Uint8Array<ArrayBuffer>; headers: Headers } | null> {
    const kept = await this.entry(url);
    return kept && (await sha256(kept.bytes)) === kept.headers.get(OWN_DIGEST) ? kept : null;
  }

  private async bytes(url: string): Promise<Uint8Array<ArrayBuffer> | null> {
    return (await this.entry(url))?.bytes ?? null;
  }

  private async entry(url: string): Promise<{ bytes: Uint8Array<ArrayBuffer>; headers: Headers } | null> {
    try {
      const response = await this.cache?.match(url);
      return response ? { bytes: new Uint8Array(await response.arrayBuffer()), headers: response.headers } : null;
    } catch {
      return null; // an entry whose file the browser lost
    }
  }

  /** Whether it is kept; what a full disk leaves half-written is removed, what was there before is not. */
  private async put(
    url: string,
    bytes: Uint8Array<ArrayBuffer>,
    type: string,
    more: Record<string, string> = {},
  ): Promise<boolean> {
    if (!this.cache) return false;
    // a copy, at once: the caller may give the bytes away
    const kept = new Response(bytes, { headers: { "Content-Type": type, ...more } });
    const before = await this.cache.match(url).catch(() => undefined);
    try {
      await this.cache.put(url, kept);
      return true;
    } catch (error) {
      this.trouble = (error as Error).name === "QuotaExceededError" ? "quota" : "unavailable";
      if (!before) await this.cache.delete(url).catch(() => false);
      return false;
    }
  }
}

/** The digests of the states of a folder that are kept, oldest first. */
export async function keptDigests(folder: string): Promise<string[]> {
  const names = (await storage()?.keys().catch(() => [])) ?? [];
  return names.filter((name) => name.startsWith(prefix(folder))).map((name) => name.slice(prefix(folder).length));
}

/** Remove what is kept of a folder, but for these digests. */
export async function forget(folder: string, except: readonly string[] = []): Promise<void> {
  for (const digest of await keptDigests(folder)) {
    if (!except.includes(digest)) await storage()?.delete(prefix(folder) + digest);
  }
}
