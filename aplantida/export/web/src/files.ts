/** Which of a bundle's files are needed for what, and where they are asked for. */

/** One entry of bundle.json. */
export interface FileEntry {
  readonly bytes: number;
  readonly sha256: string;
}

export type Files = Readonly<Record<string, FileEntry>>;

export const MANIFEST = "bundle.json";
/** The program behind the classifier: a worker's script, which the main thread can import as well. */
export const ENGINE = "engine.js";
export const INDEX = "index.html";
/** Without these the page does not open. */
export const SHELL = [INDEX, "app.js", "classifier.js"] as const;
/** These the page shows, and works without. */
export const EXTRAS = [
  "style.css",
  "icon.svg",
  "manifest.webmanifest",
  "attributions.html",
  "LICENSE-MODEL.md",
  "THIRD_PARTY.html",
] as const;

const SIMD = "tfjs-backend-wasm-simd.wasm";
const PLAIN = "tfjs-backend-wasm.wasm";

/** The smallest module that uses SIMD instructions (i8x16.splat, i8x16.popcnt), to be validated and never run. */
const SIMD_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

/** The WebAssembly file that this platform runs. */
export function wasmFile(): string {
  const simd = typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(SIMD_PROBE));
  return simd ? SIMD : PLAIN;
}

/** What an answer needs, the smallest first; names that the bundle should have and lacks are among them. */
export function answerFiles(files: Files): string[] {
  const model = Object.keys(files).filter((name) => name.startsWith("model/"));
  const wanted = ["decision.json", "preprocessing.json", "classes.json", ENGINE, wasmFile(), "model/model.json", ...model];
  return [...new Set(wanted)];
}

/**
 * Where a file is asked for, in this order: under an address that changes with its content, the same past HTTP's
 * cache, then twice under addresses that no cache has seen. The last spells the dot in another way, which servers
 * read alike and caches that go by the path do not.
 */
export function* sources(folder: string, name: string, sha256: string | null): Generator<[string, RequestCache]> {
  const url = new URL(name, folder).href;
  if (sha256) {
    const stable = `${url}?h=${sha256.slice(0, 16)}`;
    yield [stable, "default"];
    yield [stable, "reload"];
  } else {
    yield [url, "no-cache"];
  }
  const unseen = () => `again=${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
  yield [`${url}?${unseen()}`, "no-store"];
  yield [`${url.replace(/\.(?=[^./]*$)/, "%2E")}?${unseen()}`, "no-store"];
}
