/** From a photo's pixels to the model's input, as the bundle's preprocessing.json says. */

import { resize, type PixelSource } from "./resize";

/** preprocessing.json: born with the model, see `aplantida/domain/preprocessing.py`. */
export interface Preprocessing {
  readonly image_size: number;
  readonly crop_fraction: number;
  readonly interpolation: string;
}

/** Python's `round`: halves go to the even neighbor. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Width and height with the short side scaled as the bundle says, the long one rounded half up. */
export function resizedSize(width: number, height: number, preprocessing: Preprocessing): [number, number] {
  const shortSide = roundHalfEven(preprocessing.image_size / preprocessing.crop_fraction);
  const short = Math.min(width, height);
  const scaled = Math.floor((2 * Math.max(width, height) * shortSide + short) / (2 * short));
  return width <= height ? [shortSide, scaled] : [scaled, shortSide];
}

/**
 * The model's input for one photo: `image_size` x `image_size` x RGB, float32 0..255, row-major. The same as
 * `centre_square` of `aplantida/domain/pixels.py`, to the bit.
 */
export function prepare(source: PixelSource, preprocessing: Preprocessing): Float32Array {
  const size = preprocessing.image_size;
  const [width, height] = resizedSize(source.width, source.height, preprocessing);
  const left = Math.floor((width - size) / 2);
  const top = Math.floor((height - size) / 2);
  const window = { left, top, width: size, height: size };
  return Float32Array.from(resize(source, width, height, preprocessing.interpolation, window));
}
