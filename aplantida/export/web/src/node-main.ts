/**
 * The classifier as a long-running program: `node predict-node.cjs BUNDLE`.
 *
 * Requests and answers are frames on standard input and output: two little-endian uint32 (length of the JSON, length
 * of the payload), the JSON, the payload. The first answer says whether the bundle could be read.
 *
 *     {"op": "classify", "width": W, "height": H, "k": 5} + W*H*3 bytes RGB  -> {"top": …, "decision": …}
 *     {"op": "outputs", "width": W, "height": H}  + W*H*3 bytes RGB  -> {"num_features": F} + float32 logits, features
 *     {"op": "decide", "num_features": F, "k": 5} + such outputs of photos of one plant    -> {"top": …, "decision": …}
 *     {"op": "logits", "width": W, "height": H}           + W*H*3 bytes RGB  -> {} + float32 logits
 *     {"op": "prepare", "width": W, "height": H}          + W*H*3 bytes RGB  -> {} + float32 input
 *     {"op": "logits_of_input"}                           + float32 input    -> {} + float32 logits
 */

import { readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Bundle, checked } from "./bundle";
import { logitsOf, open, outputsOf, type Parts } from "./core";
import { checkedCount } from "./count";
import { decide, fuse, type Outputs } from "./decide";
import { MANIFEST, type FileEntry } from "./files";
import { checkPlace, placesOf } from "./places";
import { prepare } from "./preprocess";
import type { PixelSource } from "./resize";

const INPUT = 0;
const OUTPUT = 1;

interface Request {
  op: "classify" | "outputs" | "decide" | "logits" | "prepare" | "logits_of_input";
  width: number;
  height: number;
  k: number;
  num_features: number;
  place?: string | null;
}

interface Answer {
  header: unknown;
  payload?: Uint8Array;
}

/** Exactly `length` bytes, or null when the input ends before the first. */
function readExactly(length: number): Uint8Array<ArrayBuffer> | null {
  const buffer = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(INPUT, buffer, filled, length - filled, null);
    if (count === 0) {
      if (filled === 0) return null;
      throw new Error(`the input ended after ${filled} of ${length} bytes`);
    }
    filled += count;
  }
  return buffer;
}

function writeAll(bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(OUTPUT, bytes, written, bytes.length - written);
}

function send({ header, payload = new Uint8Array(0) }: Answer): void {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const lengths = new DataView(new ArrayBuffer(8));
  lengths.setUint32(0, json.length, true);
  lengths.setUint32(4, payload.length, true);
  writeAll(new Uint8Array(lengths.buffer));
  writeAll(json);
  writeAll(payload);
}

function receive(): { request: Request; payload: Uint8Array<ArrayBuffer> } | null {
  const lengths = readExactly(8);
  if (lengths === null) return null;
  const view = new DataView(lengths.buffer);
  const json = readExactly(view.getUint32(0, true));
  const payload = readExactly(view.getUint32(4, true));
  return { request: JSON.parse(new TextDecoder().decode(json!)), payload: payload! };
}

async function readChecked(folder: string, name: string, entry: FileEntry): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(readFileSync(join(folder, name)));
  return checked(name, bytes, entry);
}

function sourceOf({ width, height }: Request, pixels: Uint8Array): PixelSource {
  if (pixels.length !== width * height * 3) {
    throw new RangeError(`${pixels.length} bytes are not ${width}x${height} RGB pixels`);
  }
  const rows = (top: number, count: number) => pixels.subarray(top * width * 3, (top + count) * width * 3);
  return { width, height, channels: 3, rows };
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** What `outputs` gave for one or more photos, one after the other. */
function given(parts: Parts, { num_features: size }: Request, payload: Uint8Array<ArrayBuffer>): Outputs[] {
  const values = new Float32Array(payload.buffer);
  const width = parts.classes.length + size;
  if (values.length === 0 || values.length % width !== 0) {
    throw new RangeError(`${values.length} numbers are not photos of ${width}`);
  }
  return Array.from({ length: values.length / width }, (_, row) => {
    const photo = values.subarray(row * width, (row + 1) * width);
    const features = size > 0 ? photo.subarray(parts.classes.length) : null;
    return { logits: photo.subarray(0, parts.classes.length), features };
  });
}

/** The place that a request gives, null for none; the refusal of another names those that are known. */
function checkedPlace({ classes }: Parts, { place = null }: Request): string | null {
  if (place === null) return null;
  const places = placesOf(classes);
  try {
    checkPlace(place, places);
  } catch (error) {
    throw new Error(`${(error as Error).message}; places are ${places.join(", ") || "none"}`);
  }
  return place;
}

function answer(parts: Parts, request: Request, payload: Uint8Array<ArrayBuffer>): Answer {
  switch (request.op) {
    case "classify": {
      const k = checkedCount(request.k);
      const place = checkedPlace(parts, request);
      const outputs = outputsOf(parts, sourceOf(request, payload));
      return { header: decide(outputs, parts.classes, parts.decision, k, place) };
    }
    case "outputs": {
      const { logits, features } = outputsOf(parts, sourceOf(request, payload));
      const both = Float32Array.from([...logits, ...(features ?? [])]);
      return { header: { num_features: features?.length ?? 0 }, payload: bytesOf(both) };
    }
    case "decide": {
      const k = checkedCount(request.k);
      const place = checkedPlace(parts, request);
      const outputs = fuse(given(parts, request, payload));
      return { header: decide(outputs, parts.classes, parts.decision, k, place) };
    }
    case "logits":
      return { header: {}, payload: bytesOf(logitsOf(parts, sourceOf(request, payload))) };
    case "prepare":
      return { header: {}, payload: bytesOf(prepare(sourceOf(request, payload), parts.preprocessing)) };
    case "logits_of_input":
      return { header: {}, payload: bytesOf(parts.model.logits(new Float32Array(payload.buffer))) };
    default:
      throw new Error(`unknown op ${JSON.stringify(request.op)}`);
  }
}

async function main([folder]: string[]): Promise<void> {
  console.log = console.info = console.debug = console.error;
  let parts: Parts;
  try {
    const manifest = new Uint8Array(readFileSync(join(folder, MANIFEST)));
    parts = await open(await Bundle.open(manifest, { file: (name, entry) => readChecked(folder, name, entry) }));
  } catch (error) {
    send({ header: { error: (error as Error).message } });
    return;
  }
  const { bundle, classes, decision, preprocessing } = parts;
  send({
    header: {
      name: bundle.manifest.name,
      version: bundle.manifest.version,
      digest: bundle.digest,
      class_ids: classes.map((plant) => plant.class_id),
      image_size: preprocessing.image_size,
      temperature: decision.temperature,
      threshold: decision.threshold,
    },
  });
  for (let message = receive(); message !== null; message = receive()) {
    try {
      send(answer(parts, message.request, message.payload));
    } catch (error) {
      send({ header: { error: (error as Error).message } });
    }
  }
}

void main(process.argv.slice(2));
