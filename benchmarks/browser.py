"""The classifier in Chromium against others that run the same model: waits, how long a page stands still, bytes.

The bundle has 9,000 classes and a head of rank 96, its weights are untrained. The peers (`benchmarks.browser_peers`)
are plain TF.js, ONNX Runtime Web and LiteRT.js as their pages tell, on the main thread, and each in a worker. A gap is
the longest time between two turns of the main thread while the model loads and a photo of 12 megapixels is looked at.
Figures are medians of fresh visits, taken in turns; Chromium slows the main thread down, and no worker. Bytes are
bodies as the server sent them, not compressed: until the bundle's own page works offline, and for an answer in an app
on a first and a second visit, without the photo; the notes say what gzip would make of the first.

That all run the same model is looked at first: the logits of one square, as the peers' canvas makes it of a photo.

What the rules of a decision cost: a photo's whole answer, from file to words, with a decision of version 2 of which
every rule is asked and none holds (two gates on features, a place, roll-up, sets), against the same bundle with a
decision of version 1; in one page, in turns.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

from playwright.sync_api import BrowserContext

from aplantida.export.browser import chromium
from benchmarks.browser_bundle import write_bundle, write_photos, write_ruled
from benchmarks.browser_files import PLACE
from benchmarks.browser_peers import Peer, write_peers
from benchmarks.browser_server import served
from benchmarks.browser_traffic import traffic
from benchmarks.bundle_size import IMAGE_SIZE
from benchmarks.report import Row, read_flags, show

ROUNDS, WARM_RUNS, RULED_RUNS = 5, 10, 200
LONGER = 1.1
GAP, GAP_AT_4X = 50, 150
POLICIES = ("no-cache", "no-store", "max-age=3600")
BLANK = b"<!doctype html><html lang=en><title>An app</title><link rel=icon href=data:,>"
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
ALIKE = """async ([ours, theirs, size]) => {
  const blob = await (await fetch("/photos/small.jpg")).blob();
  const drawing = Object.assign(document.createElement("canvas"), { width: size, height: size }).getContext("2d");
  drawing.drawImage(await createImageBitmap(blob), 0, 0, size, size);
  const { data } = drawing.getImageData(0, 0, size, size);
  const square = Float32Array.from({ length: 3 * size * size }, (_, at) => data[4 * Math.floor(at / 3) + (at % 3)]);
  const mine = await (await (0, eval)(ours)()).logitsOfInput(square);
  const found = await (await (0, eval)(theirs)()).classify(blob);
  const best = (logits) => [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 5);
  const fetched = performance.getEntriesByType("resource").map(({ name }) => name);
  return {
    shared: best(mine).filter((at) => best(found).includes(at)).length,
    difference: mine.reduce((most, logit, at) => Math.max(most, Math.abs(logit - found[at])), 0),
    wasm: fetched.find((name) => name.includes("/peer/") && name.endsWith(".wasm")).split("/").at(-1),
    isolated: crossOriginIsolated,
  };
}"""
OUR_WAYS = {"worker": OURS.replace("WORKER", "true"), "main thread": OURS.replace("WORKER", "false")}
FIGURES = {"gap": "longest gap", "cold": "load and first answer", "warm": "an answer"}


def main() -> None:
    """Build the bundle once, then measure."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_bundle(root)
        write_photos(root / "photos")
        peers = write_peers(root, root / "work")
        (root / "index.html").write_bytes(BLANK)
        write_ruled(root)
        there = [peer for peer in peers if not peer.missing]
        rows = [*likeness(root, there), *waits(root, there), ruled_answers(root), *first_visits(root)]
        rows += [row for policy in POLICIES for row in traffic(root, there, policy)]
        show([*rows, *not_measured(peers)])


