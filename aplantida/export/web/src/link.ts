/** The page's end of the line to its engine: orders go out, answers come back, whoever waits may stop waiting. */

import { reasonOf } from "./cancel";
import { AplantidaError } from "./errors";
import type { FromEngine, Line, Order, ToEngine } from "./protocol";

interface Waiting {
  resolve(result: any): void;
  reject(error: unknown): void;
  onPreview?: (preview: Blob, at: number) => void;
}

export interface AskOptions {
  readonly signal?: AbortSignal;
  readonly onPreview?: (preview: Blob, at: number) => void;
  readonly transfer?: Transferable[];
}

export class Link {
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;
  private ended: AplantidaError | undefined;

  /** @param close ends the engine */
  constructor(
    private readonly line: Line,
    readonly thread: "worker" | "main",
    private readonly close: () => void,
  ) {
    line.onmessage = ({ data }: MessageEvent<FromEngine>) => this.take(data);
  }

  /** The engine's answer to an order. */
  ask(order: Order, { signal, onPreview, transfer = [] }: AskOptions = {}): Promise<any> {
    if (signal?.aborted) return Promise.reject(reasonOf(signal));
    if (this.ended) return Promise.reject(this.ended);
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.waiting.delete(id);
        this.send({ cancel: id });
        reject(reasonOf(signal));
      };
      const done = () => signal?.removeEventListener("abort", stop);
      this.waiting.set(id, {
        onPreview,
        resolve: (result) => (done(), resolve(result)),
        reject: (error) => (done(), reject(error)),
      });
      signal?.addEventListener("abort", stop);
      try {
        this.send({ id, ...order }, transfer);
      } catch (error) {
        this.waiting.delete(id);
        done();
        reject(new AplantidaError("unreadable", `the photo may not be read: ${(error as Error).message}`));
      }
    });
  }

  /** End the engine; what waits and what is asked later fails with `error`. */
  end(error: AplantidaError): void {
    if (this.ended) return;
    this.ended = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    this.send({ dispose: true });
    this.close();
  }

  private send(message: ToEngine, transfer: Transferable[] = []): void {
    this.line.postMessage(message, transfer);
  }

  private take(data: FromEngine): void {
    const waiting = this.waiting.get(data.id);
    if (!waiting) return;
    if ("preview" in data) {
      waiting.onPreview?.(data.preview, data.at);
      return;
    }
    this.waiting.delete(data.id);
    if ("failure" in data) {
      waiting.reject(new AplantidaError(data.failure.code, data.failure.message, data.failure.file));
    } else waiting.resolve(data.result);
  }
}
