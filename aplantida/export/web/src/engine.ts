/**
 * The program that looks at photos. In a worker it serves the page that started it; where there can be no worker, the
 * page imports it and calls `serve` with its end of a channel.
 */

import { AplantidaError } from "./errors";
import { Bundle, BundleError } from "./bundle";
import type { PhotoOutputs, Prediction } from "./api";
import { open, outputsOf, type Parts } from "./core";
import { checkedCount } from "./count";
import { checkWidths } from "./outputs";
import { placesOf } from "./places";
import { decide, fuse } from "./decide";
import { decode, type Decoded } from "./decode";
import { letGo } from "./given";
import { prepare } from "./preprocess";
import { PROTOCOL, WORKER_NAME, type Failure, type Given, type Line, type Order, type ToEngine } from "./protocol";

type Numbered = { readonly id: number } & Order;
type Look = Extract<Numbered, { op: "classify" | "outputs" }>;
type Decide = Pick<Extract<Numbered, { op: "decide" }>, "outputs" | "k" | "place">;

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
  private over = false;
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly line: Line) {
    line.onmessage = ({ data }: MessageEvent<ToEngine>) => {
      if ("cancel" in data) this.cancelled.add(data.cancel);
      else if ("dispose" in data) this.end();
      else this.turn = this.turn.then(() => this.answer(data));
    };
  }

  /** What waits is let go of at once; the model, once what runs has ended. */
  private end(): void {
    this.over = true;
    this.turn = this.turn.then(() => this.parts?.model.dispose());
  }

  /** Whether nobody waits for an order any more. */
  private unwanted(id: number): boolean {
    return this.over || this.cancelled.has(id);
  }

  private async answer(order: Numbered): Promise<void> {
    const { id } = order;
    await breath();
    try {
      if (this.unwanted(id)) return;
      const [result, transfer] = await this.resultOf(order);
      this.line.postMessage({ id, result }, transfer);
    } catch (error) {
      this.line.postMessage({ id, failure: failureOf(error, order.op) }, []);
    } finally {
      this.cancelled.delete(id);
      letGo("photos" in order ? order.photos : "photo" in order ? [order.photo] : []); // looked at or not
    }
  }

  private async resultOf(order: Numbered): Promise<[unknown, Transferable[]]> {
    if (order.op === "open") return [await this.open(order), []];
    const { parts } = this;
    if (!parts) throw new BundleError("the bundle was not opened");
    if (order.op === "logitsOfInput") return floats(parts.model.logits(order.input));
    if (order.op === "decide") {
      checkWidths(order.outputs, parts.model.numFeatures);
      return [this.decide(parts, order), []];
    }
    if ("photos" in order) {
      if (order.op === "classify") checkedCount(order.k);
      const outputs = await this.look(parts, order);
      if (outputs === null) return [null, []];
      if (order.op === "classify") return [this.decide(parts, { ...order, outputs }), []];
      return [outputs, outputs.flatMap(({ logits, features }) => (features ? [logits.buffer, features.buffer] : [logits.buffer]))];
    }
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
    const names = classes.map((plant) => plant.class_id).join("\n");
    return { names, places: placesOf(classes).join("\n"), threshold: decision.threshold };
  }

  /** What the model makes of each photo; null when nobody waits for it any more. */
  private async look(parts: Parts, { id, photos, preview }: Look): Promise<PhotoOutputs[] | null> {
    const found: PhotoOutputs[] = [];
    const { digest } = parts.bundle;
    for (const [at, given] of photos.entries()) {
      const photo = await decoded(given, at, photos.length);
      try {
        if (preview) this.line.postMessage({ id, preview: await photo.preview(), at }, []);
        await breath();
        if (this.unwanted(id)) return null;
        const start = performance.now();
        const outputs = outputsOf(parts, photo.source);
        found.push({ ...outputs, milliseconds: performance.now() - start, digest });
      } finally {
        photo.close();
      }
    }
    return found;
  }

  /** The model is not run for it. */
  private decide(parts: Parts, { outputs, k, place }: Decide): Prediction {
    const start = performance.now();
    const answer = decide(fuse(outputs), parts.classes, parts.decision, checkedCount(k), place);
    const looked = outputs.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    return { ...answer, milliseconds: looked + performance.now() - start };
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

/** Of several photos the one that cannot be read is named. */
async function decoded(given: Given, at: number, count: number): Promise<Decoded> {
  try {
    return await decode(given);
  } catch (error) {
    if (count === 1 || !(error instanceof AplantidaError)) throw error;
    throw new AplantidaError(error.code, `photo ${at + 1} of ${count}: ${error.message}`, error.file);
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
