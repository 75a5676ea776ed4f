/** A model bundle's files, each checked against the digest that bundle.json gives for it. */

import { AplantidaError, type ErrorCode } from "./errors";
import { MANIFEST, type FileEntry, type Files } from "./files";
import type { Preprocessing } from "./preprocess";
import type { Gate } from "./stranger";
import { sha256 } from "./sha256";

/** bundle.json. */
export interface BundleManifest {
  readonly format: string;
  readonly name: string;
  readonly version: string;
  /** Where only the species of a region are named. */
  readonly region?: string;
  readonly files: Files;
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

/** Where a bundle's bytes come from: HTTP and what is kept in a page, the disk in Node. */
export interface Source {
  /** The file's bytes, checked; `onBytes` hears how many there are so far. */
  file(name: string, entry: FileEntry, onBytes?: (loaded: number) => void): Promise<Uint8Array<ArrayBuffer>>;
}

/** A bundle that is not what it says: a file is missing, altered or of an unknown format. */
export class BundleError extends AplantidaError {
  constructor(message: string, file?: string, code: ErrorCode = "bundle") {
    super(code, message, file);
  }
}

/** The error for bytes that are not the published ones. */
export function altered(name: string, found: string, entry: FileEntry): BundleError {
  return new BundleError(`${name} was altered: its sha256 is ${found}, bundle.json says ${entry.sha256}`, name, "altered");
}

const BUNDLE_FORMAT = "aplantida.bundle/1";
const CLASSES_FORMAT = "aplantida.class_index/1";

function parse(name: string, bytes: Uint8Array): any {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new BundleError(`${name} is not JSON: ${(error as Error).message}`, name);
  }
}

/** The bytes, when they are the published ones. */
export async function checked(
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  entry: FileEntry,
): Promise<Uint8Array<ArrayBuffer>> {
  const found = await sha256(bytes);
  if (found === entry.sha256) return bytes;
  throw altered(name, found, entry);
}

/** What bundle.json says. */
export function parseManifest(bytes: Uint8Array): BundleManifest {
  const manifest = parse(MANIFEST, bytes);
  if (manifest?.format !== BUNDLE_FORMAT) {
    throw new BundleError(`bundle.json: format ${JSON.stringify(manifest?.format)}, want "${BUNDLE_FORMAT}"`, MANIFEST);
  }
  if (typeof manifest.files !== "object") throw new BundleError("bundle.json lists no files", MANIFEST);
  return manifest;
}

/** A bundle whose bundle.json has been read. */
export class Bundle {
  constructor(
    readonly manifest: BundleManifest,
    /** sha256 of bundle.json: the identity of everything it lists. */
    readonly digest: string,
    private readonly source: Source,
  ) {}

  static async open(manifest: Uint8Array<ArrayBuffer>, source: Source): Promise<Bundle> {
    return new Bundle(parseManifest(manifest), await sha256(manifest), source);
  }

  /** The file's bytes, which are known to be the published ones. */
  async read(name: string, onBytes?: (loaded: number) => void): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.manifest.files[name];
    if (!entry) throw new BundleError(`bundle.json does not list ${name}`, name);
    return this.source.file(name, entry, onBytes);
  }

  async readJson(name: string): Promise<any> {
    return parse(name, await this.read(name));
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
