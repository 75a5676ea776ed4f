/** From the page's folder to a loaded classifier: the module itself is asked for more than once, too. */

import type { Classifier, LoadOptions } from "./api";
import { pause } from "./download";
import { preload } from "./modules";

/** SRI digest of classifier.js, put in by build.mjs. */
declare const CLASSIFIER_INTEGRITY: string;

const WAITS = [500, 1500, 4500];

async function classifierModule(folder: string): Promise<typeof import("./classifier")> {
  for (const wait of [...WAITS, null]) {
    const url = `${folder}classifier.js${wait === WAITS[0] ? "" : `?again=${Date.now()}`}`;
    try {
      await preload(url, CLASSIFIER_INTEGRITY);
      return await import(url);
    } catch (error) {
      if (wait === null) throw Object.assign(error as Error, { code: "http" });
      await pause(wait);
    }
  }
  throw new Error("not reached");
}

/** Load the page's own bundle. */
export async function startClassifier(folder: string, options: LoadOptions): Promise<Classifier> {
  return (await classifierModule(folder)).load(folder, options);
}
