/** From a model's outputs to an answer, by the rules of decision.json; the twin of evaluation/decide.py. */

import type { Decision, PlantClass } from "./bundle";
import type { Answer, Candidate, Outcome } from "./api";
import { strangerScore, type Spread } from "./stranger";

/** What the graph gives for one photo, or for several of one plant. */
export interface Outputs {
  readonly logits: Float32Array;
  /** Pooled features; null where the graph gives none. */
  readonly features: Float32Array | null;
}

const TOP = 10; // classes that sets are made of
const FREE_RANKS = 5; // of raps

/** exp((logits - highest) / temperature), their sum, and the highest logit. */
function weightsOf(logits: Float32Array | Float64Array, temperature: number) {
  let highest = -Infinity;
  for (let at = 0; at < logits.length; at += 1) highest = Math.max(highest, logits[at]);
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let at = 0; at < logits.length; at += 1) {
    weights[at] = Math.exp((logits[at] - highest) / temperature);
    total += weights[at];
  }
  return { weights, total, highest };
}

/** Logits that say how likely each class is where the photo was taken; the twin of evaluation/region_prior.py. */
function atPlace(logits: Float32Array, classes: readonly PlantClass[], decision: Decision, place: string) {
  const { temperatures = {} } = decision;
  const temperature = Object.hasOwn(temperatures, place) ? temperatures[place] : decision.temperature;
  const lives = classes.map((plant) => plant.regions?.includes(place) || plant.distribution?.includes(place));
  const log = temperature * Math.log(decision.region_prior?.floor ?? 1);
  const elsewhere = (plant: PlantClass, at: number) =>
    !lives[at] && ((plant.regions?.length ?? 0) > 0 || (plant.distribution?.length ?? 0) > 0);
  const known = lives.includes(true);
  const shift = classes.map((plant, at) => (known && elsewhere(plant, at) ? log : 0));
  return { logits: Float64Array.from(logits, (logit, at) => logit + shift[at]), temperature };
}

/** softmax(logits / temperature). */
export function softmax(logits: Float32Array | Float64Array, temperature: number): Float64Array {
  const { weights, total } = weightsOf(logits, temperature);
  return weights.map((weight) => weight / total);
}

/**
 * Several photos of one plant as one: the mean of their logits, which gives the mean of their calibrated
 * log-probabilities, and the mean of their features, each of length 1.
 */
export function fuse(photos: readonly Outputs[]): Outputs {
  if (photos.length === 1) return photos[0];
  const mean = (rows: readonly ArrayLike<number>[]) =>
    Float32Array.from(rows[0], (_, at) => rows.reduce((sum, row) => sum + row[at], 0) / rows.length);
  const features = photos.map((photo) => photo.features);
  const units = features.filter((row) => row !== null).map((row) => {
    const length = Math.max(Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)), 1e-12);
    return Float64Array.from(row, (value) => value / length);
  });
  return {
    logits: mean(photos.map((photo) => photo.logits)),
    features: units.length === photos.length ? mean(units) : null,
  };
}

interface Rank {
  readonly names: readonly string[];
  /** Of each class, -1 where unknown. */
  readonly ofClass: Int32Array;
}

const ranks = new WeakMap<readonly PlantClass[], { genus: Rank; family: Rank }>();

function genusOf(name: string): string {
  const words = name.split(" ");
  return words[0] === "×" && words.length > 1 ? words[1] : words[0];
}

function rankOf(values: readonly (string | null | undefined)[]): Rank {
  const names = [...new Set(values.filter((name): name is string => Boolean(name)))].sort();
  const places = new Map(names.map((name, place) => [name, place]));
  return { names, ofClass: Int32Array.from(values, (name) => places.get(name ?? "") ?? -1) };
}

function taxonomyOf(classes: readonly PlantClass[]) {
  let found = ranks.get(classes);
  if (!found) {
    const genus = rankOf(classes.map((plant) => plant.genus || genusOf(plant.class_id)));
    found = { genus, family: rankOf(classes.map((plant) => plant.family)) };
    ranks.set(classes, found);
  }
  return found;
}

/** The taxon of the largest sum of probabilities. */
function bestTaxon(rank: Rank, probabilities: Float64Array): { name: string | null; probability: number } {
  const sums = new Float64Array(rank.names.length);
  for (let at = 0; at < probabilities.length; at += 1) {
    const place = rank.ofClass[at];
    if (place >= 0) sums[place] += probabilities[at];
  }
  let best = -1;
  sums.forEach((sum, place) => {
    if (best < 0 || sum > sums[best]) best = place;
  });
  return best < 0 ? { name: null, probability: 0 } : { name: rank.names[best], probability: Math.min(1, sums[best]) };
}

