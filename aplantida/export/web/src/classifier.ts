import type {
  Classifier,
  ClassifyOptions,
  DecideOptions,
  LoadOptions,
  LookOptions,
  Photo,
  PhotoOutputs,
  PrecacheEntry,
  Status,
} from "./api";
import { Bundle, type BundleManifest } from "./bundle";
import { stopIfAborted } from "./cancel";
import { checkedCount } from "./count";
import { checkedOutputs } from "./outputs";
import { checkPlace } from "./places";
import { Credits } from "./credits";
import { pause } from "./download";
import { candidates, known } from "./editions";
import { AplantidaError } from "./errors";
import { answerFiles, ENGINE, MANIFEST, sources } from "./files";
import { folderOf } from "./folder";
import { allGiven, letGo, transferred } from "./given";
import type { Link } from "./link";
import { integrityOf } from "./modules";
import { PROTOCOL, type Given, type Opened, type Order } from "./protocol";
import { HttpSource, mended, publishedEdition, type Edition } from "./source";
import { startEngine } from "./start";
import { Store } from "./store";
import { clearFolder, tidyUp } from "./tidy";

export type * from "./api";
export * from "./errors";

/** Waits for a deployment that is half done, milliseconds. */
const DEPLOYMENT = [1000, 3000];
/** What another edition, or the same a little later, may mend. */
const MENDABLE = new Set(["offline", "http", "altered", "bundle"]);

function isWeights(name: string): boolean {
  return name.startsWith("model/") && !name.endsWith(".json");
}

/** Read what an answer needs, all at once; how much of the weights has come is told. */
async function answerBytes(
  bundle: Bundle,
  onProgress: (loaded: number, total: number) => void = () => undefined,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const { files } = bundle.manifest;
  const names = answerFiles(files).filter((name) => name !== ENGINE);
  const total = names.filter(isWeights).reduce((sum, name) => sum + (files[name]?.bytes ?? 0), 0);
  const loaded = new Map<string, number>();
  const tell = (bytes: number) => {
    try {
      onProgress(bytes, total);
    } catch (error) {
      setTimeout(() => {
        throw error; // an error of the page, and none of the download
      });
    }
  };
  const read = async (name: string): Promise<[string, Uint8Array<ArrayBuffer>]> => {
    const onBytes = (count: number) => {
      loaded.set(name, count);
      tell(Array.from(loaded.values()).reduce((sum, one) => sum + one, 0));
    };
    return [name, await bundle.read(name, isWeights(name) ? onBytes : undefined)];
  };
  return new Map(await Promise.all(names.map(read)));
}

async function opened(edition: Edition, folder: string, options: LoadOptions): Promise<Classifier> {
  const store = await Store.open(folder, edition.digest, options.keep ?? true);
  const source = new HttpSource(store, options.signal);
  const bundle = new Bundle(edition.manifest, edition.digest, source);
  const engine = startEngine(bundle, folder, options.worker ?? true);
  try {
    const [files, link] = await Promise.all([answerBytes(bundle, options.onProgress), engine]);
    const transfer = Array.from(files.values(), (bytes) => bytes.buffer);
    const { manifest, digest } = edition;
    const order = { op: "open", protocol: PROTOCOL, manifest, digest, files } as const;
    const noted = store.keep(MANIFEST, edition.bytes, "application/json", digest);
    const kept = Promise.all([noted, source.settled()]);
    const [facts]: [Opened, unknown] = await Promise.all([link.ask(order, { signal: options.signal, transfer }), kept]);
    source.signal = undefined;
    return new Loaded(bundle, facts, link);
  } catch (error) {
    void engine.then((link) => link.end(new AplantidaError("disposed", "the bundle was not loaded"))).catch(() => null);
    throw error;
  }
}

class Loaded implements Classifier {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly region: string | null;
  readonly files: readonly string[];
  readonly scientificNames: readonly string[];
  readonly places: readonly string[];
  readonly threshold: number;
  readonly thread: "worker" | "main";
  private readonly listed: Credits;
  private readonly ranks: Map<string, number>;

  constructor(
    private readonly bundle: Bundle,
    facts: Opened,
    private readonly link: Link,
  ) {
    const { manifest } = bundle;
    this.name = manifest.name;
    this.version = manifest.version;
    this.digest = bundle.digest;
    this.region = manifest.region ?? null;
    this.files = Object.keys(manifest.files);
    this.scientificNames = facts.names.split("\n");
    this.places = facts.places ? facts.places.split("\n") : [];
    this.threshold = facts.threshold;
    this.thread = link.thread;
    this.listed = new Credits(bundle);
    this.ranks = new Map(this.scientificNames.map((name, place) => [name, place]));
  }

  async classify(photo: Photo | readonly Photo[], k = 5, options: ClassifyOptions = {}) {
    checkedCount(k);
    const { place = null } = options;
    const preview = Boolean(options.onPreview);
    checkPlace(place, this.places);
    return this.look(listOf(photo), (photos) => ({ op: "classify", photos, k, place, preview }), options);
  }

  async outputs(photo: Photo | readonly Photo[], options: LookOptions = {}) {
    const preview = Boolean(options.onPreview);
    return this.look(listOf(photo), (photos) => ({ op: "outputs", photos, preview }), options);
  }

  async decide(outputs: PhotoOutputs | readonly PhotoOutputs[], k = 5, { signal, place = null }: DecideOptions = {}) {
    checkedCount(k);
    checkPlace(place, this.places);
    const all = checkedOutputs(outputs, this.digest, this.scientificNames.length);
    return this.link.ask({ op: "decide", outputs: all, k, place }, { signal });
  }

