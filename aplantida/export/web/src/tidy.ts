/** What is ours in this browser, to be found and to be removed. */

import { forget } from "./store";

/** The registration of the page's own service worker for a folder; a host's own is none of ours. */
export async function ownWorker(folder: string): Promise<ServiceWorkerRegistration | null> {
  try {
    const registration = await globalThis.navigator?.serviceWorker?.getRegistration(folder);
    const worker = registration?.active ?? registration?.waiting ?? registration?.installing;
    return registration && worker?.scriptURL.startsWith(`${folder}service-worker.js`) ? registration : null;
  } catch {
    return null; // a page of another origin, or in a sandbox
  }
}

/** Remove the editions that the one with `digest` follows, where no worker of ours does; else the next load tries again. */
export async function tidyUp(folder: string, digest: string): Promise<void> {
  try {
    if (!(await ownWorker(folder))) await forget(folder, [digest]);
  } catch (error) {
    console.warn("aplantida: older editions stay:", error);
  }
}

/** Remove what is kept of a folder and its own service worker, and nothing of anyone else's. */
export async function clearFolder(folder: string): Promise<void> {
  await (await ownWorker(folder))?.unregister();
  await forget(folder);
}
