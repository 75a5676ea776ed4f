/** What has come of a file so far, from its beginning on. Bytes that come once more are held against it. */

/** Hears what changes. */
export interface Listener {
  /** There are more bytes. */
  grown(received: Received): void;
  /** What was here from `length` on is no longer. */
  cut(length: number): void;
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export class Received {
  length = 0;
  listener: Listener | undefined;
  /** The ETag that the server gave with it, in its bare form; null when it gave none. */
  tag: string | null = null;
  /** Those of the server's last answer. */
  headers: Headers | null = null;
  private buffer: Uint8Array<ArrayBuffer>;

  /**
   * @param size bytes of the whole file, where they are known
   * @param most bytes that are taken of it
   */
  constructor(
    readonly size: number | null,
    readonly most: number = size ?? Infinity,
  ) {
    this.buffer = new Uint8Array(size ?? 65_536);
  }

  /** Everything that is here. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.length === this.buffer.length ? this.buffer : this.buffer.slice(0, this.length);
  }

  part(from: number, to: number): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(from, to);
  }

  /**
   * Take bytes that belong at `at`, which is at most `length`. What is here already is passed over; where it differs,
   * what came last counts, and nothing after it.
   */
  take(bytes: Uint8Array, at: number): void {
    const known = Math.min(bytes.length, this.length - at);
    if (known > 0 && !equal(bytes.subarray(0, known), this.buffer.subarray(at, at + known))) {
      this.length = at;
      this.listener?.cut(at);
    }
    const end = at + bytes.length;
    if (end <= this.length) return;
    this.makeRoom(end);
    this.buffer.set(bytes, at);
    this.length = end;
    this.listener?.grown(this);
  }

  private makeRoom(wanted: number): void {
    if (wanted <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(wanted, 2 * this.buffer.length));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
}