  async logits(photo: Photo) {
    return this.look([photo], ([one]) => ({ op: "logits", photo: one }));
  }

  async prepare(photo: Photo) {
    return this.look([photo], ([one]) => ({ op: "prepare", photo: one }));
  }

  async logitsOfInput(input: Float32Array) {
    return this.link.ask({ op: "logitsOfInput", input });
  }

  async credits(scientificName: string) {
    const rank = this.ranks.get(scientificName);
    return rank === undefined ? null : this.listed.of(scientificName, rank);
  }

  async read(name: string) {
    return this.bundle.read(name);
  }

  dispose() {
    this.link.end(new AplantidaError("disposed", "the classifier was disposed of; load again"));
  }

  /** The answer to an order about photos, which hold no memory here once it is sent, or is not. */
  private async look(photos: readonly Photo[], orderOf: (photos: Given[]) => Order, options: LookOptions = {}) {
    const { signal, onPreview } = options;
    const taken = await allGiven(photos, signal);
    try {
      return await this.link.ask(orderOf(taken), { signal, onPreview, transfer: transferred(taken) });
    } finally {
      letGo(taken);
    }
  }
}

function listOf(photo: Photo | readonly Photo[]): readonly Photo[] {
  return Array.isArray(photo) ? (photo as readonly Photo[]) : [photo as Photo];
}

/**
 * Load the bundle at `url` (a folder; relative to the page).
 *
 * @throws AplantidaError whose `code` says what to do; its message names the file that is missing, altered or not understood.
 * Its `cause` is what was altered in a cache, where the server then did not give it anew.
 */
export async function load(url: string, options: LoadOptions = {}): Promise<Classifier> {
  const folder = folderOf(url);
  let fresh = false;
  let damage: AplantidaError | undefined;
  for (const wait of [...DEPLOYMENT, null]) {
    stopIfAborted(options.signal);
    let [editions, problem] = await candidates(folder, fresh, options);
    for (const edition of editions) {
      try {
        const classifier = await opened(edition, folder, options);
        await tidyUp(folder, edition.digest);
        return classifier;
      } catch (error) {
        stopIfAborted(options.signal);
        if (!(error instanceof AplantidaError) || !MENDABLE.has(error.code)) throw error;
        problem ??= error;
        if (error.code === "altered") damage ??= error;
      }
    }
    if (damage && problem !== damage) (problem as Error).cause = damage; // else nobody hears of it
    if (wait === null || (problem as AplantidaError).code === "offline") throw problem;
    await pause(wait, options.signal);
    fresh = true;
  }
  throw new AplantidaError("bundle", "not reached");
}

async function report(folder: string, edition: Edition | null, trouble: Status["trouble"]): Promise<Status> {
  const files: Status["files"][number][] = [];
  if (edition) {
    const store = await Store.open(folder, edition.digest);
    trouble ??= store.trouble;
    for (const name of answerFiles(edition.manifest.files)) {
      const { bytes = 0, sha256 = "" } = edition.manifest.files[name] ?? {};
      files.push({ name, bytes, state: await store.state(name, sha256) });
    }
  }
  const storage = globalThis.navigator?.storage;
  const { usage = null, quota = null } = (await storage?.estimate?.().catch(() => null)) ?? {};
  const persisted = (await storage?.persisted?.().catch(() => false)) ?? false;
  const whole = files.length > 0 && files.every((file) => file.state === "whole");
  return { digest: edition?.digest ?? null, whole, files, trouble, usage, quota, persisted };
}

/** What this browser keeps of the bundle at `url`, every file read and checked. */
export async function status(url: string): Promise<Status> {
  const folder = folderOf(url);
  return report(folder, await known(folder, false), null);
}

/** Put every file that is missing or bad back in its place; what is kept afterwards. */
export async function repair(url: string): Promise<Status> {
  const folder = folderOf(url);
  const edition = await known(folder, true);
  if (!edition) return report(folder, null, null);
  const store = await Store.open(folder, edition.digest);
  const source = new HttpSource(store);
  await mended(source, edition.manifest, answerFiles(edition.manifest.files));
  await source.settled();
  await store.keep(MANIFEST, edition.bytes, "application/json", edition.digest);
  return report(folder, edition, store.trouble);
}

/** Remove everything that is kept of the bundle at `url`, its own service worker too; nothing of anyone else's. */
export async function clear(url: string): Promise<void> {
  await clearFolder(folderOf(url));
}

/**
 * What an app with a service worker of its own is to keep, in Workbox's form: `precacheAndRoute(...)` of
 * workbox-precaching takes it. Then `load(url, { keep: false })` asks for these very addresses.
 */
export async function precache(url: string): Promise<PrecacheEntry[]> {
  const folder = folderOf(url);
  const { manifest, digest } = await publishedEdition(folder);
  const stable = answerFiles(manifest.files).map((name) => {
    const sha256 = entryOf(manifest, name);
    const [[address]] = sources(folder, name, sha256);
    return { url: address, revision: null, integrity: integrityOf(sha256) };
  });
  const plain = ([["classifier.js", entryOf(manifest, "classifier.js")], [MANIFEST, digest]] as const).map(
    ([name, revision]) => ({ url: new URL(name, folder).href, revision, integrity: integrityOf(revision) }),
  );
  return [...plain, ...stable];
}

function entryOf(manifest: BundleManifest, name: string): string {
  const entry = manifest.files[name];
  if (!entry) throw new AplantidaError("bundle", `bundle.json does not list ${name}`, name);
  return entry.sha256;
}
