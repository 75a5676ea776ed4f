"""kill -9 at twenty random instants of fetch_images, of its driver alone or of everything it started.

Five kills a run: each time it is started again, and the fifth time let to its end. Nothing may be lost, nothing may
differ from a run nobody killed, and next to nothing may be asked of the server twice.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aplantida.demo.cdn import serve_folder
from aplantida.pipeline.artifact import MANIFEST, open_artifact
from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import drawn_jpeg, seal
from tests.fixtures.entries import records_of_urls
from tests.fixtures.processes import kill

NUM_PHOTOS, NUM_SHARDS, NUM_KILLS, DELAY_SECONDS, CONCURRENCY = 120, 40, 5, 0.2, 4
SLOWEST_START_SECONDS, LONGEST_WORK_SECONDS = 240.0, 10.0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("root")
    (root / "cdn").mkdir()
    for number in range(NUM_PHOTOS):
        (root / f"cdn/{number}.jpg").write_bytes(drawn_jpeg(number % 4, number, side=96))
    with pytest.MonkeyPatch.context() as patch, serve_folder(root / "cdn") as cdn:
        patch.setenv("APLANTIDA_ROOT", str(root))
        patch.delenv("RAY_ADDRESS", raising=False)
        table = records_of_urls(f"{cdn}/{number}.jpg" for number in range(NUM_PHOTOS))

        def fill(output: ArtifactWriter) -> None:
            output.write_table("records.parquet", table)

        seal("records", "records", fill)
        ask(cdn, "/__faults", "PUT", {f"/{n}.jpg": {"delay_seconds": DELAY_SECONDS} for n in range(NUM_PHOTOS)})
        subprocess.run(command(root, cdn, "whole"), check=True, cwd=CHECKOUT)
        yield cdn


def ask(cdn: str, path: str, method: str = "GET", value: object = None) -> bytes:
    data = None if value is None else json.dumps(value).encode()
    with urllib.request.urlopen(urllib.request.Request(cdn + path, data, method=method)) as answer:
        return answer.read()


def command(root: Path, cdn: str, output: str) -> list[str]:
    config = root / f"{output}.json"
    values = {
        "inputs": {"records": "records"},
        "output": output,
        "num_shards": NUM_SHARDS,
        "short_side_pixels": 64,
        "allow_addresses": [cdn.removeprefix("http://")],
        "resources": {"num_actors": 1, "concurrency": CONCURRENCY, "concurrency_per_host": CONCURRENCY},
    }
    config.write_text(json.dumps(values), encoding="utf-8")
    return [sys.executable, "-m", "jobs.fetch_images", "--config", str(config)]


def asked(cdn: str) -> int:
    return sum(json.loads(ask(cdn, "/__requests")).values())


def at_work(cdn: str, before: int, driver: subprocess.Popen[bytes]) -> None:
    """Wait until a photo was asked for, or the driver has ended."""
    deadline = time.monotonic() + SLOWEST_START_SECONDS
    while asked(cdn) == before and driver.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("everything", [False, True], ids=["driver", "everything"])
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again(base: str, seed: int, everything: bool) -> None:
    draw, root = random.Random(f"{seed} {everything}"), Path(os.environ["APLANTIDA_ROOT"])
    output = f"killed-{seed}-{everything}"
    ask(base, "/__requests", "DELETE")
    kills = 0
    while kills < NUM_KILLS and not (root / output / MANIFEST).exists():
        before = asked(base)
        driver = subprocess.Popen(command(root, base, output), cwd=CHECKOUT)
        if kills % 2:  # one in two dies while it starts, the others while it downloads
            at_work(base, before, driver)
            time.sleep(draw.uniform(0.0, NUM_PHOTOS * DELAY_SECONDS / 4 / NUM_KILLS))
        else:
            time.sleep(draw.uniform(0.0, LONGEST_WORK_SECONDS))
        kill(driver, everything)
        kills += 1
    assert not (root / output / MANIFEST).exists(), "it was over before the last kill: make it slower"
    subprocess.run(command(root, base, output), check=True, cwd=CHECKOUT)
    killed, whole = open_artifact(root / output), open_artifact(root / "whole")
    assert killed.digest == whole.digest
    sizes = [pq.ParquetFile(path).metadata.num_rows for path in whole.files_under("shards")]
    on_the_way = (
        CONCURRENCY + 1
    )  # shards that have photos on their way, for the first ones come first, and one to write
    assert asked(base) - NUM_PHOTOS <= kills * on_the_way * max(sizes)
