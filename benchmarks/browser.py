"""The classifier in Chromium against plain TF.js on the same model: waits, how long a page stands still, bytes.

The bundle has 9,000 classes and a head of rank 96, its weights are untrained. The peer is TF.js as its pages tell: its
own scripts, `loadGraphModel`, the same WebAssembly backend, the canvas' own resize, on the main thread. A gap is the
longest time between two turns of the main thread while the model loads and a photo of 12 megapixels is looked at.
Figures are medians of fresh visits, taken in turns; Chromium slows the main thread down, and no worker. Bytes are
bodies sent by the server on a page's first visit.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import BrowserContext

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.preprocessing import Preprocessing
from aplantida.export.browser import chromium
from aplantida.export.bundle import bundle_json
from aplantida.export.web_build import build_web, copy_page
from benchmarks.bundle_size import IMAGE_SIZE, NUM_CLASSES, STUDENTS, build
from benchmarks.report import Row, show

ROUNDS, WARM_RUNS = 5, 10
GAP, GAP_AT_4X = 50, 150
POLICIES = ("no-cache", "no-store", "max-age=3600")
SCRIPTS = ("tf-core", "tf-converter", "tf-backend-wasm")
BLANK = b"<!doctype html><html lang=en><title>An app</title><link rel=icon href=data:,>"
PEER = """async () => {
  for (const name of SCRIPTS) {
    await new Promise((resolve) => {
      const script = Object.assign(document.createElement("script"), { src: `/peer/${name}.min.js`, onload: resolve });
      document.head.append(script);
    });
  }
  tf.wasm.setWasmPaths("/peer/");
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  await tf.setBackend("wasm");
  const model = await tf.loadGraphModel("/bundle/model/model.json");
  const size = IMAGE_SIZE;
  const drawing = Object.assign(document.createElement("canvas"), { width: size, height: size }).getContext("2d");
  return { async classify(blob) {
    const image = await createImageBitmap(blob);
    drawing.drawImage(image, 0, 0, size, size);
    const { data } = drawing.getImageData(0, 0, size, size);
    const input = Float32Array.from({ length: size * size * 3 }, (_, at) => data[4 * Math.floor(at / 3) + (at % 3)]);
    return tf.tidy(() => [model.execute(tf.tensor(input, [1, size, size, 3]))].flat()[0].dataSync());
  } };
}""".replace("IMAGE_SIZE", str(IMAGE_SIZE)).replace("SCRIPTS", str(list(SCRIPTS)))
OURS = """async () => (await import("/bundle/classifier.js")).load("/bundle/", { worker: WORKER, keep: false })"""
VISIT = """async ([make, runs]) => {
  const photo = async (name) => (await fetch("/photos/" + name)).blob();
  const [large, small] = [await photo("large.jpg"), await photo("small.jpg")];
  let longest = 0, last = performance.now(), running = true;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) port2.postMessage(0);
  };
  port2.postMessage(0);
  const start = performance.now();
  const classifier = await (0, eval)(make)();
  await classifier.classify(small);
  const cold = performance.now() - start;
  await classifier.classify(large);
  running = false;
  const warm = [];
  for (let run = 0; run < runs; run++) {
    const begun = performance.now();
    await classifier.classify(small);
    warm.push(performance.now() - begun);
  }
  return { gap: longest, cold, warm: warm.sort((a, b) => a - b)[runs >> 1] };
}"""
WAYS = {
    "worker": OURS.replace("WORKER", "true"),
    "main thread": OURS.replace("WORKER", "false"),
    "plain TF.js": PEER,
}


def main() -> None:
    """Build the bundle once, then measure."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_bundle(root)
        write_photos(root / "photos")
        write_peer(root / "peer")
        (root / "index.html").write_bytes(BLANK)
        show([*waits(root), *first_visits(root)])


