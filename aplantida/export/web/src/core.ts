/** The classifier without a platform: what the page's engine and the Node program have in common. */

import type { Bundle, Decision, PlantClass } from "./bundle";
import type { Outputs } from "./decide";
import { readDecision } from "./decision";
import { Model } from "./model";
import { prepare, type Preprocessing } from "./preprocess";
import type { PixelSource } from "./resize";

export interface Parts {
  readonly bundle: Bundle;
  readonly preprocessing: Preprocessing;
  readonly classes: readonly PlantClass[];
  readonly decision: Decision;
  readonly model: Model;
}

/** Read, check and start a bundle; the first run, which is slow, is made in `Model.load`. */
export async function open(bundle: Bundle): Promise<Parts> {
  const [preprocessing, classes, decision] = await Promise.all([
    bundle.preprocessing(),
    bundle.classes(),
    readDecision(bundle),
  ]);
  const model = await Model.load(bundle, preprocessing.image_size, classes.length);
  return { bundle, preprocessing, classes, decision, model };
}

/** Logits and features of one photo. */
export function outputsOf(parts: Parts, source: PixelSource): Outputs {
  return parts.model.outputs(prepare(source, parts.preprocessing));
}

/** Logits of one photo. */
export function logitsOf(parts: Parts, source: PixelSource): Float32Array {
  return parts.model.logits(prepare(source, parts.preprocessing));
}
