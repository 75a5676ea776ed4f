/** From whatever a page can hold to pixels: upright as EXIF says, in the file's own color values, on white. */

import type { Photo } from "./classifier";
import type { PixelSource } from "./resize";

const MAX_PIXELS = 100_000_000;

function checkSize(width: number, height: number): void {
  if (!(width > 0 && height > 0)) throw new RangeError(`the image is empty (${width}x${height})`);
  if (width * height > MAX_PIXELS) throw new RangeError(`${width}x${height} is more than ${MAX_PIXELS} pixels`);
}

function isImageData(photo: Photo): photo is ImageData {
  return typeof ImageData !== "undefined" && photo instanceof ImageData;
}

/** Alpha over white, in place of the alpha that the model does not know. */
function onWhite(rgba: Uint8ClampedArray): Uint8ClampedArray {
  const output = new Uint8ClampedArray(rgba);
  for (let at = 0; at < output.length; at += 4) {
    const alpha = output[at + 3];
    if (alpha === 255) continue;
    for (let channel = at; channel < at + 3; channel++) {
      output[channel] = (output[channel] * alpha + 255 * (255 - alpha)) / 255;
    }
  }
  return output;
}

function sourceOfImageData(image: ImageData): PixelSource {
  checkSize(image.width, image.height);
  const { width, height } = image;
  const rows = (top: number, count: number) =>
    onWhite(image.data.subarray(top * width * 4, (top + count) * width * 4) as Uint8ClampedArray);
  return { width, height, channels: 4, rows };
}

type Context2D = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

function context(width: number, height: number): Context2D {
  const canvas =
    typeof OffscreenCanvas !== "undefined"
      ? new OffscreenCanvas(width, height)
      : Object.assign(document.createElement("canvas"), { width, height });
  const drawing = canvas.getContext("2d", { willReadFrequently: true }) as Context2D | null;
  if (!drawing) throw new Error("this browser gives no 2D canvas");
  drawing.fillStyle = "#fff";
  return drawing;
}

/** Strips of the bitmap through a small canvas: phones refuse canvases of a large photo's size. */
function sourceOfBitmap(bitmap: ImageBitmap): PixelSource {
  const { width, height } = bitmap;
  let drawing: Context2D | undefined;
  const rows = (top: number, count: number) => {
    if (!drawing || drawing.canvas.height < count) drawing = context(width, count);
    drawing.fillRect(0, 0, width, count);
    drawing.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
    return drawing.getImageData(0, 0, width, count).data;
  };
  return { width, height, channels: 4, rows };
}

/**
 * Run `use` on the photo's pixels and let go of them.
 *
 * @throws RangeError for an empty or far too large photo; the browser's own error for one that it cannot decode.
 */
export async function withPixels<Result>(photo: Photo, use: (source: PixelSource) => Result): Promise<Result> {
  if (isImageData(photo)) return use(sourceOfImageData(photo));
  const bitmap = await createImageBitmap(photo, {
    imageOrientation: "from-image",
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  try {
    checkSize(bitmap.width, bitmap.height);
    return use(sourceOfBitmap(bitmap));
  } finally {
    bitmap.close();
  }
}
