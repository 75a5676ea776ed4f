/**
 * The classifier of a model bundle, for any page:
 *
 *     import { load } from "./models/demo_v1.0/classifier.js";
 *     const classifier = await load("./models/demo_v1.0/");
 *     const { top, decision } = await classifier.classify(document.querySelector("img"), 5);
 */

import type { ReadOptions } from "./bundle";
import { open } from "./core";
import { Credits } from "./credits";
import { decide, fuse, type Outputs } from "./decide";
import { withPixels } from "./decode";
import { prepare } from "./preprocess";

/** Photos of one species under one licence from one place. */
export interface CreditGroup {
  /** SPDX id. */
  readonly license: string;
  /** Address of the licence's text. */
  readonly licenseUrl: string | null;
  /** Where the photos were published. */
  readonly source: string;
  /** Who took how many of them, most first; null when the collection does not say. */
  readonly authors: readonly { readonly name: string | null; readonly photos: number }[];
}

/** Where every photo is listed with its address. */
export interface FullList {
  /** null when it is not published: then `file` of the model's `license_report`. */
  readonly url: string | null;
  readonly file: string;
  /** Digest of that artifact. */
  readonly license_report: string;
}

export interface SpeciesCredits {
  readonly groups: readonly CreditGroup[];
  readonly fullList: FullList;
}

/** What a photo may come as. Of a Blob (a File, say) the EXIF orientation counts, the color profile does not. */
export type Photo =
  | Blob
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | HTMLVideoElement
  | ImageData;

/** One named possibility. */
export interface Candidate {
  scientific_name: string;
  common_names: readonly string[];
  family: string | null;
  /** Calibrated, 0..1. */
  probability: number;
}

/** What is said of a photo; see evaluation/decide.py for the order in which it is asked. */
export type Outcome = "not_a_plant" | "unknown" | "species" | "genus" | "family" | "set" | "unsure";

export interface Answer {
  /** "species", "genus", "family": `taxon` is named. "set": one of the first `set_size`. "unknown": another plant. */
  decision: Outcome;
  /** The rule that decided: plant_score, known_score, species_threshold, genus_threshold, …, set_0.9, none. */
  rule: string;
  taxon: string | null;
  /** Of `taxon`, calibrated, 0..1. */
  probability: number | null;
  set_size: number | null;
}

/** The answer for one photo, or for several of one plant. */
export interface Prediction extends Answer {
  /** Best first. */
  top: Candidate[];
  /** From decoded photo to answer. */
  milliseconds: number;
}

export interface LoadOptions {
  /** Called while the weights arrive, with bytes so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
  /** Folder of the .wasm files; the bundle's own when not given. */
  wasmPath?: string;
}

export interface Classifier {
  readonly name: string;
  readonly version: string;
  /** sha256 of bundle.json. */
  readonly digest: string;
  /** Names of the bundle's files, without bundle.json. */
  readonly files: readonly string[];
  /** Scientific names in the order of the logits. */
  readonly scientificNames: readonly string[];
  /** Below this probability the answer is "unsure". */
  readonly threshold: number;
  /** The `k` likeliest species, 5 when not given; several photos are of one plant; `place`: where. */
  classify(photo: Photo | readonly Photo[], k?: number, place?: string | null): Promise<Prediction>;
  /** Regions and countries (ISO codes) that species are known to live in: what `place` may be. */
  readonly places: readonly string[];
  /** The model's raw outputs for a photo. */
  logits(photo: Photo): Promise<Float32Array>;
  /** The model's input for a photo: `image_size` x `image_size` x RGB, 0..255. */
  prepare(photo: Photo): Promise<Float32Array>;
  /** The model's raw outputs for an input such as `prepare` gives. */
  logitsOfInput(input: Float32Array): Float32Array;
  /** Whose photos of a species the model has seen, out of a small file of the bundle; null when of nobody. */
  credits(scientificName: string): Promise<SpeciesCredits | null>;
  dispose(): void;
}

/** Read the body as it comes: progress, and no wait on a connection that the browser keeps for a later file. */
async function readBody(
  response: Response,
  onBytes: (loaded: number) => void = () => undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array(await response.arrayBuffer());
  const parts: Uint8Array[] = [];
  let loaded = 0;
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    parts.push(step.value);
    loaded += step.value.length;
    onBytes(loaded);
  }
  const bytes = new Uint8Array(loaded);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/**
 * Load the bundle at `url` (a folder; relative to the page).
 *
 * @throws Error naming the file that is missing, altered or not understood.
 */
export async function load(url: string, options: LoadOptions = {}): Promise<Classifier> {
  const folder = new URL(url.endsWith("/") ? url : `${url}/`, document.baseURI);
  const readFile = async (name: string, { fresh = false, onBytes }: ReadOptions) => {
    const response = await fetch(new URL(name, folder), { cache: fresh ? "no-cache" : "default" });
    if (!response.ok) throw new Error(`${name}: HTTP ${response.status}`);
    return readBody(response, onBytes);
  };
  const parts = await open(readFile, options.wasmPath ?? folder.href, options.onProgress);
  const { bundle, classes, decision, model, preprocessing } = parts;
  const credits = new Credits(bundle);
  const places = new Map(classes.map((plant, place) => [plant.class_id, place]));
  const input = (photo: Photo) => withPixels(photo, (source) => prepare(source, preprocessing));
  return {
    name: bundle.manifest.name,
    version: bundle.manifest.version,
    digest: bundle.digest,
    files: Object.keys(bundle.manifest.files),
    scientificNames: classes.map((plant) => plant.class_id),
    threshold: decision.threshold,
    prepare: input,
    logitsOfInput: (values) => model.logits(values),
    logits: async (photo) => model.logits(await input(photo)),
    places: [...new Set(classes.flatMap((plant) => [...(plant.regions ?? []), ...(plant.distribution ?? [])]))].sort(),
    async classify(photo, k = 5, place = null) {
      const photos = Array.isArray(photo) ? (photo as readonly Photo[]) : [photo as Photo];
      if (photos.length === 0) throw new Error("classify: no photo given");
      const found: Outputs[] = [];
      let milliseconds = 0;
      for (const one of photos) {
        await withPixels(one, (source) => {
          const start = performance.now();
          found.push(model.outputs(prepare(source, preprocessing)));
          milliseconds += performance.now() - start;
        });
      }
      const start = performance.now();
      const answer = decide(fuse(found), classes, decision, k, place);
      return { ...answer, milliseconds: milliseconds + performance.now() - start };
    },
    async credits(scientificName) {
      const place = places.get(scientificName);
      return place === undefined ? null : credits.of(scientificName, place);
    },
    dispose: () => model.dispose(),
  };
}
