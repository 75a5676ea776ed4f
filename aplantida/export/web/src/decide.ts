/** From logits to an answer, with the temperature and the threshold of decision.json. */

import type { Decision, PlantClass } from "./bundle";
import type { Candidate } from "./api";

/** softmax(logits / temperature). */
export function softmax(logits: Float32Array, temperature: number): Float64Array {
  let highest = -Infinity;
  for (const logit of logits) highest = Math.max(highest, logit);
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  let total = 0;
  for (const weight of weights) total += weight;
  return weights.map((weight) => weight / total);
}

/** The `k` likeliest classes, best first (ties in class order), and whether the first is likely enough to be named. */
export function decide(
  logits: Float32Array,
  classes: readonly PlantClass[],
  decision: Decision,
  k: number,
): { top: Candidate[]; decision: "species" | "unsure" } {
  const probabilities = softmax(logits, decision.temperature);
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const top = order.slice(0, k).map((index) => ({
    scientific_name: classes[index].class_id,
    common_names: classes[index].common_names,
    family: classes[index].family,
    probability: probabilities[index],
  }));
  return { top, decision: top[0].probability >= decision.threshold ? "species" : "unsure" };
}
