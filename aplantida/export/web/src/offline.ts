/** Keeping the page for days without a connection, and noticing that the server has a newer bundle. */

import { pause } from "./download";
import { publishedEdition } from "./source";
import type { Trouble } from "./store";

/** A page that stays open looks for a newer bundle when it is looked at again, at most so often, milliseconds. */
const LOOK_AGAIN = 3_600_000;
/** What a failed worker said may come after its end, milliseconds. */
const WORD_LIMIT = 3000;

export interface OfflineNews {
  /** The page works offline now. */
  kept(): void;
  /** It does not. */
  trouble(kind: Trouble): void;
  /** It does, with the edition before the one that the server has, which could not be kept. */
  outdated(): void;
  /** A newer bundle is completely here; `switchOver` goes to it. */
  newer(switchOver: () => void): void;
}

function settled(worker: ServiceWorker): Promise<boolean> {
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state === "installed" || worker.state === "activating" || worker.state === "activated") resolve(true);
      if (worker.state === "redundant") resolve(false);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

/** Have what is kept looked after, and the credits kept too, unless the visitor's browser is to save data. */
function care(worker: ServiceWorker | null): void {
  const { connection } = navigator as Navigator & { connection?: { saveData?: boolean } };
  worker?.postMessage({ care: true, credits: !connection?.saveData });
}

function reload(): void {
  location.reload();
}

/** Go to the edition of `worker`, whichever page had it take over. */
function switchTo(worker: ServiceWorker): void {
  if (worker.state !== "installed") return reload();
  navigator.serviceWorker.addEventListener("controllerchange", reload, { once: true });
  worker.postMessage("take over");
}

/** What a worker says: why it could not be installed, or how what it keeps is, which it was asked to care for. */
interface Word {
  readonly folder: string;
  readonly bundle: string;
  readonly trouble: Trouble | null;
  readonly cared?: true;
}

class Keeper {
  /** Why workers could not be installed, by the digest of their edition. */
  private readonly told = new Map<string, Trouble>();
  private looked = 0;
  /** Of the edition that the server has. */
  private wanted: string | null;
  /** Whether the worker of that edition could not be installed beside the one before. */
  private behind = false;
  private readonly seen = new Set<ServiceWorker>();

  constructor(
    private readonly folder: string,
    digest: string | null,
    private readonly news: OfflineNews,
  ) {
    this.wanted = digest;
  }

  async begin(): Promise<void> {
    navigator.serviceWorker.addEventListener("message", ({ data }) => this.hear(data));
    document.addEventListener("visibilitychange", () => {
      const due = document.visibilityState === "visible" && Date.now() - this.looked > LOOK_AGAIN;
      if (due) void this.look().catch((error) => console.warn(error));
    });
    await this.look();
  }

  private hear(word: Word | null): void {
    if (word?.folder !== this.folder) return; // another bundle's, or a host's
    if (!word.cared) this.told.set(word.bundle, word.trouble ?? "unavailable");
    else if (word.trouble) this.news.trouble(word.trouble);
    else if (this.behind) this.news.outdated();
    else this.news.kept();
  }

  private addressOf(digest: string): string {
    return `${this.folder}service-worker.js?bundle=${digest}`;
  }

  /** Register the worker of the edition that the server has now: a newer one is fetched in the background. */
  private async look(): Promise<void> {
    this.looked = Date.now();
    await this.ask();
    if (this.wanted === null) return;
    this.behind = false;
    const { serviceWorker } = navigator;
    const known = await serviceWorker.getRegistration(this.folder);
    if (known) known.onupdatefound = () => void this.follow(known);
    try {
      const registration = await serviceWorker.register(this.addressOf(this.wanted));
      registration.onupdatefound = () => void this.follow(registration);
      await this.follow(registration);
    } catch (error) {
      if (!known?.active) throw error;
      console.warn(error);
      this.serves(known.active);
    }
  }

  /** Which edition the server has now; the one before where it does not say. */
  private async ask(): Promise<void> {
    const published = await publishedEdition(this.folder, true, undefined, false).catch(() => null);
    this.wanted = published?.digest ?? this.wanted;
  }

  /** Whether a worker is of the edition that the server has, of which another tab may have learnt first. */
  private async isWanted(worker: ServiceWorker): Promise<boolean> {
    const is = () => this.wanted !== null && worker.scriptURL === this.addressOf(this.wanted);
    if (!is()) await this.ask();
    return is();
  }

  private async follow(registration: ServiceWorkerRegistration): Promise<void> {
    const { active } = registration;
    const coming = registration.installing ?? registration.waiting;
    if (active) care(active);
    if (!coming || this.seen.has(coming)) return;
    this.seen.add(coming);
    const whole = await settled(coming);
    if (whole && !active) return care((await navigator.serviceWorker.ready).active);
    if (!(await this.isWanted(coming))) return;
    if (!whole) return this.failed(active);
    if (active?.scriptURL !== coming.scriptURL) this.news.newer(() => switchTo(coming));
  }

  /** A worker goes on serving, of the wanted edition or of the one before. */
  private serves(active: ServiceWorker): void {
    this.behind = this.wanted !== null && active.scriptURL !== this.addressOf(this.wanted);
    care(active);
  }

  /** The worker that was wanted could not be installed. */
  private async failed(active: ServiceWorker | null): Promise<void> {
    if (active) return this.serves(active);
    const { told, wanted } = this;
    const why = () => told.get(wanted ?? "");
    for (let waited = 0; !why() && waited < WORD_LIMIT; waited += 100) await pause(100);
    this.news.trouble(why() ?? "unavailable");
  }
}

/**
 * Keep the bundle at `folder`; when the server has another edition than `digest`, fetch it in the background.
 *
 * @param digest of the edition that the page runs; null when it could load none
 */
export async function keepOffline(folder: string, digest: string | null, news: OfflineNews): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  await new Keeper(folder, digest, news).begin();
}
