/** Start a bundle's engine out of bytes that were checked: in a worker, else on the caller's own thread. */

import { AplantidaError } from "./errors";
import { BundleError, type Bundle } from "./bundle";
import { ENGINE, sources } from "./files";
import { Link } from "./link";
import { integrityOf, preload } from "./modules";
import { WORKER_NAME, type Line } from "./protocol";

/** A worker that says nothing for so long will not begin, milliseconds. */
const HELLO_LIMIT = 20_000;

/** Made once: pages may allow one policy of a name only. */
let policy: { createScriptURL(url: string): any } | undefined;

/** A script's address as pages with `require-trusted-types-for 'script'` want it. */
function trusted(url: string): any {
  try {
    policy ??= (globalThis as any).trustedTypes?.createPolicy("aplantida", { createScriptURL: (text: string) => text });
  } catch {
    return url; // The page allows no policy of this name; without trusted types the plain address will do.
  }
  return policy?.createScriptURL(url) ?? url;
}

/** A module worker that runs these very bytes; null where the page or the browser allows none. */
async function inWorker(script: Uint8Array<ArrayBuffer>): Promise<Link | null> {
  if (typeof Worker !== "function" || typeof OffscreenCanvas !== "function") return null;
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  let worker: Worker | undefined;
  try {
    const begun = new Worker(trusted(url), { type: "module", name: WORKER_NAME });
    worker = begun;
    await new Promise<void>((resolve, reject) => {
      setTimeout(() => reject(new Error("the worker does not begin")), HELLO_LIMIT);
      begun.onmessage = () => resolve();
      begun.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message || "the worker was refused"));
      };
    });
    const link = new Link(begun as Line, "worker", () => begun.terminate());
    begun.onerror = (event) => link.end(new AplantidaError("worker", `the worker ended: ${event.message}; load again`));
    return link;
  } catch (error) {
    console.warn("aplantida: photos are looked at on this thread:", (error as Error).message);
    worker?.terminate();
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function onThisThread(bundle: Bundle, folder: string): Promise<Link> {
  const { sha256 } = bundle.manifest.files[ENGINE];
  let problem: unknown;
  for (const [url] of sources(folder, ENGINE, sha256)) {
    try {
      await preload(url, integrityOf(sha256));
      const engine: { serve(line: Line): void } = await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
      const { port1, port2 } = new MessageChannel();
      const link = new Link(port1, "main", () => setTimeout(() => port1.close()));
      engine.serve(port2);
      return link;
    } catch (error) {
      problem = error;
    }
  }
  throw new BundleError(`${ENGINE} does not start: ${(problem as Error).message}`, ENGINE, "altered");
}

/** Start the engine; `folder` is the bundle's. */
export async function startEngine(bundle: Bundle, folder: string, worker: boolean): Promise<Link> {
  const script = await bundle.read(ENGINE);
  return (worker ? await inWorker(script) : null) ?? (await onThisThread(bundle, folder));
}
