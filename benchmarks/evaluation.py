"""Peak memory and seconds of evaluate_model and calibrate_model over 180,000 val and test photos, 9,000 classes.

The peak is the resident memory of the phase's process, everything it has imported included. Its peer is the table of
float16 logits alone. The scores are made, so nothing is decoded and no model runs. ``--photos N`` takes so many.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.record import shard_of
from aplantida.domain.scores import ScoreTable
from aplantida.domain.split import SPLIT_SCHEMA
from aplantida.models import inference
from aplantida.models.checkpoint import ModelCard, build, load_card, save_checkpoint
from aplantida.phases.calibrate_model import PHASE as CALIBRATE
from aplantida.phases.evaluate_model import PHASE as EVALUATE
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from benchmarks.report import Row, peak_mb, read_flags, show

NUM_PHOTOS, NUM_CLASSES, NUM_SHARDS, LIMIT_MB = 180_000, 9_000, 220, 4_000
CLASSES = ClassIndex.of(PlantClass(class_id=f"Planta numero{number:04d}") for number in range(NUM_CLASSES))


class MadeScorer:
    """In the place of :class:`aplantida.models.inference.Scorer`: the logits of a photo are made of its name."""

    def __init__(self, folder: Path, *_settings: Any) -> None:
        self.card = load_card(folder)
        self._logits = np.random.default_rng(1).normal(0.0, 1.5, (997, NUM_CLASSES)).astype(np.float16)

    num_features = 1280

    def score_and_pool(
        self, image_ids: Sequence[str], jpegs: Sequence[bytes]
    ) -> tuple[ScoreTable, npt.NDArray[np.float16]]:
        """A row of a fixed table each, raised at the true class or, for three in ten photos, at its neighbour."""
        numbers = np.asarray([int(jpeg) for jpeg in jpegs], dtype=np.int64)
        logits = self._logits[numbers % 997]
        logits[np.arange(len(numbers)), (numbers + (numbers // 7) % 10 // 7) % NUM_CLASSES] += np.float16(8.0)
        views = np.zeros(len(numbers), np.int16)
        table = ScoreTable(np.asarray(image_ids, dtype=str), views, self.card.class_ids, logits)
        return table, self._logits[numbers % 997, : self.num_features]


def seal(kind: str, inputs: dict[str, str], write: Callable[[ArtifactWriter], object]) -> None:
    """An artifact of ``kind``, at a path of that name."""

    def run(ctx: PhaseContext[PhaseConfig]) -> dict[str, Any]:
        write(ctx.output)
        return {}

    phase = Phase(f"make_{kind}", PhaseConfig, inputs, kind, 1, run)
    execute(phase, values={"inputs": inputs, "output": kind})


def prepare(num_photos: int) -> None:
    """Shards of files that hold a number each, a split of them in halves, and an untrained checkpoint."""
    ids = [hashlib.md5(str(number).encode()).hexdigest() for number in range(num_photos)]
    shards = np.asarray([shard_of(image_id, NUM_SHARDS) for image_id in ids])

    def images(writer: ArtifactWriter) -> None:
        for shard in range(NUM_SHARDS):
            inside = np.flatnonzero(shards == shard).tolist()
            files = {
                "image_id": [ids[number] for number in inside],
                "image": [str(number).encode() for number in inside],
                "license_id": ["CC0-1.0"] * len(inside),
                "source": ["herbarium"] * len(inside),
                "observation_id": [ids[number] for number in inside],
            }
            writer.write_table(f"shards/shard-{shard:05d}.parquet", pa.table(files), ["image"])

    def split(writer: ArtifactWriter) -> None:
        columns = {
            "image_id": ids,
            "shard": shards,
            "class_index": np.arange(num_photos) % NUM_CLASSES,
            "split": ["val" if number % 2 else "test" for number in range(num_photos)],
            "group": ids,
            "regions": [["ES"] if number % 3 else [] for number in range(num_photos)],
            "regions_by_country": [["ES"] if number % 5 else [] for number in range(num_photos)],
        }
        writer.write_table("split.parquet", pa.table(columns, SPLIT_SCHEMA))
        writer.write_json("class_index.json", CLASSES.to_json())
        writer.write_json("regions.json", {"ES": ["ES"]})

    def checkpoint(writer: ArtifactWriter) -> None:
        square = Preprocessing(image_size=32)
        card = ModelCard(
            architecture="mobilenetv2",
            num_classes=NUM_CLASSES,
            width=0.35,
            preprocessing=square,
            class_ids=CLASSES.class_ids,
        )
        save_checkpoint(writer.scratch, build(card).state_dict(), card)
        for name in ("model.safetensors", "model.json"):
            writer.publish(writer.scratch / name, name)

    seal("image_shards", {}, images)
    seal("split", {"images": "image_shards"}, split)
    seal("checkpoint", {}, checkpoint)


def run_here(phase: Phase[Any], values: dict[str, Any]) -> None:
    """Run a phase; print its seconds and the peak of this process' resident memory."""
    inference.Scorer = MadeScorer
    started = time.perf_counter()
    execute(phase, values=values)
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}))


def measured(phase: Phase[Any], inputs: dict[str, str], **more: Any) -> dict[str, float]:
    """The same in a process of its own."""
    values = json.dumps({"inputs": inputs, "output": phase.output, **more})
    words = [sys.executable, "-m", "benchmarks.evaluation", "--run", phase.name, values]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(num_photos: int) -> None:
    """Measure and print."""
    raw = num_photos * NUM_CLASSES * 2 / 1e6
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APLANTIDA_ROOT"] = folder
        prepare(num_photos)
        judging = {"images": "image_shards", "split": "split", "checkpoint": "checkpoint"}
        reached = {"target_precision": 0.6}  # seven in ten of the made scores are right
        for phase, inputs, more in ((EVALUATE, judging, {}), (CALIBRATE, {"evaluation": "evaluation"}, reached)):
            got = measured(phase, inputs, **more)
            note = f"{num_photos:,} photos, {got['seconds']:.0f} s; peer: the logits alone; limit {LIMIT_MB:,} MB"
            goal = round(raw / LIMIT_MB, 2)
            what = f"{phase.name}, peak memory at 9,000 classes"
            rows.append(Row(what, got["peak_mb"], raw, "MB", raw / got["peak_mb"], goal, note))
    show(rows)


if __name__ == "__main__":
    if "--run" in sys.argv[1:]:
        run_here({phase.name: phase for phase in (EVALUATE, CALIBRATE)}[sys.argv[2]], json.loads(sys.argv[3]))
    else:
        main(read_flags(__doc__, photos=NUM_PHOTOS).photos)
