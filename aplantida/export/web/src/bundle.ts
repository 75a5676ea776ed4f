/** A model bundle's files, each checked against the digest that bundle.json gives for it. */

import type { Preprocessing } from "./preprocess";
import type { Gate } from "./stranger";
import { sha256 } from "./sha256";

/** bundle.json. */
export interface BundleManifest {
  readonly format: string;
  readonly name: string;
  readonly version: string;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

/** decision.json: what turns logits into probabilities and probabilities into an answer. */
export interface Decision {
  readonly format: string;
  readonly temperature: number;
  readonly threshold: number;
  /** Since version 2: what comes after the species, and before it. */
  readonly roll_up?: Readonly<Record<"genus" | "family", { readonly threshold: number | null }>>;
  readonly sets: {
    readonly method: "lac" | "aps" | "raps";
    readonly penalty: number;
    readonly max_size: number;
    readonly levels: readonly { readonly level: number; readonly threshold: number }[];
  };
  /** By region, where a visitor chose it. */
  readonly temperatures?: Readonly<Record<string, number>>;
  readonly region_prior?: { readonly floor: number };
  readonly strangers: { readonly plant: Gate | null; readonly known: Gate | null };
}

/** One entry of classes.json, in the order of the model's outputs. */
export interface PlantClass {
  readonly class_id: string;
  readonly common_names: readonly string[];
  readonly family: string | null;
  readonly genus?: string | null;
  readonly regions?: readonly string[];
  readonly distribution?: readonly string[];
}

/** How to read a file: past any cache when `fresh`. */
export interface ReadOptions {
  readonly fresh?: boolean;
  readonly onBytes?: (loaded: number) => void;
}

/** Where a bundle's bytes come from: HTTP in a page, the disk in Node. */
export type ReadFile = (name: string, options: ReadOptions) => Promise<Uint8Array<ArrayBuffer>>;

/** A bundle that is not what it says: a file is missing, altered or of an unknown format. */
export class BundleError extends Error {
  override name = "BundleError";
}

const BUNDLE_FORMAT = "aplantida.bundle/1";
const DECISION_FORMATS = ["aplantida.decision/1", "aplantida.decision/2"];
const CLASSES_FORMAT = "aplantida.class_index/1";

function parse(name: string, bytes: Uint8Array): any {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new BundleError(`${name} is not JSON: ${(error as Error).message}`);
  }
}

/** A bundle whose bundle.json has been read. */
export class Bundle {
  private constructor(
    readonly manifest: BundleManifest,
    /** sha256 of bundle.json: the identity of everything it lists. */
    readonly digest: string,
    private readonly readFile: ReadFile,
  ) {}

  static async open(readFile: ReadFile): Promise<Bundle> {
    const bytes = await readFile("bundle.json", { fresh: true });
    const manifest = parse("bundle.json", bytes);
    if (manifest.format !== BUNDLE_FORMAT) {
      throw new BundleError(`bundle.json: format ${JSON.stringify(manifest.format)}, want "${BUNDLE_FORMAT}"`);
    }
    return new Bundle(manifest, await sha256(bytes), readFile);
  }

  /** The file's bytes, once they are known to be the published ones; a stale cached copy is read again. */
  async read(name: string, onBytes?: (loaded: number) => void): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.manifest.files[name];
    if (!entry) throw new BundleError(`bundle.json does not list ${name}`);
    let found = "";
    for (const fresh of [false, true]) {
      const bytes = await this.readFile(name, { fresh, onBytes });
      found = await sha256(bytes);
      if (found === entry.sha256) return bytes;
    }
    throw new BundleError(`${name} was altered: its sha256 is ${found}, bundle.json says ${entry.sha256}`);
  }

  async readJson(name: string): Promise<any> {
    return parse(name, await this.read(name));
  }

  async decision(): Promise<Decision> {
    const decision = await this.readJson("decision.json");
    if (!DECISION_FORMATS.includes(decision.format)) {
      const wanted = DECISION_FORMATS.map((format) => JSON.stringify(format)).join(" or ");
      throw new BundleError(`decision.json: format ${JSON.stringify(decision.format)}, want ${wanted}`);
    }
    if (!(decision.temperature > 0)) {
      throw new BundleError(`decision.json: temperature ${decision.temperature}, want a positive number`);
    }
    if (typeof decision.threshold !== "number") {
      throw new BundleError(`decision.json: threshold ${decision.threshold}, want a number`);
    }
    return decision;
  }

  async classes(): Promise<PlantClass[]> {
    const index = await this.readJson("classes.json");
    if (index.format !== CLASSES_FORMAT) {
      throw new BundleError(`classes.json: format ${JSON.stringify(index.format)}, want "${CLASSES_FORMAT}"`);
    }
    return index.classes;
  }

  async preprocessing(): Promise<Preprocessing> {
    return this.readJson("preprocessing.json");
  }
}
