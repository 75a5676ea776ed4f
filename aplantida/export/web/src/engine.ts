/**
 * The program that looks at photos. In a worker it serves the page that started it; where there can be no worker, the
 * page imports it and calls `serve` with its end of a channel.
 */

import { AplantidaError } from "./errors";
import { Bundle, BundleError } from "./bundle";
import { open, type Parts } from "./core";
import { checkedCount } from "./count";
import { decide } from "./decide";
import { decode } from "./decode";
import { prepare } from "./preprocess";
import { PROTOCOL, WORKER_NAME, type Failure, type Given, type Line, type Order, type ToEngine } from "./protocol";

type Numbered = { readonly id: number } & Order;

/** Let messages in, a cancellation above all. */
function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** What fails without a code is the bundle's fault while it is opened, and this thread's later: its memory, say. */
function failureOf(error: unknown, op: Order["op"]): Failure {
  if (error instanceof AplantidaError) return { code: error.code, message: error.message, file: error.file };
  return { code: op === "open" ? "bundle" : "worker", message: (error as Error)?.message ?? String(error) };
}

class Engine {
  private parts: Parts | undefined;
  private readonly cancelled = new Set<number>();
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly line: Line) {
    line.onmessage = ({ data }: MessageEvent<ToEngine>) => {
      if ("cancel" in data) this.cancelled.add(data.cancel);
      else if ("dispose" in data) this.turn = this.turn.then(() => this.parts?.model.dispose());
      else this.turn = this.turn.then(() => this.answer(data));
    };
  }

  private async answer(order: Numbered): Promise<void> {
    const { id } = order;
    await breath();
    try {
      if (this.cancelled.has(id)) return;
      const [result, transfer] = await this.resultOf(order);
      this.line.postMessage({ id, result }, transfer);
    } catch (error) {
      this.line.postMessage({ id, failure: failureOf(error, order.op) }, []);
    } finally {
      this.cancelled.delete(id);
    }
  }

  private async resultOf(order: Numbered): Promise<[unknown, Transferable[]]> {
    if (order.op === "open") return [await this.open(order), []];
    const { parts } = this;
    if (!parts) throw new BundleError("the bundle was not opened");
    if (order.op === "logitsOfInput") return floats(parts.model.logits(order.input));
    if (order.op === "classify") return [await this.classify(parts, order), []];
    const input = await this.input(parts, order.photo);
    return floats(order.op === "prepare" ? input : parts.model.logits(input));
  }

  private async open(order: Extract<Order, { op: "open" }>): Promise<unknown> {
    if (order.protocol !== PROTOCOL) {
      throw new BundleError(`engine.js speaks version ${PROTOCOL}, classifier.js ${order.protocol}`, "engine.js");
    }
    const file = async (name: string) => {
      const bytes = order.files.get(name);
      if (!bytes) throw new BundleError(`${name} was not given`, name);
      return bytes;
    };
    this.parts = await open(new Bundle(order.manifest, order.digest, { file }));
    const { classes, decision } = this.parts;
    return { names: classes.map((plant) => plant.class_id).join("\n"), threshold: decision.threshold };
  }

  private async classify(parts: Parts, order: Extract<Numbered, { op: "classify" }>): Promise<unknown> {
    const k = checkedCount(order.k);
    const photo = await decode(order.photo);
    try {
      if (order.preview) this.line.postMessage({ id: order.id, preview: await photo.preview() }, []);
      await breath();
      if (this.cancelled.has(order.id)) return null;
      const start = performance.now();
      const input = prepare(photo.source, parts.preprocessing);
      const answer = decide(parts.model.logits(input), parts.classes, parts.decision, k);
      return { ...answer, milliseconds: performance.now() - start };
    } finally {
      photo.close();
    }
  }

  private async input(parts: Parts, given: Given): Promise<Float32Array> {
    const photo = await decode(given);
    try {
      return prepare(photo.source, parts.preprocessing);
    } finally {
      photo.close();
    }
  }
}

function floats(values: Float32Array): [Float32Array, Transferable[]] {
  return [values, [values.buffer]];
}

/** Answer what comes over the line. */
export function serve(line: Line): void {
  void new Engine(line);
}

/** The first words of a worker: it runs. */
if (typeof document === "undefined" && self.name === WORKER_NAME) {
  serve(self as unknown as Line);
  postMessage("hello");
}
