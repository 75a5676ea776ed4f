"""The classifier in Chromium against plain TF.js on the same model: waits, how long a page stands still, bytes.

The bundle has 9,000 classes and a head of rank 96, its weights are untrained. The peer is TF.js as its pages tell: its
own scripts, `loadGraphModel`, the same WebAssembly backend, the canvas' own resize, on the main thread. A gap is the
longest time between two turns of the main thread while the model loads and a photo of 12 megapixels is looked at.
Figures are medians of fresh visits, taken in turns; Chromium slows the main thread down, and no worker. Bytes are
bodies sent by the server on a page's first visit.

What the rules of a decision cost: a photo's whole answer, from file to words, with a decision of version 2 of which
every rule is asked and none holds (two gates on features, a place, roll-up, sets), against the same bundle with a
decision of version 1; in one page, in turns.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from math import nan
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext

from aplantida.export.browser import chromium
from aplantida.export.web_build import build_web
from benchmarks.browser_bundle import PLACE, write_bundle, write_photos, write_ruled
from benchmarks.bundle_size import IMAGE_SIZE
from benchmarks.report import Row, show

ROUNDS, WARM_RUNS, RULED_RUNS = 5, 10, 200
LONGER = 1.1
GAP, GAP_AT_4X = 50, 150
POLICIES = ("no-cache", "no-store", "max-age=3600")
SCRIPTS = ("tf-core", "tf-converter", "tf-backend-wasm")
# peers that this benchmark has no package of, and what they would need of the model
NOT_HERE = {"ONNX Runtime Web": "the model.onnx of the export", "LiteRT.js": "the model as .tflite"}
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
BOTH = """async ([folders, place, runs]) => {
  const blob = await (await fetch("/photos/small.jpg")).blob();
  const both = [];
  for (const folder of folders) {
    both.push(await (await import(folder + "classifier.js")).load(folder, { keep: false }));
  }
  const times = folders.map(() => []);
  const rules = [];
  for (let run = -10; run < runs; run++) {
    for (const [at, classifier] of both.entries()) {
      const begun = performance.now();
      const { rule } = await classifier.classify(blob, 5, at === 0 ? { place } : {});
      if (run >= 0) times[at].push(performance.now() - begun);
      rules[at] = rule;
    }
  }
  return { rules, milliseconds: times.map((series) => series.sort((a, b) => a - b)[runs >> 1]) };
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
        write_ruled(root)
        show([*waits(root), ruled_answers(root), *first_visits(root), *not_measured()])


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


def ruled_answers(root: Path) -> Row:
    """A photo's whole answer with all rules of version 2, against version 1."""
    with chromium() as context, served(root, "max-age=3600") as (url, _):
        page = context.new_page()
        page.goto(url)
        found = page.evaluate(BOTH, [["/ruled/", "/bundle/"], PLACE, RULED_RUNS])
    if found["rules"] != ["none", "none"]:
        raise RuntimeError(f"not every rule was asked: {found['rules']} decided, want none and none")
    ours, peer = found["milliseconds"]
    note = f"peer: a decision of version 1; medians of {RULED_RUNS} answers in turns; at most {LONGER} times is wanted"
    return Row(
        "an answer with all rules of version 2, worker", ours, peer, "ms", peer / ours, round(1 / LONGER, 3), note
    )


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


def not_measured() -> list[Row]:
    """A row for each peer that was not asked, so that nobody takes the table for all there is."""
    return [
        Row(f"an answer against {name}", nan, nan, "ms", nan, None, f"not measured: no package here; needs {what}")
        for name, what in NOT_HERE.items()
    ]


if __name__ == "__main__":
    main()
