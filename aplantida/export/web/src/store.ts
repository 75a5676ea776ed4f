/**
 * What is kept of a bundle in Cache Storage: one cache for each state of each folder, named
 * `aplantida:FOLDER:DIGEST`, filled by the classifier and by the page's service worker alike. Everything that is read
 * is checked; what is not whole is taken out.
 */

import { joined } from "./download";
import { sha256 } from "./sha256";

/** Unfinished downloads are kept in pieces of at least so many bytes. */
export const PART_BYTES = 262_144;

export function prefix(folder: string): string {
  return `aplantida:${folder}:`;
}

export class Store {
  /** Why something could not be kept. */
  trouble: "quota" | "unavailable" | null = null;

  private constructor(
    readonly folder: string,
    readonly digest: string,
    private readonly cache: Cache | null,
  ) {}

  /** The store of a bundle's state; one that keeps nothing where the browser has no Cache Storage. */
  static async open(folder: string, digest: string, keep = true): Promise<Store> {
    const cache = keep ? await globalThis.caches?.open(prefix(folder) + digest).catch(() => null) : null;
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

  /** Like `read`, and changes nothing. */
  async state(name: string, wanted: string): Promise<"whole" | "bad" | "missing"> {
    const bytes = await this.bytes(this.url(name));
    if (!bytes) return "missing";
    return (await sha256(bytes)) === wanted ? "whole" : "bad";
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>, type: string): Promise<boolean> {
    return this.put(this.url(name), bytes, type);
  }

  async forget(name: string): Promise<void> {
    await this.cache?.delete(this.url(name)).catch(() => false);
  }

  /** What an earlier visit got of a file, from its beginning. */
  async begun(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    for (let part = 0; this.cache; part++) {
      const bytes = await this.bytes(this.url(name, part));
      if (!bytes) break;
      parts.push(bytes);
    }
    return joined(parts);
  }

  /** A function that takes the pieces of a download and keeps them, from byte `offset` and part `part` on. */
  keeper(name: string, begun: number): { take(part: Uint8Array<ArrayBuffer>, offset: number): void; clear(): Promise<void> } {
    let waiting: Uint8Array[] = [];
    let kept = begun > 0 ? -1 : 0;
    let last: Promise<unknown> = Promise.resolve();
    const flush = () => {
      const piece = joined(waiting);
      waiting = [];
      last = last.then(async () => {
        if (kept < 0) kept = await this.count(name);
        await this.put(this.url(name, kept++), piece, "application/octet-stream");
      });
    };
    return {
      take: (part, offset) => {
        if (offset === 0) {
          waiting = [];
          last = last.then(() => this.clearParts(name)).then(() => (kept = 0));
        }
        waiting.push(part);
        if (waiting.reduce((sum, one) => sum + one.length, 0) >= PART_BYTES) flush();
      },
      clear: () => last.then(() => this.clearParts(name)),
    };
  }

  private async count(name: string): Promise<number> {
    let parts = 0;
    while (await this.bytes(this.url(name, parts))) parts++;
    return parts;
  }

  private async clearParts(name: string): Promise<void> {
    for (let part = 0; await this.cache?.delete(this.url(name, part)).catch(() => false); part++);
  }

  private async bytes(url: string): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const response = await this.cache?.match(url);
      return response ? new Uint8Array(await response.arrayBuffer()) : null;
    } catch {
      return null; // an entry whose file the browser lost
    }
  }

  /** Whether it is kept; what a full disk leaves half-written is removed. */
  private async put(url: string, bytes: Uint8Array<ArrayBuffer>, type: string): Promise<boolean> {
    if (!this.cache) return false;
    try {
      await this.cache.put(url, new Response(bytes, { headers: { "Content-Type": type } }));
      return true;
    } catch (error) {
      this.trouble = (error as Error).name === "QuotaExceededError" ? "quota" : "unavailable";
      await this.cache.delete(url).catch(() => false);
      return false;
    }
  }
}

/** The digests of the states of a folder that are kept, oldest first. */
export async function keptDigests(folder: string): Promise<string[]> {
  const names = (await globalThis.caches?.keys().catch(() => [])) ?? [];
  return names.filter((name) => name.startsWith(prefix(folder))).map((name) => name.slice(prefix(folder).length));
}

/** Remove what is kept of a folder, but for these digests. */
export async function forget(folder: string, except: readonly string[] = []): Promise<void> {
  for (const digest of await keptDigests(folder)) {
    if (!except.includes(digest)) await caches.delete(prefix(folder) + digest);
  }
}
