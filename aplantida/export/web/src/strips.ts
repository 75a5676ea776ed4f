/**
 * Pixels out of a canvas, in strips and tiles of a size that every browser has: phones refuse canvases of a large photo's
 * size, and none has one of a panorama's width. What a canvas gives back is not believed without proof: one that is too
 * large, or whose context was lost, gives zeros, and some browsers add noise to it against fingerprinting.
 */

import { AplantidaError } from "./errors";

export type Context2D = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
/** Puts on the canvas, from its corner on, `width` pixels from `left` of the strip's rows. */
export type Draw = (drawing: Context2D, left: number, width: number) => void;

/** Widest canvas that is asked for, pixels. */
const TILE = 8192;
/** Colors, drawn half a row each, that are to come back with the pixels. */
const WITNESSES = [
  [201, 48, 96],
  [23, 180, 120],
] as const;
/** By how much they may differ, of 255: color spaces are converted with some rounding. */
const TOLERANCE = 8;

export function context(width: number, height: number, colorSpace: PredefinedColorSpace = "srgb"): Context2D {
  const canvas =
    typeof OffscreenCanvas !== "undefined"
      ? new OffscreenCanvas(width, height)
      : Object.assign(document.createElement("canvas"), { width, height });
  const drawing = canvas.getContext("2d", { willReadFrequently: true, colorSpace }) as Context2D | null;
  if (!drawing) throw new AplantidaError("worker", "this browser gives no 2D canvas");
  return drawing;
}

export class Strips {
  private drawing: Context2D | undefined;

  /**
   * @param width of the photo, pixels
   * @param colorSpace that is drawn in; what is read is sRGB
   */
  constructor(
    private readonly width: number,
    private readonly colorSpace: PredefinedColorSpace = "srgb",
  ) {}

  /**
   * `count` rows as `draw` draws them: RGBA, row-major.
   *
   * @throws AplantidaError "worker" when the canvas does not give back what is drawn
   */
  read(count: number, draw: Draw): Uint8ClampedArray {
    const { width } = this;
    if (width <= TILE) return this.tile(0, width, count, draw);
    const rows = new Uint8ClampedArray(width * count * 4);
    for (let left = 0; left < width; left += TILE) {
      const across = Math.min(TILE, width - left);
      const tile = this.tile(left, across, count, draw);
      for (let row = 0; row < count; row++) {
        rows.set(tile.subarray(row * across * 4, (row + 1) * across * 4), (row * width + left) * 4);
      }
    }
    return rows;
  }

  /** One row more is drawn than is asked for: the witnesses'. */
  private tile(left: number, across: number, count: number, draw: Draw): Uint8ClampedArray {
    if (!this.drawing || this.drawing.canvas.height <= count) {
      this.drawing = context(Math.min(this.width, TILE), count + 1, this.colorSpace);
    }
    const { drawing } = this;
    draw(drawing, left, across);
    const half = across >> 1;
    WITNESSES.forEach((color, at) => {
      drawing.fillStyle = `rgb(${color.join()})`;
      drawing.fillRect(at * half, count, at === 0 ? half : across - half, 1);
    });
    const pixels = drawing.getImageData(0, 0, across, count + 1, { colorSpace: "srgb" }).data;
    for (let x = 0; x < across; x++) {
      const color = WITNESSES[x < half ? 0 : 1];
      const at = (count * across + x) * 4;
      if (color.some((value, channel) => Math.abs(pixels[at + channel] - value) > TOLERANCE)) {
        throw new AplantidaError("worker", "this browser's canvas does not give back what is drawn on it");
      }
    }
    return pixels.subarray(0, count * across * 4);
  }
}
