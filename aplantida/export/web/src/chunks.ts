/** Unfinished downloads in whole chunks, kept beside a bundle's files, so that the next visit need not begin again. */

import { PART_BYTES } from "./download";
import { Received, type Listener } from "./received";
import type { Store } from "./store";

/** Whether a file of `size` bytes is kept in chunks while it comes. */
export function inChunks(size: number): boolean {
  return size > 2 * PART_BYTES;
}

export function numChunks(size: number): number {
  return Math.ceil(size / PART_BYTES);
}

/** What an earlier visit got of a file of `size` bytes: its chunks from the first to the last whole one. */
export async function begun(store: Store, name: string, size: number): Promise<Received> {
  const received = new Received(size);
  for (let number = 0; (number + 1) * PART_BYTES <= size; number++) {
    const chunk = await store.chunk(name, number);
    if (chunk?.bytes.length !== PART_BYTES) break;
    received.take(chunk.bytes, received.length);
    received.tag = chunk.tag;
  }
  return received;
}

/** Keeps each chunk of a download once it is complete. Two pages that fetch the same file keep the same chunks. */
export class ChunkKeeper implements Listener {
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @param size bytes of the whole file
   * @param kept chunks that are kept already; later those that are, or will be once it is their turn
   */
  constructor(
    private readonly store: Store,
    private readonly name: string,
    private readonly size: number,
    private kept: number,
  ) {}

  grown(received: Received): void {
    for (; (this.kept + 1) * PART_BYTES <= received.length; this.kept++) {
      const number = this.kept;
      const { tag } = received;
      this.after(async () => {
        if (number >= this.kept) return; // cut meanwhile: the file is whole, or was another
        const bytes = received.part(number * PART_BYTES, (number + 1) * PART_BYTES);
        await this.store.keepChunk(this.name, number, bytes, tag);
      });
    }
  }

  cut(length: number): void {
    this.kept = Math.min(this.kept, Math.floor(length / PART_BYTES));
    const from = this.kept;
    this.after(() => this.store.dropChunks(this.name, from, numChunks(this.size)));
  }

  /** Once everything so far is kept, or removed. */
  settled(): Promise<unknown> {
    return this.last;
  }

  private after(work: () => Promise<unknown>): void {
    this.last = this.last.then(work);
  }
}
