/**
 * Bundle the page's and the Node program's files: `node build.mjs DIST METAFILES`, beside node_modules. METAFILES is
 * the folder where esbuild says of each of the page's scripts what went into it. The schemas of decision.json lie beside.
 *
 * Each program is built after those whose digests it carries: index.html knows app.js, app.js knows classifier.js.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const [dist, metafiles] = process.argv.slice(2);
const page = join(dist, "page");
const program = join(dist, "program");

/** TF.js keeps its engine, backends and kernels on globalThis, where a host's TF.js finds them: ours keeps its own. */
const PRIVATE_NAMESPACE = `
const namespace = { atob: (text) => globalThis.atob(text) };
const singletons = new Map();
export function getGlobalNamespace() { return namespace; }
export function getGlobal(key, make) {
  if (!singletons.has(key)) singletons.set(key, make());
  return singletons.get(key);
}`;
const REPLACED = [
  [/tfjs-core[\\/]dist[\\/]global_util\.js$/, PRIVATE_NAMESPACE],
  [/wasm-out[\\/]tfjs-backend-wasm-threaded-simd\.js$/, "export default undefined;"],
  [/wasm-out[\\/]tfjs-backend-wasm-threaded-simd\.worker\.js$/, "export const wasmWorkerContents = '';"],
];
const replaced = new Set();
const guest = {
  name: "guest",
  setup({ onLoad }) {
    for (const [filter, contents] of REPLACED) {
      onLoad({ filter }, () => {
        replaced.add(contents);
        return { contents, loader: "js" };
      });
    }
  },
};

/** By the format that each describes. */
const schemas = readdirSync(".")
  .filter((file) => /^decision-\d+\.schema\.json$/.test(file))
  .sort()
  .map((file) => JSON.parse(readFileSync(file, "utf8")));
const define = { DECISION_SCHEMAS: JSON.stringify(Object.fromEntries(schemas.map((schema) => [schema.title, schema]))) };

const browser = { define, bundle: true, minify: true, target: "es2022", format: "esm", legalComments: "linked", logLevel: "warning" };
const node = { define, bundle: true, minify: true, platform: "node", mainFields: ["module", "main"], format: "cjs", logLevel: "warning" };

function integrity(file) {
  return `sha256-${createHash("sha256").update(readFileSync(file)).digest("base64")}`;
}

async function script(name, options = {}) {
  const outfile = join(page, `${name}.js`);
  const entryPoints = [`src/${name}.ts`];
  const { metafile } = await build({ ...browser, entryPoints, outfile, plugins: [guest], metafile: true, ...options });
  writeFileSync(join(metafiles, `${name}.json`), JSON.stringify(metafile));
  return integrity(outfile);
}

for (const folder of [page, metafiles]) mkdirSync(folder, { recursive: true });
await script("engine");
if (replaced.size !== REPLACED.length) throw new Error("TF.js is not laid out as build.mjs expects: see REPLACED");
await script("service-worker");
const classifier = await script("classifier");
const app = await script("app", { define: { ...define, CLASSIFIER_INTEGRITY: JSON.stringify(classifier) } });
await build({
  ...node,
  entryPoints: ["src/node-main.ts"],
  outfile: join(program, "predict-node.cjs"),
  plugins: [guest],
});

const boot = readFileSync("src/boot.js", "utf8").trim();
const bootDigest = createHash("sha256").update(boot).digest("base64");
const index = readFileSync("public/index.html", "utf8")
  .replace("BOOT_DIGEST", bootDigest)
  .replace("BOOT_SCRIPT", () => boot)
  .replace("APP_INTEGRITY", app);
writeFileSync(join(page, "index.html"), index);

/** One file of types without imports, so that it stands alone. */
const types = ["api", "errors", "classifier"].map((name) => readFileSync(join("types", `${name}.d.ts`), "utf8"));
const alone = types.join("\n").split("\n").filter((line) => !/^(import\b.*|export .*) from /.test(line) && line !== "export {};");
writeFileSync(join(page, "classifier.d.ts"), alone.join("\n"));
