/** What a page and its engine say to each other, over a worker or a channel. */

import type { BundleManifest } from "./bundle";
import type { PhotoOutputs, Prediction } from "./api";
import type { ErrorCode } from "./errors";

/** Raised when the messages change: an engine of another bundle's state is refused, not misunderstood. */
export const PROTOCOL = 3;
/** Tells an engine that it is alone in a worker of its own. */
export const WORKER_NAME = "aplantida-engine";

/** What an engine can look at: files are decoded there, what only a page can hold comes as a bitmap. */
export type Given = Blob | ImageBitmap | ImageData;

export type Order =
  | {
      readonly op: "open";
      readonly protocol: number;
      readonly manifest: BundleManifest;
      readonly digest: string;
      readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
    }
  | {
      readonly op: "classify";
      /** One or more, all of one plant. */
      readonly photos: readonly Given[];
      readonly k: number;
      readonly place: string | null;
      readonly preview: boolean;
    }
  | { readonly op: "outputs"; readonly photos: readonly Given[]; readonly preview: boolean }
  | {
      readonly op: "decide";
      /** Of one photo or more, all of one plant. */
      readonly outputs: readonly PhotoOutputs[];
      readonly k: number;
      readonly place: string | null;
    }
  | { readonly op: "logits" | "prepare"; readonly photo: Given }
  | { readonly op: "logitsOfInput"; readonly input: Float32Array };

/** `cancel` is the number of an order that nobody waits for any more. */
export type ToEngine = ({ readonly id: number } & Order) | { readonly cancel: number } | { readonly dispose: true };

/** What `open` answers. */
export interface Opened {
  /** Joined by line feeds, which is read many times faster than an array. */
  readonly names: string;
  /** Likewise; empty where nothing is known of where species live. */
  readonly places: string;
  readonly threshold: number;
}

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly file?: string;
}

export type FromEngine =
  | { readonly id: number; readonly preview: Blob; readonly at: number }
  | { readonly id: number; readonly result: Opened | Prediction | PhotoOutputs[] | Float32Array }
  | { readonly id: number; readonly failure: Failure };

/** An end of the line: a Worker, a worker's own scope, or a MessagePort. */
export interface Line {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}
