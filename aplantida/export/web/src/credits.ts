/** Whose photos of a species the model has seen, out of the bundle's `credits/` folder. */

import { BundleError, type Bundle } from "./bundle";
import type { FullList, SpeciesCredits } from "./api";

interface Index {
  readonly format: string;
  readonly species_per_file: number;
  readonly licenses: Readonly<Record<string, string | null>>;
  readonly full_list: FullList;
}

type Packed = [license: string, source: string, authors: (string | null)[], photos: number[]][];

const FORMAT = "aplantida.credits/1";
const INDEX = "credits/index.json";

function inflated(bytes: Uint8Array<ArrayBuffer>): Response {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
}

/** Reads the credits of a bundle, each file once and only when it is asked for. */
export class Credits {
  private readonly files = new Map<string, Promise<any>>();

  constructor(private readonly bundle: Bundle) {}

  /**
   * The credits of a species.
   *
   * @param place of the species among the bundle's classes
   * @returns null when the bundle has no photo of it to credit
   * @throws BundleError when a file was altered; TypeError when it can neither be fetched nor was kept
   */
  async of(name: string, place: number): Promise<SpeciesCredits | null> {
    if (!(INDEX in this.bundle.manifest.files)) return null;
    const index: Index = await this.once(INDEX, (bytes) => new Response(bytes));
    const number = String(Math.floor(place / index.species_per_file)).padStart(5, "0");
    const file = `credits/species-${number}.bin`;
    if (!(file in this.bundle.manifest.files)) return null;
    const { species }: { species: [string, Packed][] } = await this.once(file, inflated);
    const packed = species.find(([other]) => other === name)?.[1];
    if (!packed) return null;
    const groups = packed.map(([license, source, authors, photos]) => ({
      license,
      licenseUrl: index.licenses[license] ?? null,
      source,
      authors: authors.map((author, at) => ({ name: author, photos: photos[at] })),
    }));
    return { groups, fullList: index.full_list };
  }

  /** The file's JSON; what could not be read is tried again when asked for again. */
  private once(file: string, open: (bytes: Uint8Array<ArrayBuffer>) => Response): Promise<any> {
    const known = this.files.get(file) ?? this.read(file, open);
    this.files.set(file, known);
    known.catch(() => this.files.delete(file));
    return known;
  }

  private async read(file: string, open: (bytes: Uint8Array<ArrayBuffer>) => Response): Promise<any> {
    const content = await open(await this.bundle.read(file)).json();
    if (content.format === FORMAT) return content;
    throw new BundleError(`${file}: format ${JSON.stringify(content.format)}, want "${FORMAT}"`);
  }
}