def write_bundle(root: Path) -> None:
    """A bundle without credits and golden photos, its model as the export makes it."""
    folder = root / "bundle"
    folder.mkdir()
    build(root / "work", STUDENTS[0])
    shutil.copytree(root / "work" / "model", folder / "model")
    shutil.rmtree(root / "work")
    names = [f"Species {chr(97 + n // 26 % 26)}{chr(97 + n % 26)}{n:04d}" for n in range(NUM_CLASSES)]
    plants = (PlantClass(class_id=name, genus="Species", family="Familia", common_names=()) for name in names)
    ClassIndex.of(plants).save(folder / "classes.json")
    texts: dict[str, Any] = {
        "preprocessing.json": Preprocessing(image_size=IMAGE_SIZE).to_json(),
        "decision.json": {"format": "aplantida.decision/1", "temperature": 1.0, "threshold": 0.5},
    }
    for file, content in texts.items():
        (folder / file).write_text(json.dumps(content), encoding="utf-8")
    copy_page(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    entries = {
        path.relative_to(folder).as_posix(): (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    }
    (folder / "bundle.json").write_text(json.dumps(bundle_json("bench", "v1", {}, {}, entries)), encoding="utf-8")


def write_photos(folder: Path) -> None:
    """A photo of 12 megapixels and one of 0.3."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for name, size in (("large", (4000, 3000)), ("small", (640, 480))):
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(folder / f"{name}.jpg", quality=90)


def write_peer(folder: Path) -> None:
    """TF.js' own scripts, of the version that the bundle has inside."""
    folder.mkdir()
    packages = next(build_web().page.parents[1].glob("npm-*/node_modules/@tensorflow"))
    for name in SCRIPTS:
        shutil.copyfile(packages / name.replace("tf-", "tfjs-") / "dist" / f"{name}.min.js", folder / f"{name}.min.js")
    for wasm in packages.glob("tfjs-backend-wasm/dist/*.wasm"):
        shutil.copyfile(wasm, folder / wasm.name)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}  # noqa: RUF012

    def __init__(self, *args: Any, policy: str, sent: dict[str, int], **kwargs: Any) -> None:
        self._policy, self._sent = policy, sent
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", self._policy)
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        name = Path(source.name).name
        self._sent[name] = self._sent.get(name, 0) + Path(source.name).stat().st_size
        super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path, policy: str) -> Iterator[tuple[str, dict[str, int]]]:
    """The folder's address, and the bytes sent by file name."""
    sent: dict[str, int] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder), policy=policy, sent=sent))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", sent
    finally:
        server.shutdown()
        server.server_close()


def visit(context: BrowserContext, url: str, make: str, rate: int) -> dict[str, float]:
    """One visit, the photos and scripts in HTTP's cache; milliseconds."""
    page = context.new_page()
    page.goto(url)
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})
    found = page.evaluate(VISIT, [make, WARM_RUNS])
    page.close()
    return found


def waits(root: Path) -> list[Row]:
    """Cold, warm and gaps of every way, at full speed and at a quarter of it."""
    rows = []
    with chromium() as context, served(root, "max-age=3600") as (url, _):
        for rate, most in ((1, GAP), (4, GAP_AT_4X)):
            rounds = [{way: visit(context, url, make, rate) for way, make in WAYS.items()} for _ in range(ROUNDS + 1)]
            medians = {
                way: {key: statistics.median(one[way][key] for one in rounds[1:]) for key in ("gap", "cold", "warm")}
                for way in WAYS
            }
            for way in ("worker", "main thread"):
                ours, peer = medians[way], medians["plain TF.js"]
                for key, what in (("gap", "longest gap"), ("cold", "load and first answer"), ("warm", "an answer")):
                    goal = round(peer[key] / most, 2) if way == "worker" and key == "gap" else None
                    note = f"peer: plain TF.js; {ROUNDS} visits" + (f"; at most {most} ms is wanted" if goal else "")
                    title = f"{what}, {way}, {rate}x slower" if rate > 1 else f"{what}, {way}"
                    rows.append(Row(title, ours[key], peer[key], "ms", peer[key] / ours[key], goal, note))
    return rows


def first_visits(root: Path) -> list[Row]:
    """Bytes of the bundle's own page until it works offline, by the server's cache policy."""
    files = json.loads((root / "bundle" / "bundle.json").read_text(encoding="utf-8"))["files"]
    weights = files["model/weights.bin"]["bytes"]
    rows = []
    for policy in POLICIES:
        with chromium() as context, served(root, policy) as (url, sent):
            page = context.new_page()
            page.goto(f"{url}bundle/")
            page.wait_for_selector("html[data-offline=ready]", timeout=120_000)
            page.wait_for_timeout(1000)
            note = f"peer: their size once; {sum(sent.values())} bytes of everything"
            what = f"bytes of weights until offline, Cache-Control: {policy}"
            rows.append(Row(what, sent["weights.bin"], weights, "bytes", weights / sent["weights.bin"], 1.0, note))
    return rows


if __name__ == "__main__":
    main()
