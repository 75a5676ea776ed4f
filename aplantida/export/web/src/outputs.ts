/** What a caller kept of photos that were looked at before. */

import type { PhotoOutputs } from "./api";
import { AplantidaError } from "./errors";

/**
 * One or more, of this very model.
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
    if (!(one?.logits instanceof Float32Array) || one.logits.length !== numClasses) {
      throw new AplantidaError("argument", `these are no outputs of a photo; give what outputs() gave`);
    }
    if (one.digest !== digest) {
      throw new AplantidaError("argument", `the outputs are of the bundle ${one.digest}, this is ${digest}; look again`);
    }
  }
  return all as readonly PhotoOutputs[];
}
