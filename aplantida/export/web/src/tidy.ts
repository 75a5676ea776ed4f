/** What is ours in this browser, to be found and to be removed. */

import { forget } from "./store";

/** The registration of the page's own service worker for a folder; a host's own is none of ours. */
export async function ownWorker(folder: string): Promise<ServiceWorkerRegistration | null> {
  const registration = await globalThis.navigator?.serviceWorker?.getRegistration(folder).catch(() => undefined);
  const worker = registration?.active ?? registration?.waiting ?? registration?.installing;
  return registration && worker?.scriptURL.startsWith(`${folder}service-worker.js`) ? registration : null;
}

/** Remove what is kept of a folder and its own service worker, and nothing of anyone else's. */
export async function clearFolder(folder: string): Promise<void> {
  await (await ownWorker(folder))?.unregister();
  await forget(folder);
}