function setSize(best: readonly number[], method: string, threshold: number, penalty: number): number {
  let mass = 0;
  let held = 0;
  for (const [place, share] of best.entries()) {
    mass = Math.min(1, mass + share); // rounded, a sum may be above
    const extra = method === "raps" ? penalty * Math.max(place + 1 - FREE_RANKS, 0) : 0;
    if ((method === "lac" ? 1 - share : mass + extra) > threshold) break;
    held += 1;
  }
  return held;
}

function stranger(gate: Decision["strangers"]["plant"] | undefined, score: number | null): boolean {
  return Boolean(gate) && score !== null && !(score >= gate!.threshold);
}

function answer(
  outcome: Outcome,
  rule: string,
  taxon: string | null = null,
  probability: number | null = null,
  setSizeShown: number | null = null,
): Answer {
  return { decision: outcome, rule, taxon, probability, set_size: setSizeShown };
}

function spreadOf(logits: Float32Array, temperature: number): Spread {
  const { weights, total, highest } = weightsOf(logits, temperature);
  let entropy = 0;
  let maxSoftmax = 0;
  for (let at = 0; at < weights.length; at += 1) {
    const share = weights[at] / total;
    if (share > 0) entropy -= share * Math.log(share);
    maxSoftmax = Math.max(maxSoftmax, share);
  }
  return { maxSoftmax, energy: highest + temperature * Math.log(total), entropy };
}

/**
 * The classes of the `count` largest logits, best first, ties in class order; a few of many are picked without sorting
 * the rest. Of probabilities many may be 0, so that they tell no order.
 */
function likeliest(logits: Float32Array | Float64Array, count: number): number[] {
  if (count > logits.length / 8) {
    const all = Array.from(logits.keys());
    return all.sort((a, b) => logits[b] - logits[a] || a - b).slice(0, count);
  }
  const found: number[] = [];
  for (let at = 0; at < logits.length; at += 1) {
    if (found.length === count && logits[at] <= logits[found[count - 1]]) continue;
    let place = found.length;
    while (place > 0 && logits[found[place - 1]] < logits[at]) place -= 1;
    found.splice(place, 0, at);
    if (found.length > count) found.pop();
  }
  return found;
}

function ruled(
  outputs: Outputs,
  probabilities: Float64Array,
  order: readonly number[],
  classes: readonly PlantClass[],
  decision: Decision,
): Answer {
  const best = order.slice(0, TOP).map((index) => probabilities[index]);
  if (decision.strangers) {
    const spread = spreadOf(outputs.logits, decision.temperature); // a place does not make a plant of what is none
    const { plant, known } = decision.strangers;
    const score = (gate: typeof plant) => gate && strangerScore(gate, spread, outputs.features);
    if (stranger(plant, score(plant))) return answer("not_a_plant", "plant_score");
    if (stranger(known, score(known))) return answer("unknown", "known_score");
  }
  if (best[0] >= decision.threshold) {
    return answer("species", "species_threshold", classes[order[0]].class_id, best[0]);
  }
  if (decision.roll_up) {
    const taxonomy = taxonomyOf(classes);
    for (const name of ["genus", "family"] as const) {
      const threshold = decision.roll_up[name].threshold;
      const found = bestTaxon(taxonomy[name], probabilities);
      if (threshold !== null && found.name !== null && found.probability >= threshold) {
        return answer(name, `${name}_threshold`, found.name, found.probability);
      }
    }
  }
  const sets = decision.sets;
  for (const { level, threshold } of [...(sets?.levels ?? [])].reverse()) {
    const size = setSize(best, sets.method, threshold, sets.penalty);
    if (size >= 1 && size <= sets.max_size) return answer("set", `set_${level}`, null, null, size);
  }
  return answer("unsure", "none");
}

/**
 * The `k` likeliest classes, best first (ties in class order), and what is said of the photo; `place` is where it was
 * taken: the name of a region or an ISO code of a country.
 */
export function decide(
  outputs: Outputs,
  classes: readonly PlantClass[],
  decision: Decision,
  k: number,
  place: string | null = null,
): Answer & { top: Candidate[] } {
  const { logits, temperature } = place ? atPlace(outputs.logits, classes, decision, place) : { ...outputs, ...decision };
  const probabilities = softmax(logits, temperature);
  const order = likeliest(logits, Math.max(k, TOP));
  const top = order.slice(0, k).map((index) => ({
    scientific_name: classes[index].class_id,
    common_names: classes[index].common_names,
    family: classes[index].family,
    probability: probabilities[index],
  }));
  return { top, ...ruled(outputs, probabilities, order, classes, decision) };
}
