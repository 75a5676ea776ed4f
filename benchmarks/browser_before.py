"""The page's module against that of an earlier commit, the same model: waits, how long a page stands still, bytes.

The earlier page is built from the repository's history by its own code; what is measured, and how, is said in
`benchmarks.browser`. The earlier module works on the main thread alone, and only its page keeps files.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from math import nan
from pathlib import Path

from aplantida.export.browser import chromium
from benchmarks import browser_files, earlier
from benchmarks.browser import BLANK, FIGURES, OUR_WAYS, POLICIES, ROUNDS, until_offline, visit
from benchmarks.browser_bundle import write_bundle, write_photos
from benchmarks.browser_server import served
from benchmarks.browser_traffic import OURS, counted
from benchmarks.bundle_size import IMAGE_SIZE, NUM_CLASSES
from benchmarks.report import Row, read_flags, show

BEFORE = """async () => (await import("/before/classifier.js")).load("/before/")"""


def main() -> None:
    """Build both bundles once, then measure in turns."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_bundle(root)
        write_photos(root / "photos")
        (root / "index.html").write_bytes(BLANK)
        try:
            write_before(root)
        except RuntimeError as error:
            show([Row("against the earlier page", nan, nan, "ms", nan, None, f"not measured: {error}")])
            return
        show([*waits(root), *bytes_sent(root)])


def write_before(root: Path) -> None:
    """``before``: the bundle's model with the earlier commit's files.

    Raises:
        RuntimeError: where the commit is not in this copy of the repository, or its page cannot be built.
    """
    shutil.copytree(root / "bundle" / "model", root / "before" / "model")
    tree = earlier.write_tree(root / "earlier", "aplantida")
    done = subprocess.run(
        [sys.executable, browser_files.__file__, str(root / "before"), str(NUM_CLASSES), str(IMAGE_SIZE)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the page of {earlier.COMMIT} cannot be built: {done.stderr[-1000:]}")


def waits(root: Path) -> list[Row]:
    """Cold, warm and gaps of our ways and the earlier one, at full speed and at a quarter of it."""
    rows = []
    ways = {**OUR_WAYS, "before": BEFORE}
    with chromium() as context, served(root, "max-age=3600") as (url, _):
        for rate in (1, 4):
            rounds = [{way: visit(context, url, make, rate) for way, make in ways.items()} for _ in range(ROUNDS + 1)]
            for way in OUR_WAYS:
                for key, what in FIGURES.items():
                    ours, before = (statistics.median(one[name][key] for one in rounds[1:]) for name in (way, "before"))
                    title = f"{what}, {way}{f', {rate}x slower' if rate > 1 else ''}"
                    rows.append(
                        Row(title, ours, before, "ms", before / ours, None, f"peer: {earlier.COMMIT}; {ROUNDS} visits")
                    )
    return rows


def bytes_sent(root: Path) -> list[Row]:
    """Until the bundle's own page works offline, and for two visits of an app, by the server's cache policy."""
    rows = []
    for policy in POLICIES:
        (weights, all_of_it), (weights_before, all_before) = (
            until_offline(root, folder, policy) for folder in ("bundle", "before")
        )
        (two, note), (two_before, note_before) = (counted(root, make, policy) for make in (OURS, BEFORE))
        both = f"ours: {note}; before: {note_before}"
        for what, ours, before, more in (
            ("weights until offline", weights, weights_before, ""),
            ("everything until offline", all_of_it, all_before, ""),
            ("two visits in an app", two, two_before, both),
        ):
            text = f"peer: {earlier.COMMIT}{'; ' if more else ''}{more}"
            title = f"bytes of {what}, Cache-Control: {policy}"
            rows.append(Row(title, ours, before, "bytes", before / ours, None, text))
    return rows


if __name__ == "__main__":
    read_flags(__doc__)
    main()
