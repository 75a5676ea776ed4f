/** Bytes over HTTP that survive a bad connection: resumed where they broke off, asked for again after a while. */

import { AplantidaError } from "./errors";

/** Waits before another try, milliseconds. */
const BACK_OFF = [400, 1200, 3600];
/** Statuses that pass by themselves. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** A connection that gives nothing for so long is given up, milliseconds. */
const SILENCE = 30_000;

export interface DownloadOptions {
  readonly cache: RequestCache;
  readonly signal?: AbortSignal;
  /** Whether what passes by itself is waited for; one try when not. */
  readonly patient?: boolean;
  /** Bytes that are here already. */
  readonly begun?: Uint8Array<ArrayBuffer>;
  readonly onBytes?: (loaded: number) => void;
  /** Called with what has come since the last call, and where in the file it belongs. */
  readonly onPart?: (part: Uint8Array<ArrayBuffer>, offset: number) => void;
}

/** Wait, or fail with the signal's reason. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** Whether a partial answer goes on exactly where we stopped. */
function goesOn(response: Response, from: number): boolean {
  const start = /^bytes (\d+)-/.exec(response.headers.get("Content-Range") ?? "")?.[1];
  return response.status === 206 && (start === undefined || Number(start) === from);
}

/** One request; what came stays in `parts` when it breaks off. */
async function request(name: string, url: string, parts: Uint8Array[], options: DownloadOptions): Promise<void> {
  const from = parts.reduce((sum, part) => sum + part.length, 0);
  const silence = new AbortController();
  const giveUp = () => silence.abort(new Error("the connection fell silent"));
  const follow = () => silence.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", follow);
  let timer = setTimeout(giveUp, SILENCE);
  try {
    const headers: HeadersInit = from > 0 ? { Range: `bytes=${from}-` } : {};
    const response = await fetch(url, { cache: options.cache, headers, signal: silence.signal });
    if (!response.ok) throw new AplantidaError("http", `${name}: HTTP ${response.status}`, name);
    let loaded = from;
    if (from > 0 && !goesOn(response, from)) loaded = parts.length = 0;
    const reader = response.body?.getReader();
    if (!reader) throw new Error("the answer has no body");
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENCE);
      options.onPart?.(step.value, loaded);
      parts.push(step.value);
      loaded += step.value.length;
      options.onBytes?.(loaded);
    }
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", follow);
  }
}

function passes(error: unknown): boolean {
  const status = /HTTP (\d+)$/.exec((error as Error).message)?.[1];
  return !(error instanceof AplantidaError) || PASSING.has(Number(status));
}

/**
 * The body of `url`.
 *
 * @param name of the file, for errors
 * @throws AplantidaError "http" for a status that does not pass, "offline" when the server is not reached
 */
export async function download(name: string, url: string, options: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = options.begun?.length ? [options.begun] : [];
  const waits = options.patient ? BACK_OFF : [];
  for (const wait of [...waits, null]) {
    try {
      await request(name, url, parts, options);
      return joined(parts);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof AplantidaError && error.message.endsWith("HTTP 416")) parts.length = 0;
      else if (!passes(error)) throw error;
      const offline = globalThis.navigator?.onLine === false;
      if (wait === null || (offline && !(error instanceof AplantidaError))) {
        if (error instanceof AplantidaError) throw error;
        throw new AplantidaError("offline", `${name} could not be fetched: ${(error as Error).message}`, name);
      }
      await pause(wait, options.signal);
    }
  }
  throw new AplantidaError("offline", `${name} could not be fetched`, name);
}
