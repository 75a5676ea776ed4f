/** From whatever a page can hold to sRGB pixels: upright as EXIF says, color profiles converted. */

import { AplantidaError } from "./errors";
import type { Given } from "./protocol";
import { statedSize } from "./photo-size";
import type { PixelSource } from "./resize";
import { context, Strips } from "./strips";

const MAX_PIXELS = 100_000_000;
/** As in Python: data/images.py. */
const MIN_SIDE = 32;
/** Side of a preview, pixels. */
const PREVIEW = 1024;
/** Bytes that tell one format from another. */
const HEAD = 32;

/** What a file's first bytes say it is; null for what is no image. */
export function formatOf(head: Uint8Array): string | null {
  const text = String.fromCharCode(...head.subarray(0, HEAD));
  if (text.startsWith("\xff\xd8")) return "JPEG";
  if (text.startsWith("\x89PNG")) return "PNG";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "WebP";
  if (/^GIF8/.test(text)) return "GIF";
  if (/^BM/.test(text)) return "BMP";
  if (/^(II\*\0|MM\0\*|II\+\0|MM\0\+)/.test(text)) return "TIFF";
  if (/^(\xff\x0a|\0\0\0\x0cJXL )/.test(text)) return "JPEG XL";
  if (/^\0\0\0\x0cjP  /.test(text)) return "JPEG 2000";
  const brand = /^....ftyp(....)/s.exec(text)?.[1];
  if (brand === "avif" || brand === "avis") return "AVIF";
  if (brand && /^(hei|hev|mif1|msf1)/.test(brand)) return "HEIC";
  if (/^(\xef\xbb\xbf)?\s*<(\?xml|svg|!--|!doctype svg)/i.test(text)) return "SVG";
  return null;
}

const READ = new Set(["JPEG", "PNG", "WebP"]);

/**
 * What a file says of itself, before it is decoded.
 *
 * @throws AplantidaError "unsupported_format" unless the file is a JPEG, PNG or WebP; "too_small" or "too_large" by its header
 */
async function checkFile(file: Blob): Promise<void> {
  const head = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  if (head.length === 0) await file.arrayBuffer(); // a file that is gone has an empty slice, and only as a whole fails
  const format = formatOf(head);
  if (!format || !READ.has(format)) {
    const found = format ?? (head.length === 0 ? "empty" : "no image");
    throw new AplantidaError("unsupported_format", `the file is ${found}; JPEG, PNG and WebP are read`);
  }
  const stated = await statedSize(file, head, format);
  if (stated) checkSize(stated.width, stated.height);
}

function checkSize(width: number, height: number): void {
  if (Math.min(width, height) < MIN_SIDE) {
    throw new AplantidaError("too_small", `the photo has ${width}x${height} pixels; want at least ${MIN_SIDE} a side`);
  }
  if (width * height > MAX_PIXELS) {
    throw new AplantidaError("too_large", `${width}x${height} is more than ${MAX_PIXELS} pixels`);
  }
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

/** Pixels of another color space are taken to sRGB. */
function sourceOfImageData(image: ImageData): PixelSource {
  const { width, height } = image;
  const colorSpace = image.colorSpace ?? "srgb";
  const strips = new Strips(width, colorSpace);
  const converted = (top: number, count: number) =>
    strips.read(count, (drawing, left, across) => drawing.putImageData(image, -left, -top, left, top, across, count));
  const stored = (top: number, count: number) =>
    image.data.subarray(top * width * 4, (top + count) * width * 4) as Uint8ClampedArray;
  const pixels = colorSpace === "srgb" ? stored : converted;
  return { width, height, channels: 4, rows: (top, count) => onWhite(pixels(top, count)) };
}

function sourceOfBitmap(bitmap: ImageBitmap): PixelSource {
  const { width, height } = bitmap;
  const strips = new Strips(width);
  const rows = (top: number, count: number) =>
    strips.read(count, (drawing, left, across) => {
      drawing.fillStyle = "#fff";
      drawing.fillRect(0, 0, across, count);
      drawing.drawImage(bitmap, left, top, across, count, 0, 0, across, count);
    });
  return { width, height, channels: 4, rows };
}

async function bitmapOf(file: Blob): Promise<ImageBitmap> {
  try {
    await checkFile(file);
    return await createImageBitmap(file, {
      // upright by EXIF, as it is where nothing is said of it: browsers had other words for that before 2023
      colorSpaceConversion: "default", // to sRGB, as photos are stored
      premultiplyAlpha: "none",
    });
  } catch (error) {
    if (error instanceof AplantidaError) throw error;
    throw new AplantidaError("unreadable", `the photo cannot be read: ${(error as Error).message}`);
  }
}

/** A decoded photo; `close` lets go of its pixels. */
export interface Decoded {
  readonly source: PixelSource;
  /** A JPEG of it with at most 1,024 pixels a side. */
  preview(): Promise<Blob>;
  close(): void;
}

/**
 * @throws AplantidaError "unsupported_format", "unreadable", "too_small" or "too_large"
 */
export async function decode(photo: Given): Promise<Decoded> {
  if (photo instanceof ImageData) {
    checkSize(photo.width, photo.height);
    const preview = async () => {
      const bitmap = await createImageBitmap(photo);
      return previewOf(bitmap).finally(() => bitmap.close());
    };
    return { source: sourceOfImageData(photo), preview, close: () => undefined };
  }
  const bitmap = photo instanceof Blob ? await bitmapOf(photo) : photo;
  try {
    checkSize(bitmap.width, bitmap.height);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  return { source: sourceOfBitmap(bitmap), preview: () => previewOf(bitmap), close: () => bitmap.close() };
}

async function previewOf(bitmap: ImageBitmap): Promise<Blob> {
  const scale = Math.min(1, PREVIEW / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const drawing = context(width, height);
  drawing.fillStyle = "#fff";
  drawing.fillRect(0, 0, width, height);
  drawing.imageSmoothingQuality = "medium";
  drawing.drawImage(bitmap, 0, 0, width, height);
  const { canvas } = drawing;
  if ("convertToBlob" in canvas) return canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
  return new Promise((resolve, reject) => {
    const give = (blob: Blob | null) => (blob ? resolve(blob) : reject(new AplantidaError("worker", "no preview")));
    canvas.toBlob(give, "image/jpeg", 0.85);
  });
}
