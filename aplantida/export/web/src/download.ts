/**
 * Bytes over HTTP that survive a bad connection. A broken download goes on with `Range` where the server can. Where it
 * cannot, the stream is read from its beginning: what is here already is passed over, so nothing is lost when it breaks
 * earlier than before, and the first answer that can goes on from the farthest point.
 */

import { reasonOf, stopIfAborted } from "./cancel";
import { AplantidaError } from "./errors";
import type { Received } from "./received";

/** Waits before another try, milliseconds. */
const BACK_OFF = [400, 1200, 3600];
/** Statuses that pass by themselves. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** A connection that gives nothing for so long is given up, milliseconds. */
const SILENCE = 30_000;
/** Bytes that a try must have brought for patience to begin anew. */
export const PART_BYTES = 262_144;

export interface DownloadOptions {
  readonly cache: RequestCache;
  readonly signal?: AbortSignal;
  /** Whether what passes by itself is waited for; one try when not. */
  readonly patient?: boolean;
  /** Hears how many bytes there are; never fewer than before while the file is the same. */
  readonly onBytes?: (loaded: number) => void;
}

/** A partial answer that does not go on where we are: the file is to be asked for whole. */
class Misfit extends Error {}

/** Wait, or fail with the signal's reason. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop(); // it tells nobody who comes later
  });
}

/** The ETag without what only says how the bytes travelled: weak or strong, compressed or not. */
function tagOf(response: Response): string | null {
  return response.headers.get("ETag")?.replace(/^W\/|[-;](?:gzip|br|zstd|deflate)(?="$)/g, "") ?? null;
}

/**
 * Where in the file an answer begins. From another origin a server may show neither `Content-Range` nor `ETag`: then
 * it is taken to have done what it was asked for, and the digest of the whole is what tells.
 *
 * @throws Misfit for the middle of another file, or for a part behind a gap
 */
function startOf(response: Response, received: Received): number {
  if (response.status !== 206) return 0;
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("Content-Range") ?? "") ?? [];
  const start = first === undefined ? received.length : Number(first);
  if (start > received.length) throw new Misfit(`bytes from ${start}, and ${received.length} are here`);
  const { size, tag } = received;
  if (size !== null && Number(total ?? size) !== size && total !== "*") {
    throw new Misfit(`a part of ${total} bytes, and bundle.json says ${size}`);
  }
  const found = tagOf(response);
  if (tag !== null && found !== null && found !== tag) throw new Misfit(`the file changed from ${tag} to ${found}`);
  return start;
}

/**
 * One request; what came stays in `received` when it breaks off.
 *
 * @returns whether the answer was a part of the file
 */
async function request(
  name: string,
  url: string,
  received: Received,
  ranged: boolean,
  options: DownloadOptions,
): Promise<boolean> {
  const silence = new AbortController();
  const giveUp = () => silence.abort(new Error("the connection fell silent"));
  const follow = () => silence.abort(reasonOf(options.signal));
  options.signal?.addEventListener("abort", follow);
  if (options.signal?.aborted) follow(); // it tells nobody who comes later
  let timer = setTimeout(giveUp, SILENCE);
  try {
    const headers: HeadersInit = ranged ? { Range: `bytes=${received.length}-` } : {};
    const response = await fetch(url, { cache: options.cache, headers, signal: silence.signal });
    if (!response.ok) throw new AplantidaError("http", `${name}: HTTP ${response.status}`, name);
    let at = startOf(response, received);
    received.tag = tagOf(response);
    received.headers = response.headers;
    const reader = response.body?.getReader();
    if (!reader) throw new Error("the answer has no body");
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENCE);
      received.take(step.value, at);
      at += step.value.length;
      options.onBytes?.(received.length);
      if (at > received.most) {
        const said = received.size === null ? `${received.most} bytes that it may have` : `${received.size} bytes of bundle.json`;
        throw new AplantidaError("altered", `${name} has more than the ${said}`, name);
      }
    }
    return response.status === 206;
  } catch (error) {
    silence.abort(error); // an answer that is of no use is not read on
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", follow);
  }
}

function passes(error: unknown): boolean {
  const status = /HTTP (\d+)$/.exec((error as Error).message)?.[1];
  return !(error instanceof AplantidaError) || PASSING.has(Number(status));
}

/** What is thrown when no more tries are left. */
function final(error: unknown, name: string): AplantidaError {
  if (error instanceof AplantidaError) return error;
  return new AplantidaError("offline", `${name} could not be fetched: ${(error as Error).message}`, name);
}

/**
 * Add to `received` until the body of `url` is there.
 *
 * @param name of the file, for errors
 * @throws AplantidaError "http" for a status that does not pass, "offline" when the server is not reached, "altered"
 *     when there is more than there should be
 */
export async function download(name: string, url: string, received: Received, options: DownloadOptions): Promise<void> {
  const waits = options.patient ? BACK_OFF : [];
  let tries = 0;
  let farthest = received.length;
  let [whole, knowsRanges] = [false, false];
  while (received.length !== received.size) {
    const before = received.length;
    // the last of several tries asks for all of it: what stands in between may fail at every range
    const ranged = before > 0 && !whole && (knowsRanges || tries === 0 || tries < waits.length);
    // HTTP's cache would ask for ranges of its own
    const cache = whole && options.cache === "default" ? "reload" : options.cache;
    try {
      const part = await request(name, url, received, ranged, { ...options, cache });
      const grown = received.length - before;
      // an answer that ends early, as if that were all, is another file, unless it brought much of this one
      if (received.size === null || (!part && grown < PART_BYTES)) return;
      if (grown === 0 && !ranged) throw new AplantidaError("http", `${name}: HTTP 206, and no more of it`, name);
      if (grown === 0) whole = true; // else a part of what was asked for: there is more
    } catch (error) {
      stopIfAborted(options.signal);
      knowsRanges ||= ranged && received.length > before;
      if (ranged && (error instanceof Misfit || (error as Error).message.endsWith("HTTP 416"))) {
        whole = true;
        continue;
      }
      if (error instanceof Misfit) throw new AplantidaError("http", `${name}: HTTP 206, unasked: ${error.message}`, name);
      if (!passes(error)) throw error;
      if (received.length >= farthest + PART_BYTES) tries = 0;
      farthest = Math.max(farthest, received.length);
      const offline = globalThis.navigator?.onLine === false && !(error instanceof AplantidaError);
      if (offline || tries === waits.length) throw final(error, name);
      await pause(waits[tries], options.signal);
      tries += 1;
    }
  }
}
