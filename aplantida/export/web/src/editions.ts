/** Which editions of a bundle there are to work with: the server's, and those that are kept. */

import type { LoadOptions } from "./api";
import { stopIfAborted } from "./cancel";
import { pause } from "./download";
import { AplantidaError } from "./errors";
import { MANIFEST } from "./files";
import { keptEditions, publishedEdition, type Edition } from "./source";

/** With an edition at hand the server is waited for no longer than this, milliseconds. */
const PATIENCE = 5000;

async function tooLate(): Promise<never> {
  await pause(PATIENCE);
  throw new AplantidaError("offline", `${MANIFEST} did not come within ${PATIENCE / 1000} s`, MANIFEST);
}

/** The editions to try: what the server has, then what is kept; the reason when the server gave none. */
export async function candidates(folder: string, fresh: boolean, options: LoadOptions): Promise<[Edition[], unknown]> {
  const kept = (options.keep ?? true) ? await keptEditions(folder) : [];
  try {
    const asked = publishedEdition(folder, fresh, options.signal, kept.length === 0);
    const published = await (kept.length === 0 ? asked : Promise.race([asked, tooLate()]));
    return [[published, ...kept.filter((edition) => edition.digest !== published.digest)], undefined];
  } catch (error) {
    stopIfAborted(options.signal);
    return [kept, error];
  }
}

/** The edition that `status` and `repair` speak of: the server's, else the newest that is kept. */
export async function known(folder: string, fresh: boolean): Promise<Edition | null> {
  const kept = (await keptEditions(folder))[0] ?? null;
  return publishedEdition(folder, fresh, undefined, false).catch(() => kept);
}
