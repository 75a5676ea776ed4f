/** When a page asks again by itself for what it could not get. */

const FIRST = 10_000;
const LONGEST = 600_000;

/** How long to wait after so many tries, milliseconds: twice as long each time, for each may bring the weights anew. */
export function waitAfter(tries: number): number {
  return Math.min(FIRST * 2 ** (tries - 1), LONGEST);
}

/** A good time to try again: after `wait` milliseconds, while somebody looks; at once when the connection is back. */
export function goodTime(wait: number): Promise<void> {
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
