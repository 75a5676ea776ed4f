/** From what a page holds to what an engine can look at: files as they are, all else as a bitmap of its own. */

import type { Photo } from "./api";
import { orAborted, stopIfAborted } from "./cancel";
import { AplantidaError } from "./errors";
import type { Given } from "./protocol";

const AS_DRAWN: ImageBitmapOptions = { premultiplyAlpha: "none" };
/** Upright by EXIF, as it is where nothing is said of it: see decode.ts. */
const AS_STORED: ImageBitmapOptions = { ...AS_DRAWN, colorSpaceConversion: "default" };

function isImageElement(photo: object): photo is HTMLImageElement {
  return "naturalWidth" in photo && "currentSrc" in photo;
}

/** The element's file: its format can be told, and the engine decodes it. Without leave to read it, its pixels. */
async function ofElement(image: HTMLImageElement, signal: AbortSignal | undefined): Promise<Given> {
  const source = image.currentSrc || image.src;
  if (!source) throw new AplantidaError("unreadable", "the image element has no source");
  try {
    const response = await fetch(source, { cache: "force-cache", signal });
    if (response.ok) return await response.blob();
  } catch {
    stopIfAborted(signal);
    // Another origin without CORS, or a connect-src that does not name it.
  }
  if (/^data:image\/svg|\.svgz?([?#]|$)/i.test(source)) {
    throw new AplantidaError("unsupported_format", "the image is SVG; JPEG, PNG and WebP are read");
  }
  await image.decode();
  return createImageBitmap(image, AS_STORED);
}

async function given(photo: Photo, signal: AbortSignal | undefined): Promise<Given> {
  if (photo === null || typeof photo !== "object") throw new AplantidaError("argument", `${photo} is not a photo`);
  if (photo instanceof Blob || photo instanceof ImageData) return photo;
  try {
    return isImageElement(photo) ? await ofElement(photo, signal) : await createImageBitmap(photo, AS_DRAWN);
  } catch (error) {
    stopIfAborted(signal);
    if (error instanceof AplantidaError) throw error;
    const code = error instanceof TypeError ? "argument" : "unreadable";
    throw new AplantidaError(code, `the photo cannot be read: ${(error as Error).message}`);
  }
}

function isBitmap(photo: Given): photo is ImageBitmap {
  return typeof ImageBitmap !== "undefined" && photo instanceof ImageBitmap;
}

/** Bitmaps are made for the engine, and go there without a copy. */
export function transferred(photos: readonly Given[]): Transferable[] {
  return photos.filter(isBitmap);
}

/** Free the bitmaps among them, which were made for one order; one that went to the engine is here no more. */
export function letGo(photos: readonly Given[]): void {
  for (const photo of photos.filter(isBitmap)) photo.close();
}

/**
 * Each photo as an engine takes it. Nothing that was made stays when one of them cannot be had, or nobody waits any more.
 *
 * @throws AplantidaError "unreadable" for an element without a picture, "argument" for what is no photo, or for none
 */
export async function allGiven(photos: readonly Photo[], signal?: AbortSignal): Promise<Given[]> {
  stopIfAborted(signal);
  if (photos.length === 0) throw new AplantidaError("argument", "no photo was given");
  const making = photos.map((photo) => given(photo, signal));
  try {
    return await orAborted(Promise.all(making), signal);
  } catch (error) {
    for (const one of making) void one.then((made) => letGo([made]), () => undefined);
    throw error;
  }
}
