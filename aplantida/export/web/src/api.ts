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

/** The answer for one photo. */
export interface Prediction {
  /** Best first. */
  top: Candidate[];
  /** "unsure" when the best probability lies below the bundle's threshold. */
  decision: "species" | "unsure";
  /** From decoded photo to answer. */
  milliseconds: number;
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

export interface ClassifyOptions {
  /** Ends the wait with an `AbortError`; a photo whose turn has not come is never looked at. */
  signal?: AbortSignal;
  /** Called before the answer with a small JPEG of the photo, so that the page need not decode the large one. */
  onPreview?: (preview: Blob) => void;
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
  /** Where the work is done. */
  readonly thread: "worker" | "main";
  /** The `k` likeliest species, 5 when not given. Photos wait their turn. */
  classify(photo: Photo, k?: number, options?: ClassifyOptions): Promise<Prediction>;
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
