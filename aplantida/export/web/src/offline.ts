/** Keeping the page for days without a connection, and noticing that the server has a newer bundle. */

import { pause } from "./download";
import { publishedEdition } from "./source";

/** A page that stays open looks for a newer bundle when it is looked at again, at most so often, milliseconds. */
const LOOK_AGAIN = 3_600_000;
/** What a failed worker said may come after its end, milliseconds. */
const WORD_LIMIT = 3000;

export interface OfflineNews {
  /** The page works offline now. */
  kept(): void;
  /** It will not: "quota" when there is no room. */
  trouble(kind: "quota" | "unavailable"): void;
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

class Keeper {
  /** What the worker says went wrong. */
  private told: "quota" | "unavailable" | undefined;
  private looked = 0;
  private readonly seen = new Set<ServiceWorker>();

  constructor(
    private readonly folder: string,
    private readonly digest: string | null,
    private readonly news: OfflineNews,
  ) {}

  async begin(): Promise<void> {
    const { serviceWorker } = navigator;
    serviceWorker.addEventListener("message", ({ data }) => (this.told = data?.trouble ?? this.told));
    document.addEventListener("visibilitychange", () => {
      const due = document.visibilityState === "visible" && Date.now() - this.looked > LOOK_AGAIN;
      if (due) void this.look().catch((error) => console.warn(error));
    });
    await this.look();
  }

  /** Register the worker of the edition that the server has now: a newer one is fetched in the background. */
  private async look(): Promise<void> {
    this.looked = Date.now();
    const published = await publishedEdition(this.folder, true, undefined, false).catch(() => null);
    const digest = published?.digest ?? this.digest;
    if (digest === null) return;
    const { serviceWorker } = navigator;
    const known = await serviceWorker.getRegistration(this.folder);
    known?.addEventListener("updatefound", () => void this.follow(known));
    const registration = await serviceWorker.register(`${this.folder}service-worker.js?bundle=${digest}`);
    registration.addEventListener("updatefound", () => void this.follow(registration));
    await this.follow(registration);
  }

  private async follow(registration: ServiceWorkerRegistration): Promise<void> {
    const { active } = registration;
    const coming = registration.installing ?? registration.waiting;
    if (active) {
      care(active);
      this.news.kept();
    }
    if (!coming || this.seen.has(coming)) return;
    this.seen.add(coming);
    const whole = await settled(coming);
    if (active) {
      if (whole) this.news.newer(() => switchTo(coming));
    } else if (whole) {
      care((await navigator.serviceWorker.ready).active);
      this.news.kept();
    } else {
      for (let waited = 0; !this.told && waited < WORD_LIMIT; waited += 100) await pause(100);
      this.news.trouble(this.told ?? "unavailable");
    }
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
