/** Where a bundle is. */

/**
 * The folder that an address names, relative to the page: whole, with its last slash. A user and password are left out:
 * the browser knows them, and refuses to fetch what has them in its address.
 */
export function folderOf(url: string): string {
  const folder = new URL(url, globalThis.document?.baseURI ?? globalThis.location.href);
  folder.search = folder.hash = folder.username = folder.password = "";
  return folder.href.endsWith("/") ? folder.href : `${folder.href}/`;
}
