/** When a page asks again by itself for what it could not get. */

import { publishedEdition } from "./source";

const FIRST = 10_000;
const LONGEST = 600_000;

/** How long to wait after so many tries, milliseconds: twice as long each time, for each may bring the weights anew. */
function waitAfter(tries: number): number {
  return Math.min(FIRST * 2 ** (tries - 1), LONGEST);
}

/** Tries at files that are not what bundle.json says, before only another bundle.json is a reason for one more. */
const MOST_ALTERED = 4;

/**
 * Wait until trying once more may help.
 *
 * @param altered whether what came was not what bundle.json says: all of it would be fetched anew, to no avail
 * @param folder of the bundle
 */
export async function waitAgain(tries: number, altered: boolean, folder: string): Promise<void> {
  const published = () => publishedEdition(folder, true, undefined, false).then((edition) => edition.digest, () => null);
  const before = altered && tries >= MOST_ALTERED ? await published() : null;
  let now: string | null;
  do {
    await goodTime(waitAfter(tries++));
    now = before === null ? null : await published();
  } while (before !== null && (now === null || now === before));
}

/** A good time to try again: after `wait` milliseconds, while somebody looks; at once when the connection is back. */
function goodTime(wait: number): Promise<void> {
  return new Promise((resolve) => {
    const now = () => {
      clearTimeout(timer);
      removeEventListener("online", now);
      document.removeEventListener("visibilitychange", seen);
      resolve();
    };
    const seen = () => {
      if (over && document.visibilityState === "visible") now();
    };
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      seen();
    }, wait);
    addEventListener("online", now);
    document.addEventListener("visibilitychange", seen);
  });
}
