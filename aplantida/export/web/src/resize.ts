/**
 * Pillow's `Image.resize` for 8-bit RGB, to the bit: an antialiased separable filter whose weights are rounded to
 * 22-bit fixed point, first along rows, then along columns, each pass rounded to 8 bits. Only the window that the
 * caller wants is computed.
 */

const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

/** An image that can be read in horizontal strips, so that a large photo needs no second full copy. */
export interface PixelSource {
  readonly width: number;
  readonly height: number;
  /** 3 (RGB) or 4 (RGBA, alpha ignored). */
  readonly channels: 3 | 4;
  /** `count` rows from `top`, interleaved channels, row-major. */
  rows(top: number, count: number): Uint8Array | Uint8ClampedArray;
}

/** A part of the resized image, in its pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

interface Filter {
  readonly support: number;
  weight(x: number): number;
}

const FILTERS: Record<string, Filter> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: cubic },
};

function cubic(value: number): number {
  const a = -0.5;
  const x = Math.abs(value);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

interface Taps {
  /** First input position of each output position. */
  readonly first: Int32Array;
  /** How many input positions each output position reads. */
  readonly count: Int32Array;
  /** Fixed-point weights, `stride` per output position. */
  readonly weights: Int32Array;
  readonly stride: number;
}

function tapsOf(inputSize: number, outputSize: number, filter: Filter): Taps {
  const scale = inputSize / outputSize;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputSize);
  const count = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * stride);
  const row = new Float64Array(stride);
  for (let output = 0; output < outputSize; output++) {
    const center = (output + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(inputSize, Math.trunc(center + support + 0.5)) - start;
    let total = 0;
    for (let tap = 0; tap < length; tap++) {
      row[tap] = filter.weight((tap + start - center + 0.5) * (1 / stretch));
      total += row[tap];
    }
    for (let tap = 0; tap < length; tap++) {
      const weight = (total === 0 ? row[tap] : row[tap] / total) * (1 << PRECISION_BITS);
      weights[output * stride + tap] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    first[output] = start;
    count[output] = length;
  }
  return { first, count, weights, stride };
}

function clip8(sum: number): number {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** One pass along rows: `rows` lines of `pixels` become `window` columns of `output`, from its line `line` on. */
function shrinkRows(
  pixels: Uint8Array | Uint8ClampedArray,
  source: PixelSource,
  rows: number,
  taps: Taps | null,
  window: Window,
  output: Uint8Array,
  line: number,
): void {
  const { width, channels } = source;
  let to = line * window.width * 3;
  for (let y = 0; y < rows; y++) {
    const base = y * width * channels;
    for (let x = window.left; x < window.left + window.width; x++) {
      if (taps === null) {
        const from = base + x * channels;
        output[to++] = pixels[from];
        output[to++] = pixels[from + 1];
        output[to++] = pixels[from + 2];
        continue;
      }
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = base + taps.first[x] * channels;
      const end = x * taps.stride + taps.count[x];
      for (let tap = x * taps.stride; tap < end; tap++) {
        const weight = taps.weights[tap];
        red = (red + pixels[from] * weight) | 0;
        green = (green + pixels[from + 1] * weight) | 0;
        blue = (blue + pixels[from + 2] * weight) | 0;
        from += channels;
      }
      output[to++] = clip8(red);
      output[to++] = clip8(green);
      output[to++] = clip8(blue);
    }
  }
}

/** One pass along columns: the lines `firstLine`… of the image, three bytes a pixel, become the window's rows. */
function shrinkColumns(lines: Uint8Array, firstLine: number, taps: Taps, window: Window): Uint8Array {
  const bytes = window.width * 3;
  const output = new Uint8Array(bytes * window.height);
  for (let row = 0; row < window.height; row++) {
    const y = window.top + row;
    const start = (taps.first[y] - firstLine) * bytes;
    for (let column = 0; column < bytes; column++) {
      let sum = HALF;
      let from = start + column;
      for (let tap = 0; tap < taps.count[y]; tap++) {
        sum = (sum + lines[from] * taps.weights[y * taps.stride + tap]) | 0;
        from += bytes;
      }
      output[row * bytes + column] = clip8(sum);
    }
  }
  return output;
}

const STRIP_PIXELS = 1 << 21;

/**
 * The `window` of `source` resized to `width` x `height`: RGB bytes, row-major.
 *
 * @throws RangeError for an unknown interpolation or a window outside the resized image.
 */
export function resize(
  source: PixelSource,
  width: number,
  height: number,
  interpolation: string,
  window: Window = { left: 0, top: 0, width, height },
): Uint8Array {
  const filter = FILTERS[interpolation];
  if (!filter) {
    throw new RangeError(`interpolation "${interpolation}": want one of ${Object.keys(FILTERS).join(", ")}`);
  }
  if (window.left < 0 || window.top < 0 || window.left + window.width > width || window.top + window.height > height) {
    throw new RangeError(`window ${JSON.stringify(window)} leaves the resized image of ${width}x${height}`);
  }
  const across = width === source.width ? null : tapsOf(source.width, width, filter);
  const down = height === source.height ? null : tapsOf(source.height, height, filter);
  const last = window.top + window.height - 1;
  const firstLine = down ? down.first[window.top] : window.top;
  const endLine = down ? down.first[last] + down.count[last] : last + 1;
  const lines = new Uint8Array((endLine - firstLine) * window.width * 3);
  const strip = Math.max(1, Math.floor(STRIP_PIXELS / source.width));
  for (let top = firstLine; top < endLine; top += strip) {
    const rows = Math.min(strip, endLine - top);
    shrinkRows(source.rows(top, rows), source, rows, across, window, lines, top - firstLine);
  }
  return down ? shrinkColumns(lines, firstLine, down, window) : lines;
}
