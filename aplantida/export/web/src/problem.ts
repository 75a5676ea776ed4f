/** What is said when something fails: a sentence in the visitor's language, and what can be done. */

import type { ErrorCode } from "./errors";
import type { TextKey } from "./texts";

/** A problem on show: it can be said again in the other language. */
export interface Problem {
  readonly key: TextKey;
  /** For whoever looks after the site, in English. */
  readonly detail: string;
  /** Whether the model is missing, so that trying again and repairing help. */
  readonly grave: boolean;
}

const GRAVE: Partial<Record<ErrorCode, TextKey>> = {
  offline: "offlineNow",
  http: "refused",
  altered: "notWhole",
  bundle: "notWhole",
  csp: "forbidden",
  wasm: "tooOld",
};
const OF_PHOTO: Partial<Record<ErrorCode, TextKey>> = {
  unreadable: "unreadable",
  unsupported_format: "unsupported",
  too_small: "tooSmall",
  too_large: "tooLarge",
};

/** Why the model is not here. */
export function loadProblem(error: Error): Problem {
  const { code } = error as { code?: ErrorCode };
  return { key: (code && GRAVE[code]) ?? "broken", detail: error.message, grave: true };
}

/** Why there is no answer for a photo. */
export function photoProblem(error: Error): Problem {
  const { code } = error as { code?: ErrorCode };
  const key = code && OF_PHOTO[code];
  return key ? { key, detail: "", grave: false } : { key: "looked", detail: error.message, grave: true };
}

/** Whether waiting may help, without anybody doing anything. */
export function passes(error: Error): boolean {
  return ["offline", "http", "altered", "bundle"].includes((error as { code?: string }).code ?? "");
}
