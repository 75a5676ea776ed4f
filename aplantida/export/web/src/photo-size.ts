/**
 * How many pixels a photo's file says it has, before anything is decoded: a file of a few kilobytes may unfold to more
 * than a phone has memory. What is not understood here is for the decoder to judge.
 */

/** Bytes of a file that are looked at a time. */
const WINDOW = 65_536;
/** A JPEG whose size does not come within so many bytes is odd. Metadata of cameras ends far earlier. */
const FAR = 256 * WINDOW;

export interface Size {
  readonly width: number;
  readonly height: number;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** ISO/IEC 15948 (PNG), 11.2.2: the first chunk is IHDR. */
function sizeOfPng(head: Uint8Array): Size | null {
  const view = viewOf(head);
  return head.length < 24 || view.getUint32(12) !== 0x49484452
    ? null
    : { width: view.getUint32(16), height: view.getUint32(20) };
}

/** RFC 9649: the canvas of an extended file (VP8X), else the one frame, without loss (VP8L) or with. */
function sizeOfWebp(head: Uint8Array): Size | null {
  if (head.length < 30) return null;
  const view = viewOf(head);
  const kind = String.fromCharCode(...head.subarray(12, 16));
  const three = (at: number) => view.getUint16(at, true) + (head[at + 2] << 16);
  if (kind === "VP8X") return { width: three(24) + 1, height: three(27) + 1 };
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (kind !== "VP8 ") return null;
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

/** ITU-T T.81, B.1: marker segments up to the frame header (SOF0..15, which are not DHT, JPG or DAC). */
async function sizeOfJpeg(file: Blob): Promise<Size | null> {
  let start = 0;
  let bytes = new Uint8Array(0);
  for (let at = 2; at < FAR; ) {
    if (at + 9 > start + bytes.length) {
      start = at;
      bytes = new Uint8Array(await file.slice(at, at + WINDOW).arrayBuffer());
      if (bytes.length < 9) return null;
    }
    const here = at - start;
    const marker = bytes[here + 1];
    if (bytes[here] !== 0xff || marker === 0xff) {
      at++; // what does not belong there, and fill bytes: decoders look for the next marker
      continue;
    }
    if (marker === 0xda) return null; // a scan before any frame
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    const two = (offset: number) => (bytes[here + offset] << 8) + bytes[here + offset + 1];
    if (frame) return { width: two(7), height: two(5) };
    const alone = marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    at += alone ? 2 : 2 + two(2);
  }
  return null;
}

/**
 * The size that a file's header states, not turned; null where none is found, or one that the decoder is to find out.
 *
 * @param head the first 32 bytes of `file`, or all
 * @param format "JPEG", "PNG" or "WebP"
 */
export async function statedSize(file: Blob, head: Uint8Array, format: string): Promise<Size | null> {
  const size = format === "JPEG" ? await sizeOfJpeg(file) : format === "PNG" ? sizeOfPng(head) : sizeOfWebp(head);
  return size && size.width * size.height > 0 ? size : null;
}
