"""Who else runs the bundle's model in a page: TF.js, ONNX Runtime Web and LiteRT.js, as their pages tell.

Each is kindly used: its build for WebAssembly alone, minified; weights in float16 as in the bundle; one thread, for the
page is not isolated. All prepare a photo alike: ``createImageBitmap``, the canvas' own resize, a loop over its bytes.
In a worker they do the whole of it there, on an ``OffscreenCanvas``. LiteRT.js takes its build for relaxed SIMD where a
browser has it, else ``litert_wasm_compat_internal`` without SIMD; the files of the others say what they are for.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from aplantida.export.tensorflow import SIGNATURE
from aplantida.export.web_build import build_web, node_executable
from benchmarks.browser_models import write_onnx, write_tflite
from benchmarks.bundle_size import IMAGE_SIZE
from benchmarks.peers import peer_packages

TFJS_SCRIPTS = ("tf-core", "tf-converter", "tf-backend-wasm")
ORT, LITERT, ESBUILD = "onnxruntime-web@1.30.0", "@litertjs/core@2.5.3", "esbuild@0.28.2"
LITERT_LOADER = "@litertjs/wasm-utils@2.5.3"

# SCRIPTS, LOAD and ANSWER are a peer's own: `look` gives the logits of (S, S, 4) bytes
_PEER = """async () => {
  const size = IMAGE_SIZE, inPage = typeof document !== "undefined";
  for (const src of SCRIPTS) {
    if (!inPage) importScripts(src);
    else await new Promise((resolve, reject) => {
      const onerror = () => reject(new Error(`${src} did not load`));
      document.body.append(Object.assign(document.createElement("script"), { src, onload: resolve, onerror }));
    });
  }
  const canvas = inPage ? Object.assign(document.createElement("canvas"), { width: size, height: size })
    : new OffscreenCanvas(size, size);
  const drawing = canvas.getContext("2d");
  LOAD
  const look = async (data) => {
    const input = new Float32Array(3 * size * size);
    ANSWER
  };
  return { async classify(blob) {
    drawing.drawImage(await createImageBitmap(blob), 0, 0, size, size);
    return look(drawing.getImageData(0, 0, size, size).data);
  } };
}""".replace("IMAGE_SIZE", str(IMAGE_SIZE))
_LAST = (
    "for (let from = 0, to = 0; to < input.length; from += 4) for (let c = 0; c < 3; c++) input[to++] = data[from + c];"
)
_PLANES = """const plane = size * size;
    for (let at = 0; at < plane; at++) for (let c = 0; c < 3; c++) input[c * plane + at] = data[4 * at + c];"""

_TFJS_LOAD = """tf.wasm.setWasmPaths("/peer/tfjs/");
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  await tf.setBackend("wasm");
  const model = await tf.loadGraphModel("/bundle/model/model.json");"""
_TFJS_ANSWER = f"""{_LAST}
    return tf.tidy(() => model.execute(tf.tensor(input, [1, size, size, 3]), "logits").dataSync());"""
_ORT_LOAD = """ort.env.wasm.wasmPaths = "/peer/ort/";
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create("/peer/ort/model.onnx", { executionProviders: ["wasm"] });"""
_ORT_ANSWER = f"""{_PLANES}
    const {{ logits }} = await session.run({{ image: new ort.Tensor("float32", input, [1, 3, size, size]) }});
    return logits.data;"""
_LITERT_LOAD = """await litert.loadLiteRt("/peer/litert/");
  const model = await litert.loadAndCompile("/peer/litert/model.tflite", { accelerator: "wasm" });"""
_LITERT_ANSWER = f"""{_LAST}
    const image = new litert.Tensor(input, [1, size, size, 3]);
    const found = await model.run("{SIGNATURE}", {{ image }});
    const logits = found.logits.toTypedArray().slice();
    for (const tensor of [image, ...Object.values(found)]) tensor.delete();
    return logits;"""

_WORKER_FILE = """let peer;
onmessage = async ({ data: [make, blob] }) => {
  try {
    if (make) peer = await (0, eval)(make)();
    postMessage([blob ? await peer.classify(blob) : null]);
  } catch (error) {
    postMessage([null, String(error)]);
  }
};
"""
_IN_WORKER = """async () => {
  const worker = new Worker("FOLDER/worker.js");
  const ask = (question) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data: [answer, error] }) => error ? reject(new Error(error)) : resolve(answer);
    worker.postMessage(question);
  });
  await ask([MAKE, null]);
  return { classify: (blob) => ask([null, blob]) };
}"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to the same answer.

    Attributes:
        name: as its makers call it, with its version.
        folder: where its files are served.
        make: JavaScript, an async function: ``{classify(blob)}``, which gives all logits.
        missing: why it cannot be had; empty when it can.
    """

    name: str
    folder: str
    make: str
    missing: str = ""

    @property
    def in_worker(self) -> str:
        """``make``, run in a worker."""
        return _IN_WORKER.replace("FOLDER", self.folder).replace("MAKE", json.dumps(self.make))


def write_peers(root: Path, work: Path) -> list[Peer]:
    """Each peer's scripts and model in a folder of ``root/peer``; plain TF.js first.

    Args:
        root: what is served; the bundle is in ``bundle``.
        work: holds ``model.onnx`` and ``saved_model`` of the bundle's model.
    """
    peers = []
    tfjs_scripts = [f"{name}.min.js" for name in TFJS_SCRIPTS]
    for name, write, scripts, load, answer in (
        ("plain TF.js", _write_tfjs, tfjs_scripts, _TFJS_LOAD, _TFJS_ANSWER),
        (f"ONNX Runtime Web {_version(ORT)}", _write_ort, ["ort.wasm.min.js"], _ORT_LOAD, _ORT_ANSWER),
        (f"LiteRT.js {_version(LITERT)}", _write_litert, ["litert.js"], _LITERT_LOAD, _LITERT_ANSWER),
    ):
        address = f"/peer/{write.__name__.removeprefix('_write_')}"
        folder = root / address.lstrip("/")
        folder.mkdir(parents=True)
        (folder / "worker.js").write_text(_WORKER_FILE, encoding="utf-8")
        missing = ""
        try:
            write(folder, work)
        except RuntimeError as error:
            missing = str(error)
        own = {"SCRIPTS": str([f"{address}/{script}" for script in scripts]), "LOAD": load, "ANSWER": answer}
        make = _PEER
        for word, text in own.items():
            make = make.replace(word, text)
        peers.append(Peer(name, address, make, missing))
    return peers


def _version(requirement: str) -> str:
    return requirement.rpartition("@")[2]


def _write_tfjs(folder: Path, _work: Path) -> None:
    """TF.js' own scripts, of the version that the bundle has inside; the model is the bundle's."""
    packages = next(build_web().page.parents[1].glob("npm-*/node_modules/@tensorflow"))
    for name in TFJS_SCRIPTS:
        shutil.copyfile(packages / name.replace("tf-", "tfjs-") / "dist" / f"{name}.min.js", folder / f"{name}.min.js")
    for wasm in packages.glob("tfjs-backend-wasm/dist/*.wasm"):
        shutil.copyfile(wasm, folder / wasm.name)


def _write_ort(folder: Path, work: Path) -> None:
    """The build for WebAssembly alone; what it fetches besides is named by itself."""
    packages = peer_packages("onnxruntime-web", ORT) / "onnxruntime-web" / "dist"
    for name in ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"):
        shutil.copyfile(packages / name, folder / name)
    write_onnx(work / "model.onnx", folder / "model.onnx")


def _write_litert(folder: Path, work: Path) -> None:
    """Its modules bundled to one script, as an app's bundler would, and all its WebAssembly to choose from."""
    packages = peer_packages("litertjs", LITERT, LITERT_LOADER, ESBUILD)
    entry = packages / "@litertjs" / "core" / "dist" / "index.js"
    flags = ("--bundle", "--minify", "--format=iife", "--global-name=litert", f"--outfile={folder / 'litert.js'}")
    command = [node_executable(), packages / "esbuild" / "bin" / "esbuild", entry, *flags, "--log-level=error"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{LITERT} cannot be bundled: {done.stderr[-1000:]}")
    for path in (packages / "@litertjs" / "core" / "wasm").iterdir():
        shutil.copyfile(path, folder / path.name)
    write_tflite(work / "saved_model", folder / "model.tflite")
