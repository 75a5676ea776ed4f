/** Keeping the page for days without a connection, and noticing that the server has a newer bundle. */

import { sha256 } from "./sha256";

/** What the server has now, past every cache; null without a connection. */
async function publishedDigest(): Promise<string | null> {
  try {
    const response = await fetch("bundle.json", { cache: "no-store" });
    return response.ok ? await sha256(new Uint8Array(await response.arrayBuffer())) : null;
  } catch {
    return null;
  }
}

function settled(worker: ServiceWorker): Promise<boolean> {
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state === "installed" || worker.state === "activated") resolve(true);
      if (worker.state === "redundant") resolve(false);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

/** Have the credits kept too, after all else, unless the visitor's browser is to save data. */
function keepCredits(worker: ServiceWorker | null): void {
  const { connection } = navigator as Navigator & { connection?: { saveData?: boolean } };
  if (!connection?.saveData) worker?.postMessage("keep credits");
}

/**
 * Keep the bundle `digest`, which the page runs now; when the server has another, fetch it in the background.
 *
 * @param onKept called once the page works offline
 * @param onNewer called with the step that switches to a newer bundle, once that is completely here
 */
export async function keepOffline(
  digest: string,
  onKept: () => void,
  onNewer: (switchOver: () => void) => void,
): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  const published = (await publishedDigest()) ?? digest;
  const registration = await serviceWorker.register(`service-worker.js?bundle=${published}`);
  const coming = registration.installing ?? registration.waiting;
  const updating = registration.active !== null && coming !== null;
  if (!updating) {
    keepCredits((await serviceWorker.ready).active);
    onKept();
    return;
  }
  onKept();
  if (await settled(coming)) {
    onNewer(() => {
      serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
      coming.postMessage("take over");
    });
  }
}
