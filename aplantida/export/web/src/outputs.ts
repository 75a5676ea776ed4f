/** What a caller kept of photos that were looked at before. */

import type { PhotoOutputs } from "./api";
import { AplantidaError } from "./errors";

function noOutputs(): AplantidaError {
  return new AplantidaError("argument", "these are no outputs of a photo; give what outputs() gave");
}

function areOutputs(one: PhotoOutputs | null | undefined): one is PhotoOutputs {
  if (!(one?.logits instanceof Float32Array) || !Number.isFinite(one.milliseconds)) return false;
  return one.features === null || one.features instanceof Float32Array;
}

/**
 * One or more, of this very model but for the number of features, which its engine knows.
 *
 * @throws AplantidaError "argument" for none, for another model's, and for what are no outputs
 */
export function checkedOutputs(
  given: PhotoOutputs | readonly PhotoOutputs[],
  digest: string,
  numClasses: number,
): readonly PhotoOutputs[] {
  const all = (Array.isArray(given) ? given : [given]) as readonly (PhotoOutputs | null | undefined)[];
  if (all.length === 0) throw new AplantidaError("argument", "no outputs were given");
  for (const one of all) {
    if (!areOutputs(one) || one.logits.length !== numClasses) throw noOutputs();
    if (one.digest !== digest) {
      throw new AplantidaError("argument", `the outputs are of the bundle ${one.digest}, this is ${digest}; look again`);
    }
  }
  return all as readonly PhotoOutputs[];
}

/**
 * @param numFeatures of the model; null where it gives none
 * @throws AplantidaError "argument" for outputs with another number of features
 */
export function checkWidths(all: readonly PhotoOutputs[], numFeatures: number | null): void {
  if (all.some(({ features }) => (features?.length ?? null) !== numFeatures)) throw noOutputs();
}