def likeness(root: Path, peers: Sequence[Peer]) -> list[Row]:
    """Whether every peer runs our model: its five likeliest species and its logits of the same square."""
    rows = []
    for peer in peers:
        with chromium() as context, served(root, "max-age=3600") as (url, _):
            page = context.new_page()
            page.goto(url)
            found = page.evaluate(ALIKE, [OUR_WAYS["worker"], peer.make, IMAGE_SIZE])
        threads = "the page is isolated" if found["isolated"] else "one thread"
        note = f"logits differ by at most {found['difference']:.1e}; it runs {found['wasm']}, {threads}"
        title = f"our five likeliest species that are among {peer.name}'s"
        rows.append(Row(title, 5, found["shared"], "species", found["shared"] / 5, 1.0, note))
    return rows


def visit(context: BrowserContext, url: str, make: str, rate: int) -> dict[str, float]:
    """One visit, the photos and scripts in HTTP's cache; milliseconds."""
    page = context.new_page()
    page.goto(url)
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})
    found = page.evaluate(VISIT, [make, WARM_RUNS])
    page.close()
    return found


def waits(root: Path, peers: Sequence[Peer]) -> list[Row]:
    """Cold, warm and gaps of every way, at full speed and at a quarter of it: there without peers in workers."""
    rows = []
    on_page = {peer.name: peer.make for peer in peers}
    in_workers = {f"{peer.name} in a worker": peer.in_worker for peer in peers}
    with chromium() as context, served(root, "max-age=3600") as (url, _):
        for rate, most in ((1, GAP), (4, GAP_AT_4X)):
            ways = {**OUR_WAYS, **on_page, **(in_workers if rate == 1 else {})}
            rounds = [{way: visit(context, url, make, rate) for way, make in ways.items()} for _ in range(ROUNDS + 1)]
            medians = {
                way: {key: statistics.median(one[way][key] for one in rounds[1:]) for key in FIGURES} for way in ways
            }
            pairs = [(ours, peer) for peer in on_page for ours in OUR_WAYS]
            pairs += [("worker", peer) for peer in in_workers if peer in ways]
            for ours, peer in pairs:
                rows += compared(ours, peer, rate, most, medians)
    return rows


def compared(way: str, peer: str, rate: int, most: int, medians: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """Our ``way`` against a peer's; a gap of ``most`` ms is wanted of the worker, and said beside plain TF.js."""
    plain = peer == "plain TF.js"
    title = f"{way}{'' if plain else f', against {peer}'}{f', {rate}x slower' if rate > 1 else ''}"
    rows = []
    for key, what in FIGURES.items():
        ours, theirs = medians[way][key], medians[peer][key]
        goal = round(theirs / most, 2) if plain and (way, key) == ("worker", "gap") else None
        note = f"peer: {peer}; {ROUNDS} visits" + (f"; at most {most} ms is wanted" if goal else "")
        rows.append(Row(f"{what}, {title}", ours, theirs, "ms", theirs / ours, goal, note))
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
        sent, everything = until_offline(root, "bundle", policy)
        note = f"peer: their size once; {everything} bytes of everything"
        what = f"bytes of weights until offline, Cache-Control: {policy}"
        rows.append(Row(what, sent, weights, "bytes", weights / sent, 1.0, note))
    return rows


def until_offline(root: Path, folder: str, policy: str) -> tuple[int, int]:
    """Bytes of the weights, and of everything, that a bundle's page takes until it works offline."""
    with chromium() as context, served(root, policy) as (url, sent):
        page = context.new_page()
        page.goto(f"{url}{folder}/")
        page.wait_for_selector("html[data-offline=ready]", timeout=120_000)
        page.wait_for_timeout(1000)
        return sent[f"{folder}/model/weights.bin"], sum(sent.values())


def not_measured(peers: Sequence[Peer]) -> list[Row]:
    """A row for each peer that cannot be had, so that nobody takes the table for all there is."""
    return [
        Row(f"an answer against {peer.name}", nan, nan, "ms", nan, None, f"not measured: {peer.missing}")
        for peer in peers
        if peer.missing
    ]


if __name__ == "__main__":
    read_flags(__doc__)
    main()
