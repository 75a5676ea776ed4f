/** What a host says of its pages in headers (policies, above all): kept, so that a page answered from here has it too. */

import { altered } from "./bundle";
import { download, pause } from "./download";
import { AplantidaError } from "./errors";
import { INDEX, type FileEntry } from "./files";
import { Received } from "./received";
import { sha256 } from "./sha256";
import type { Store } from "./store";

/** The name of the note; a query alone is no file's. */
const NOTE = "?headers";
/** Bytes that a page may have. */
const LONGEST_PAGE = 2 ** 20;
/** How long an opening of the page waits for them, milliseconds. */
const LIMIT = 5000;
/** Of the bytes themselves, of the way they came, of how long they keep, of other addresses, or for the browser alone. */
const OF_THE_ANSWER = new Set([
  ...["accept-ranges", "age", "alt-svc", "cache-control", "clear-site-data", "connection", "content-disposition"],
  ...["content-encoding", "content-length", "content-location", "content-range", "content-type", "date", "etag"],
  ...["expires", "keep-alive", "last-modified", "link", "location", "pragma", "refresh", "server", "server-timing"],
  ...["set-cookie", "strict-transport-security", "trailer", "transfer-encoding", "upgrade", "vary", "via"],
]);

export type HostHeaders = Readonly<Record<string, string>>;

/**
 * Ask the host for its page, as a visitor would, and keep the headers that are of the page. They are taken with
 * this very page alone: a notice of maintenance, or a portal, has others, under which the page might not run.
 *
 * @param entry of the page in bundle.json
 * @param patient whether what passes by itself is waited for
 * @throws AplantidaError when the host gives the page neither at the folder's address nor at its own
 */
export async function keepHeaders(store: Store, entry: FileEntry, patient: boolean): Promise<HostHeaders> {
  let problem: unknown;
  for (const url of [store.folder, new URL(INDEX, store.folder).href]) {
    try {
      const received = new Received(null, LONGEST_PAGE);
      await download(INDEX, url, received, { cache: "no-cache", patient: patient && !problem });
      const digest = await sha256(received.bytes);
      if (digest !== entry.sha256) throw altered(INDEX, digest, entry);
      const found = Array.from(received.headers ?? []).filter(([name]) => !OF_THE_ANSWER.has(name));
      await store.note(NOTE, JSON.stringify(Object.fromEntries(found)));
      return Object.fromEntries(found);
    } catch (error) {
      problem ??= error;
      if (error instanceof AplantidaError && error.code === "offline") break;
    }
  }
  throw problem;
}

/** The headers that are kept, or else the host's own now; none where there are neither. */
export async function keptHeaders(store: Store, entry: FileEntry): Promise<HostHeaders> {
  const note = await store.noted(NOTE);
  if (note !== null) return JSON.parse(note);
  return Promise.race([keepHeaders(store, entry, false).catch(() => ({})), pause(LIMIT).then(() => ({}))]);
}
