/** The TF.js graph of a bundle on the WebAssembly backend: one photo in, logits out. */

import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { loadGraphModel, type GraphModel } from "@tensorflow/tfjs-converter";
import { enableProdMode, env, io, ready, setBackend, tensor, tidy, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { BundleError, type Bundle } from "./bundle";
import type { Outputs } from "./decide";

let backend: Promise<void> | undefined;

/** Start the backend once; `wasmPath` is the folder (URL or path, with its final slash) of the .wasm files. */
function startBackend(wasmPath: string): Promise<void> {
  backend ??= (async () => {
    enableProdMode();
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    setWasmPaths(wasmPath);
    if (!(await setBackend("wasm"))) throw new BundleError(`WebAssembly did not start from ${wasmPath}`);
    await ready();
  })();
  backend.catch(() => (backend = undefined));
  return backend;
}

async function artifactsOf(
  bundle: Bundle,
  onProgress: (loaded: number, total: number) => void,
): Promise<io.ModelArtifacts> {
  const topology = await bundle.readJson("model/model.json");
  const groups = (topology.weightsManifest ?? []) as io.WeightsManifestConfig;
  const names = groups.flatMap((group) => group.paths.map((path) => `model/${path}`));
  const total = names.reduce((sum, name) => sum + (bundle.manifest.files[name]?.bytes ?? 0), 0);
  const parts: Uint8Array[] = [];
  let done = 0;
  for (const name of names) {
    const bytes = await bundle.read(name, (loaded) => onProgress(done + loaded, total));
    done += bytes.length;
    onProgress(done, total);
    parts.push(bytes);
  }
  const weights = new Uint8Array(done);
  let offset = 0;
  for (const part of parts) {
    weights.set(part, offset);
    offset += part.length;
  }
  return {
    modelTopology: topology.modelTopology,
    format: topology.format,
    generatedBy: topology.generatedBy,
    convertedBy: topology.convertedBy,
    signature: topology.signature,
    weightSpecs: groups.flatMap((group) => group.weights),
    weightData: weights.buffer,
  };
}

/** Run the graph once, which also compiles it; the output of one number per class, and that of features if any. */
function outputNodes(graph: GraphModel, imageSize: number, numClasses: number): [string, string | null] {
  const names = graph.outputNodes;
  const sizes = tidy(() => {
    const results = graph.execute(zeros([1, imageSize, imageSize, 3]), names);
    return (Array.isArray(results) ? results : [results]).map((result) => result.size);
  });
  const fitting = names.filter((_, position) => sizes[position] === numClasses);
  const output = fitting.find((name) => name.replace(/:\d+$/, "") === "logits") ?? fitting[0];
  if (output === undefined) {
    const found = names.map((name, position) => `${name} (${sizes[position]})`).join(", ");
    throw new BundleError(`model.json gives ${found}; classes.json has ${numClasses} classes`);
  }
  const others = names.filter((name) => name !== output);
  const pooled = others.find((name) => name.replace(/:\d+$/, "") === "pooled") ?? (others.length === 1 ? others[0] : null);
  return [output, pooled];
}

/** A loaded graph with its one image input and its logits output. */
export class Model {
  private constructor(
    private readonly graph: GraphModel,
    private readonly output: string,
    private readonly pooled: string | null,
    private readonly shape: [number, number, number, number],
    readonly numClasses: number,
  ) {}

  /**
   * @throws BundleError when a file is missing or altered, or when the graph does not fit `imageSize` and `numClasses`.
   */
  static async load(
    bundle: Bundle,
    imageSize: number,
    numClasses: number,
    wasmPath: string,
    onProgress: (loaded: number, total: number) => void,
  ): Promise<Model> {
    const [artifacts] = await Promise.all([artifactsOf(bundle, onProgress), startBackend(wasmPath)]);
    const graph = await loadGraphModel({ load: async () => artifacts });
    const found = graph.inputs.map((input) => (input.shape ?? []).slice(1).join("x")).join(" and ");
    if (found !== `${imageSize}x${imageSize}x3`) {
      throw new BundleError(`model.json takes ${found}, preprocessing.json gives ${imageSize}x${imageSize}x3`);
    }
    const [output, pooled] = outputNodes(graph, imageSize, numClasses);
    return new Model(graph, output, pooled, [1, imageSize, imageSize, 3], numClasses);
  }

  /** Logits for one prepared photo (H x W x RGB, float32 0..255). */
  logits(input: Float32Array): Float32Array {
    return tidy(() => {
      const result = this.graph.execute(tensor(input, this.shape), this.output) as Tensor;
      return result.dataSync<"float32">().slice();
    });
  }

  /** Logits and pooled features, in one run of the graph. */
  outputs(input: Float32Array): Outputs {
    const { pooled } = this;
    if (pooled === null) return { logits: this.logits(input), features: null };
    return tidy(() => {
      const results = this.graph.execute(tensor(input, this.shape), [this.output, pooled]) as Tensor[];
      const [logits, features] = results.map((result) => result.dataSync<"float32">().slice());
      return { logits, features };
    });
  }

  dispose(): void {
    this.graph.dispose();
  }
}
