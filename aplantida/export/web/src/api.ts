/**
 * The classifier of a model bundle, for any page:
 *
 *     import { load } from "./models/demo_v1.0/classifier.js";
 *     const classifier = await load("./models/demo_v1.0/");
 *     const { top, decision } = await classifier.classify(document.querySelector("img"), 5);
 */

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

/**
 * What a photo may come as: a JPEG, PNG or WebP, or what was drawn or decoded before. Of a file the EXIF orientation
 * counts; its color profile, or the color space of what was drawn (a canvas, say), is taken to sRGB.
 */
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

/**
 * What is said of a photo. Rules are asked in this order, and the first that holds decides: it looks like no plant; like
 * a plant of no species of ours; the species, its genus or its family is likely enough; a few species together are.
 */
export type Outcome = "not_a_plant" | "unknown" | "species" | "genus" | "family" | "set" | "unsure";

export interface Answer {
  decision: Outcome;
  /** The rule that decided: plant_score, known_score, species_threshold, genus_threshold, …, set_0.9, none. */
  rule: string;
  /** The species, genus or family that is named; null for the rest. */
  taxon: string | null;
  /** Of `taxon`, calibrated, 0..1. */
  probability: number | null;
  /** Of a "set": it is one of the first so many of `top`. */
  set_size: number | null;
}

/** The answer for one photo, or for several of one plant. */
export interface Prediction extends Answer {
  /** Best first. */
  top: Candidate[];
  /** From decoded photo to answer. */
  milliseconds: number;
}

/**
 * What the model makes of one photo: numbers that an answer is made of, and another, for another place say, without the
 * photo. It may be kept, and copied by the structured clone.
 */
export interface PhotoOutputs {
  /** Raw outputs, one a species, in the order of `scientificNames`. */
  readonly logits: Float32Array;
  /** Pooled features; null where the model gives none. */
  readonly features: Float32Array | null;
  /** From decoded photo to outputs. */
  readonly milliseconds: number;
  /** `digest` of the classifier that looked: no other decides by them. */
  readonly digest: string;
}

export interface LoadOptions {
  /** Called while the weights arrive, with bytes so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
  /** Ends the loading with an `AbortError`. */
  signal?: AbortSignal;
  /** false: work on the thread of the caller, which then stands still for each photo. A worker when not given. */
  worker?: boolean;
  /** false: keep nothing in Cache Storage, because the app keeps the files of `precache()` itself. */
  keep?: boolean;
}

export interface LookOptions {
  /** Ends the wait with an `AbortError`; a photo whose turn has not come is never looked at. */
  signal?: AbortSignal;
  /**
   * Called before the answer with a small JPEG of each photo and its place in the list, so that the page need not
   * decode the large one.
   */
  onPreview?: (preview: Blob, at: number) => void;
}

export interface DecideOptions {
  /** Ends the wait with an `AbortError`. */
  signal?: AbortSignal;
  /** Where the plant grows, one of `places`: species not known to live there become less likely. Nowhere when not given. */
  place?: string | null;
}

export type ClassifyOptions = LookOptions & DecideOptions;

export interface Classifier {
  readonly name: string;
  readonly version: string;
  /** sha256 of bundle.json. */
  readonly digest: string;
  /** The region whose plants alone are named; null for a model that names all it learned. */
  readonly region: string | null;
  /** Names of the bundle's files, without bundle.json. */
  readonly files: readonly string[];
  /** Scientific names in the order of the logits. */
  readonly scientificNames: readonly string[];
  /** Regions and countries (ISO 3166-1 codes) that species are known to live in, sorted: what `place` may be. */
  readonly places: readonly string[];
  /** A species below this probability is not named. */
  readonly threshold: number;
  /** Where the work is done. */
  readonly thread: "worker" | "main";
  /**
   * The `k` likeliest species, 5 when not given, and what is said. Several photos are of one plant, and give one answer
   * together. Photos wait their turn.
   */
  classify(photo: Photo | readonly Photo[], k?: number, options?: ClassifyOptions): Promise<Prediction>;
  /** The first half of `classify`: look at a photo, or at several. It is what takes time. */
  outputs(photo: Photo | readonly Photo[], options?: LookOptions): Promise<PhotoOutputs[]>;
  /**
   * The other half: what `classify` says, of outputs of one photo or several of one plant. The model is not run, so
   * another place, or one more photo of the plant, is another answer at once.
   */
  decide(outputs: PhotoOutputs | readonly PhotoOutputs[], k?: number, options?: DecideOptions): Promise<Prediction>;
  /** The model's raw outputs for a photo. */
  logits(photo: Photo): Promise<Float32Array>;
  /** The model's input for a photo: `image_size` x `image_size` x RGB, 0..255. */
  prepare(photo: Photo): Promise<Float32Array>;
  /** The model's raw outputs for an input such as `prepare` gives. */
  logitsOfInput(input: Float32Array): Promise<Float32Array>;
  /** Whose photos of a species the model has seen, out of a small file of the bundle; null when of nobody. */
  credits(scientificName: string): Promise<SpeciesCredits | null>;
  /** A file of the bundle, checked. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Free the model and its worker; what still waits fails with "disposed". */
  dispose(): void;
}

/** What this browser keeps of a bundle. */
export interface Status {
  /** sha256 of bundle.json; null when it was neither reached nor kept. */
  readonly digest: string | null;
  /** Whether a photo can be named without a connection. */
  readonly whole: boolean;
  /** The files that an answer needs. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly state: "whole" | "bad" | "missing" }[];
  /** Why something could not be kept: "quota" when there is no room, "unavailable" without Cache Storage. */
  readonly trouble: "quota" | "unavailable" | null;
  /** Bytes that this site has stored and may store, as the browser estimates them. */
  readonly usage: number | null;
  readonly quota: number | null;
  /** Whether the browser promised not to evict them. */
  readonly persisted: boolean;
}

/** A file that an app's own service worker is to keep, as workbox-precaching has it. */
export interface PrecacheEntry {
  readonly url: string;
  /** null where the address changes with the content. */
  readonly revision: string | null;
  /** Subresource Integrity's spelling of the file's sha256: other bytes are not kept, and a lost entry is put back. */
  readonly integrity: string;
}
