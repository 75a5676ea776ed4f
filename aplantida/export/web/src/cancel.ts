/** Signals, where they have neither a reason nor `throwIfAborted` too: browsers before 2022. */

/** Why a signal was aborted. */
export function reasonOf(signal: AbortSignal | undefined): unknown {
  return signal?.reason ?? new DOMException("cancelled", "AbortError");
}

/** @throws the signal's reason once it is aborted */
export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/** What `work` gives, unless the signal is aborted before. */
export function orAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(reasonOf(signal));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop(); // it tells nobody who comes later
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
