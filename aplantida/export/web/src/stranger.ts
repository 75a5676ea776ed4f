/** Scores that say how much a photo looks like what the model knows; the twin of evaluation/stranger_scores.py. */

import { BundleError } from "./bundle";

/** A score and the threshold below which a photo is a stranger, as decision.json has it. */
export interface Gate {
  readonly score: "max_softmax" | "energy" | "entropy" | "head" | "nearest_center";
  readonly threshold: number;
  /** Of a head, base64 of float32: features over their length, then max_softmax, energy, entropy. */
  readonly weights?: string;
  readonly bias?: number;
  /** Of nearest_center, base64 of int8: one center after the other. */
  readonly centers?: string;
  /** Base64 of float32, one a center. */
  readonly scales?: string;
}

/** What is known of a photo's probabilities. */
export interface Spread {
  readonly maxSoftmax: number;
  readonly energy: number;
  readonly entropy: number;
}

const decoded = new WeakMap<Gate, { weights: Float32Array; centers: Int8Array; scales: Float32Array }>();

/** @throws Error for what Python's base64 refuses, too: `atob` takes spaces, and needs no padding */
function bytesOf(text: string): ArrayBuffer {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error("this is no base64");
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

function arraysOf(gate: Gate) {
  let arrays = decoded.get(gate);
  if (!arrays) {
    arrays = {
      weights: new Float32Array(bytesOf(gate.weights ?? "")),
      centers: new Int8Array(bytesOf(gate.centers ?? "")),
      scales: new Float32Array(bytesOf(gate.scales ?? "")),
    };
    decoded.set(gate, arrays);
  }
  return arrays;
}

/** Refuse a gate whose numbers cannot be meant; the twin of StrangerScore.from_json. `key` is where it stands. */
export function checkGate(gate: Gate, key: string): void {
  const refuse = (name: string, want: string) => {
    throw new BundleError(`decision.json: ${key}.${name}, want ${want}`, "decision.json");
  };
  const bytes = (name: "weights" | "centers" | "scales", size: number) => {
    let length = 0;
    try {
      length = bytesOf(gate[name]!).byteLength;
    } catch {
      refuse(name, "base64");
    }
    if (length === 0 || length % size !== 0) refuse(name, `numbers of ${size} bytes, not ${length} bytes`);
  };
  if (gate.score === "head") {
    bytes("weights", 4);
    const { weights } = arraysOf(gate);
    if (weights.length <= 3) refuse("weights", `more than 3 numbers, not ${weights.length}`);
    if (!weights.every(Number.isFinite)) refuse("weights", "finite numbers");
  }
  if (gate.score === "nearest_center") {
    bytes("centers", 1);
    bytes("scales", 4);
    const { centers, scales } = arraysOf(gate);
    if (centers.length % scales.length !== 0) {
      refuse("centers", `as many numbers for each of the ${scales.length} scales, not ${centers.length}`);
    }
    if (!scales.every(Number.isFinite)) refuse("scales", "finite numbers");
  }
}

function unit(features: Float32Array): Float64Array {
  const values = Float64Array.from(features);
  let square = 0;
  for (const value of values) square += value * value;
  const length = Math.max(Math.sqrt(square), 1e-12);
  return values.map((value) => value / length);
}

function dot(one: ArrayLike<number>, other: ArrayLike<number>, offset: number): number {
  let sum = 0;
  for (let at = 0; at < one.length; at += 1) sum += one[at] * other[offset + at];
  return sum;
}

function widthError(gate: Gate, wanted: number, found: number): Error {
  return new BundleError(`decision.json: ${gate.score} of ${wanted} features, the model gives ${found}`, "decision.json");
}

function headScore(gate: Gate, spread: Spread, features: Float32Array): number {
  const { weights } = arraysOf(gate);
  const size = weights.length - 3;
  if (features.length !== size) throw widthError(gate, size, features.length);
  const plain = [spread.maxSoftmax, spread.energy, -spread.entropy];
  return dot(unit(features), weights, 0) + dot(plain, weights, size) + (gate.bias ?? 0);
}

function centerScore(gate: Gate, features: Float32Array): number {
  const { centers, scales } = arraysOf(gate);
  const size = centers.length / scales.length;
  if (features.length !== size) throw widthError(gate, size, features.length);
  const values = unit(features);
  let best = -Infinity;
  scales.forEach((scale, at) => (best = Math.max(best, dot(values, centers, at * size) * scale)));
  return best;
}

/** Higher is more known; null where the score looks at features and the model gives none. */
export function strangerScore(gate: Gate, spread: Spread, features: Float32Array | null): number | null {
  switch (gate.score) {
    case "max_softmax":
      return spread.maxSoftmax;
    case "energy":
      return spread.energy;
    case "entropy":
      return -spread.entropy;
    case "head":
      return features && headScore(gate, spread, features);
    case "nearest_center":
      return features && centerScore(gate, features);
    default:
      throw new BundleError(`decision.json: unknown score ${JSON.stringify(gate.score)}`, "decision.json");
  }
}
