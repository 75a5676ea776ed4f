/** From what a page holds to what an engine can look at: files as they are, all else as a bitmap of its own. */

import type { Photo } from "./api";
import { AplantidaError } from "./errors";
import type { Given } from "./protocol";

const AS_DRAWN: ImageBitmapOptions = { premultiplyAlpha: "none" };
const AS_STORED: ImageBitmapOptions = { ...AS_DRAWN, imageOrientation: "from-image", colorSpaceConversion: "default" };

function isImageElement(photo: object): photo is HTMLImageElement {
  return "naturalWidth" in photo && "currentSrc" in photo;
}

/** The element's file: its format can be told, and the engine decodes it. Without leave to read it, its pixels. */
async function ofElement(image: HTMLImageElement): Promise<Given> {
  const source = image.currentSrc || image.src;
  if (!source) throw new AplantidaError("unreadable", "the image element has no source");
  try {
    const response = await fetch(source, { cache: "force-cache" });
    if (response.ok) return await response.blob();
  } catch {
    // Another origin without CORS, or a connect-src that does not name it.
  }
  if (/^data:image\/svg|\.svgz?([?#]|$)/i.test(source)) {
    throw new AplantidaError("unsupported_format", "the image is SVG; JPEG, PNG and WebP are read");
  }
  await image.decode();
  return createImageBitmap(image, AS_STORED);
}

/**
 * @throws AplantidaError "unreadable" for an element without a picture, "argument" for what is no photo
 */
export async function given(photo: Photo): Promise<Given> {
  if (photo === null || typeof photo !== "object") throw new AplantidaError("argument", `${photo} is not a photo`);
  if (photo instanceof Blob || photo instanceof ImageData) return photo;
  try {
    return isImageElement(photo) ? await ofElement(photo) : await createImageBitmap(photo, AS_DRAWN);
  } catch (error) {
    if (error instanceof AplantidaError) throw error;
    const code = error instanceof TypeError ? "argument" : "unreadable";
    throw new AplantidaError(code, `the photo cannot be read: ${(error as Error).message}`);
  }
}
