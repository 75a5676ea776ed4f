/** What may go wrong with a bundle, in one class whose `code` says what to do. */

/** What went wrong, and so what to do. */
export type ErrorCode =
  /** The server was not reached: try again with a connection. */
  | "offline"
  /** The server refuses a file or has none: the message has the status. Try again later, or mend the deployment. */
  | "http"
  /** A file is not the one that bundle.json lists, wherever it was asked for. A half-done deployment, or a broken one. */
  | "altered"
  /** A file is not understood: of another format, or it does not fit the others. */
  | "bundle"
  /** The page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src. */
  | "csp"
  /** This browser does not run WebAssembly. */
  | "wasm"
  /** The worker ended, for want of memory say: load again. Or a canvas does not give back what is drawn on it. */
  | "worker"
  /** The file is a JPEG, PNG or WebP that cannot be decoded, or it can no longer be read. */
  | "unreadable"
  /** The file is no JPEG, PNG or WebP. */
  | "unsupported_format"
  /** The photo has a side of fewer than 32 pixels. */
  | "too_small"
  /** The photo has more than 100 million pixels. */
  | "too_large"
  /** An argument is out of its range. */
  | "argument"
  /** The classifier was disposed of. */
  | "disposed";

/** Every error of this module, but for the `AbortError` of a `signal`. */
export class AplantidaError extends Error {
  override name = "AplantidaError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    /** The bundle's file that it is about. */
    readonly file?: string,
  ) {
    super(message);
  }
}
