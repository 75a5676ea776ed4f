/** Modules whose content is known before they run. */

/** SRI's spelling of a digest. */
export function integrityOf(sha256: string): string {
  const bytes = sha256.match(/../g)!.map((pair) => String.fromCharCode(parseInt(pair, 16)));
  return `sha256-${btoa(bytes.join(""))}`;
}

/**
 * Have the browser load a module only if it has this digest; `import` then takes it from there. Browsers that know no
 * `modulepreload` load it without.
 *
 * @throws Error when the module is another one, or not there
 */
export async function preload(url: string, integrity: string): Promise<void> {
  if (typeof document === "undefined" || !document.createElement("link").relList.supports("modulepreload")) return;
  const link = Object.assign(document.createElement("link"), { rel: "modulepreload", href: url, integrity });
  link.crossOrigin = "anonymous";
  await new Promise<void>((resolve, reject) => {
    link.onload = () => resolve();
    link.onerror = () => reject(new Error(`${url} is not the published file, or not there`));
    document.head.append(link);
  }).finally(() => link.remove());
}
