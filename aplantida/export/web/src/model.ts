/** The TF.js graph of a bundle on the WebAssembly backend: one photo in, logits and features out. */

import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { loadGraphModel, type GraphModel } from "@tensorflow/tfjs-converter";
import {
  enableProdMode,
  env,
  findBackendFactory,
  getKernelsForBackend,
  io,
  ready,
  registerBackend,
  removeBackend,
  setBackend,
  tensor,
  tidy,
  zeros,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { AplantidaError } from "./errors";
import { BundleError, type Bundle } from "./bundle";
import type { Outputs } from "./decide";
import { wasmFile } from "./files";

/** A module without content: whether it compiles says whether any may. */
const EMPTY_MODULE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const START_LIMIT = 60_000;

/** TF.js' own, which `PLATFORM` falls back on. */
const { platform } = env();
/** The checked WebAssembly file, for as long as the backend starts. */
let program: Uint8Array<ArrayBuffer> | null = null;
/** How TF.js gets at the world: whatever it asks for is `program`. */
const PLATFORM: typeof platform = {
  fetch: async () => new Response(program, { headers: { "Content-Type": "application/wasm" } }),
  now: () => performance.now(),
  encode: (text, encoding) => platform.encode(text, encoding),
  decode: (values, encoding) => platform.decode(values, encoding),
  isTypedArray: (value): value is Float32Array | Int32Array | Uint8Array | Uint8ClampedArray =>
    ArrayBuffer.isView(value) && !(value instanceof DataView),
};

let backend: Promise<void> | undefined;
/** Models that live on the backend, or are about to. */
let users = 0;

/**
 * @throws AplantidaError "csp" where the page forbids WebAssembly, "wasm" where the browser has none
 */
async function checkWebAssembly(): Promise<void> {
  if (typeof WebAssembly !== "object") throw new AplantidaError("wasm", "this browser has no WebAssembly");
  try {
    await WebAssembly.compile(EMPTY_MODULE);
  } catch (error) {
    const { message } = error as Error;
    if (!/content security policy|unsafe-eval|CSP/i.test(message)) throw new AplantidaError("wasm", message);
    const advice = "add 'wasm-unsafe-eval' to the script-src of the page's Content-Security-Policy";
    throw new AplantidaError("csp", `this page's Content-Security-Policy forbids WebAssembly: ${advice}`);
  }
}

/** Fail when the backend neither starts nor says why: its own code leaves some failures unanswered. */
function timely<Result>(work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new AplantidaError("wasm", `WebAssembly did not start within ${START_LIMIT / 1000} s`));
    const timer = setTimeout(late, START_LIMIT);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Start the backend once, from the bundle's own, checked bytes. TF.js is private to this program (build.mjs). */
function startBackend(bundle: Bundle): Promise<void> {
  backend ??= (async () => {
    await checkWebAssembly();
    program = await bundle.read(wasmFile());
    enableProdMode();
    env().setPlatform("aplantida", PLATFORM);
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    setWasmPaths("", true);
    if (!(await timely(setBackend("wasm")))) throw new AplantidaError("wasm", "WebAssembly did not start");
    await ready();
  })();
  backend.catch(() => (backend = undefined)).finally(() => (program = null));
  return backend;
}

/**
 * One model fewer. The last ends the backend, and lets go of its memory: TF.js' kernels hold the functions of the last
 * WebAssembly instance, and with them its 16 MB and more, until they are set up anew.
 */
function leave(): void {
  if (--users > 0) return;
  const factory = findBackendFactory("wasm");
  removeBackend("wasm");
  registerBackend("wasm", factory); // for a later model
  backend = undefined;
  for (const { setupFunc } of getKernelsForBackend("wasm")) setupFunc?.({ wasm: { cwrap: () => undefined } });
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

async function artifactsOf(bundle: Bundle): Promise<io.ModelArtifacts> {
  const topology = await bundle.readJson("model/model.json");
  const groups = (topology.weightsManifest ?? []) as io.WeightsManifestConfig;
  const names = groups.flatMap((group) => group.paths.map((path) => `model/${path}`));
  const weights: Uint8Array[] = [];
  for (const name of names) weights.push(await bundle.read(name));
  return {
    modelTopology: topology.modelTopology,
    format: topology.format,
    generatedBy: topology.generatedBy,
    convertedBy: topology.convertedBy,
    signature: topology.signature,
    weightSpecs: groups.flatMap((group) => group.weights),
    weightData: joined(weights).buffer,
  };
}

/** An output of the graph. */
interface Node {
  readonly name: string;
  /** Numbers that it gives for one photo. */
  readonly size: number;
}

/** Run the graph once, which also compiles it; the output of one number per class, and that of features if any. */
function outputNodes(graph: GraphModel, imageSize: number, numClasses: number): [Node, Node | null] {
  const names = graph.outputNodes;
  const sizes = tidy(() => {
    const results = graph.execute(zeros([1, imageSize, imageSize, 3]), names);
    return (Array.isArray(results) ? results : [results]).map((result) => result.size);
  });
  const nodes = names.map((name, position) => ({ name, size: sizes[position] }));
  const called = (wanted: string) => (node: Node) => node.name.replace(/:\d+$/, "") === wanted;
  const fitting = nodes.filter(({ size }) => size === numClasses);
  const output = fitting.find(called("logits")) ?? fitting[0];
  if (output === undefined) {
    const found = nodes.map(({ name, size }) => `${name} (${size})`).join(", ");
    throw new BundleError(`model.json gives ${found}; classes.json has ${numClasses} classes`);
  }
  const others = nodes.filter((node) => node !== output);
  const pooled = others.find(called("pooled")) ?? (others.length === 1 ? others[0] : null);
  return [output, pooled];
}

/** The graph's outputs; a graph that takes or gives something else than the bundle says is refused. */
function fitting(graph: GraphModel, imageSize: number, numClasses: number): [Node, Node | null] {
  const found = graph.inputs.map((input) => (input.shape ?? []).slice(1).join("x")).join(" and ");
  if (found !== `${imageSize}x${imageSize}x3`) {
    throw new BundleError(`model.json takes ${found}, preprocessing.json gives ${imageSize}x${imageSize}x3`);
  }
  return outputNodes(graph, imageSize, numClasses);
}

/** A loaded graph with its one image input and its logits output. */
export class Model {
  private constructor(
    private readonly graph: GraphModel,
    private readonly output: Node,
    private readonly pooled: Node | null,
    private readonly shape: [number, number, number, number],
  ) {}

  /**
   * @throws BundleError when a file is missing or altered, or when the graph does not fit `imageSize` and `numClasses`.
   */
  static async load(
    bundle: Bundle,
    imageSize: number,
    numClasses: number,
  ): Promise<Model> {
    users++;
    let graph: GraphModel | undefined;
    try {
      const [artifacts] = await Promise.all([artifactsOf(bundle), startBackend(bundle)]);
      graph = await loadGraphModel({ load: async () => artifacts });
      const [output, pooled] = fitting(graph, imageSize, numClasses);
      return new Model(graph, output, pooled, [1, imageSize, imageSize, 3]);
    } catch (error) {
      graph?.dispose();
      leave();
      throw error;
    }
  }

  private live = true;

  /** Pooled features of a photo; null where the graph gives none. */
  get numFeatures(): number | null {
    return this.pooled?.size ?? null;
  }

  /** Logits for one prepared photo (H x W x RGB, float32 0..255). */
  logits(input: Float32Array): Float32Array {
    return this.run(input, [this.output.name])[0];
  }

  /** Logits and pooled features, in one run of the graph. */
  outputs(input: Float32Array): Outputs {
    const names = this.pooled === null ? [this.output.name] : [this.output.name, this.pooled.name];
    const [logits, features = null] = this.run(input, names);
    return { logits, features };
  }

  private run(input: Float32Array, names: string[]): Float32Array[] {
    const wanted = this.shape.reduce((product, side) => product * side, 1);
    if (input.length !== wanted) {
      throw new AplantidaError("argument", `the input has ${input.length} values; ${this.shape.join("x")} are ${wanted}`);
    }
    return tidy(() => {
      const results = this.graph.execute(tensor(input, this.shape), names) as Tensor | Tensor[];
      return [results].flat().map((result) => result.dataSync<"float32">().slice());
    });
  }

  /** Free the weights, and the backend with its memory when no other model uses it. */
  dispose(): void {
    if (!this.live) return;
    this.live = false;
    this.graph.dispose();
    leave();
  }
}
