/** A bundle's files over HTTP and out of what is kept, each checked against bundle.json. */

import { AplantidaError } from "./errors";
import { altered, BundleError, parseManifest, type BundleManifest, type Source } from "./bundle";
import { stopIfAborted } from "./cancel";
import { begun, ChunkKeeper, inChunks, numChunks } from "./chunks";
import { download, PART_BYTES } from "./download";
import { MANIFEST, sources, type FileEntry } from "./files";
import { Received } from "./received";
import { sha256 } from "./sha256";
import { keptDigests, Store } from "./store";

/** Bytes that a bundle.json may have: some 1.5 MB at 9,000 classes. */
const LONGEST_MANIFEST = 2 ** 24;

/** A state of a bundle, as bundle.json names it. */
export interface Edition {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: BundleManifest;
  readonly digest: string;
}

async function edition(bytes: Uint8Array<ArrayBuffer>): Promise<Edition> {
  return { bytes, manifest: parseManifest(bytes), digest: await sha256(bytes) };
}

/**
 * bundle.json as the server has it now.
 *
 * @param fresh past every cache
 * @param patient whether what passes by itself is waited for
 * @throws AplantidaError when it cannot be had
 */
export async function publishedEdition(
  folder: string,
  fresh = false,
  signal?: AbortSignal,
  patient = true,
): Promise<Edition> {
  let problem: unknown;
  for (const [url, cache] of sources(folder, MANIFEST, null)) {
    if (fresh && cache !== "no-store") continue;
    try {
      const received = new Received(null, LONGEST_MANIFEST);
      await download(MANIFEST, url, received, { cache, signal, patient: patient && !problem });
      return await edition(received.bytes);
    } catch (error) {
      stopIfAborted(signal);
      problem ??= error;
      if (error instanceof AplantidaError && error.code === "offline") break;
    }
  }
  throw problem;
}

/** The editions that are kept, the newest first; one is whole when its bytes have the digest it is kept under. */
export async function keptEditions(folder: string): Promise<Edition[]> {
  const found: Edition[] = [];
  for (const digest of (await keptDigests(folder)).reverse()) {
    const bytes = await (await Store.open(folder, digest)).read(MANIFEST, digest);
    if (bytes) found.push(await edition(bytes));
  }
  return found;
}

export class HttpSource implements Source {
  private readonly writing: Promise<unknown>[] = [];

  constructor(
    readonly store: Store,
    /** Ends what is being fetched; to be taken away once that is over. */
    public signal?: AbortSignal,
  ) {}

  /** Once everything that was read is kept, or could not be. */
  async settled(): Promise<void> {
    await Promise.all(this.writing);
  }

  async file(name: string, entry: FileEntry, onBytes?: (loaded: number) => void): Promise<Uint8Array<ArrayBuffer>> {
    const kept = await this.store.read(name, entry.sha256);
    if (kept) {
      onBytes?.(kept.length);
      this.writing.push(this.tidied(name, entry));
      return kept;
    }
    const elsewhere = await this.store.elsewhere(name, entry.sha256);
    if (elsewhere) onBytes?.(elsewhere.length);
    const bytes = elsewhere ?? (await this.fetched(name, entry, onBytes));
    this.writing.push(this.store.write(name, bytes, typeOf(name)).then(() => this.tidied(name, entry)));
    return bytes;
  }

  /** No chunks beside the whole file: another page may have kept some, and gone. */
  private async tidied(name: string, entry: FileEntry): Promise<void> {
    if (inChunks(entry.bytes)) await this.store.dropChunks(name, 0, numChunks(entry.bytes));
  }

  /** From the first address that gives the published bytes. */
  private async fetched(
    name: string,
    entry: FileEntry,
    onBytes?: (loaded: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const large = inChunks(entry.bytes);
    let received = large ? await begun(this.store, name, entry.bytes) : new Received(entry.bytes);
    const keeper = large ? new ChunkKeeper(this.store, name, entry.bytes, received.length / PART_BYTES) : undefined;
    let problem: unknown;
    for (const [url, cache] of sources(this.store.folder, name, entry.sha256)) {
      // what several answers gave together may be of two files: then this address is asked for all of it
      for (let before = -1; before !== 0; ) {
        before = received.length;
        received.listener = keeper;
        try {
          await download(name, url, received, { cache, signal: this.signal, patient: problem === undefined, onBytes });
          const bytes = received.bytes;
          const found = await sha256(bytes);
          keeper?.cut(0);
          if (found === entry.sha256) return bytes;
          received = new Received(entry.bytes);
          if ((problem as AplantidaError | undefined)?.code !== "altered") problem = altered(name, found, entry);
        } catch (error) {
          stopIfAborted(this.signal);
          problem ??= error;
          if (!(error instanceof AplantidaError) || error.code === "offline") throw problem;
          if (error.code === "altered") {
            keeper?.cut(0);
            received = new Received(entry.bytes);
          }
          break;
        } finally {
          if (keeper) this.writing.push(keeper.settled());
        }
      }
    }
    throw problem;
  }
}

/** Take the files that `names` lists from `source`; the names of those that cannot be had. */
export async function mended(
  source: Source,
  manifest: BundleManifest,
  names: readonly string[],
): Promise<Map<string, unknown>> {
  const lost = new Map<string, unknown>();
  for (const name of names) {
    const entry = manifest.files[name];
    try {
      if (!entry) throw new BundleError(`bundle.json does not list ${name}`, name);
      await source.file(name, entry);
    } catch (error) {
      lost.set(name, error);
    }
  }
  return lost;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  wasm: "application/wasm",
  webmanifest: "application/manifest+json",
  md: "text/plain; charset=utf-8",
  jpg: "image/jpeg",
};

/** The media type of a kept file. */
export function typeOf(name: string): string {
  return TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}
