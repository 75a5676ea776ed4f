/** Modules whose content is known before they run. */

/** SRI's spelling of a digest. */
export function integrityOf(sha256: string): string {
  const bytes = sha256.match(/../g)!.map((pair) => String.fromCharCode(parseInt(pair, 16)));
  return `sha256-${btoa(bytes.join(""))}`;
}

/**
 * Have the browser load a module only if it has this digest; `import` then takes it from there. Browsers without
 * `modulepreload`, none of which has trusted types, take the digest from a script element, which runs the module.
 *
 * @throws Error when the module is another one, or not there
 */
export async function preload(url: string, integrity: string): Promise<void> {
  if (typeof document === "undefined") return;
  const link = document.createElement("link");
  const element = link.relList?.supports?.("modulepreload")
    ? Object.assign(link, { rel: "modulepreload", href: url })
    : Object.assign(document.createElement("script"), { type: "module", src: url });
  Object.assign(element, { integrity, crossOrigin: "anonymous" });
  await new Promise<void>((resolve, reject) => {
    element.onload = () => resolve();
    element.onerror = () => reject(new Error(`${url} is not the published file, or not there`));
    document.head.append(element);
  }).finally(() => element.remove());
}
