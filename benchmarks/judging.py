"""Seconds and peak memory of what needs only scores: 100,000 val and test photos, 9,000 classes, in Parquet.

The figures of a model (:func:`~aplantida.evaluation.report.evaluate`), then calibrate_model: temperatures, thresholds,
roll-up, sets by four methods, rules. Intervals are of 100 resamplings; no features are there, so no gate is chosen.
Its peer is reading the same files once, a block at a time. ``--photos N`` takes so many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.domain.stored_scores import StoredScores
from aplantida.evaluation.report import ScoredSplit, evaluate
from aplantida.phases.calibrate_model import PHASE as CALIBRATE
from aplantida.phases.evaluate_model import LABELS_SCHEMA
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from benchmarks.evaluation import seal
from benchmarks.report import Row, peak_mb, read_flags, show

NUM_PHOTOS, NUM_CLASSES, BLOCK = 100_000, 9_000, 1_024
CLASSES = ClassIndex.of(
    PlantClass(class_id=f"Genus{at // 4:04d} species{at:04d}", family=f"Familia{at // 60:03d}")
    for at in range(NUM_CLASSES)
)


def labels_of(count: int) -> np.ndarray:
    """Classes of so many photos."""
    return np.random.default_rng(2).integers(0, NUM_CLASSES, count)


def observed_by(count: int) -> list[str]:
    """Of so many photos of :func:`labels_of`: two of one species after the other are of one observation."""
    place, seen = np.empty(count, int), np.argsort(labels_of(count), kind="stable")
    place[seen] = np.arange(count) // 2
    return place.astype(str).tolist()


def made(count: int, name: str) -> Any:
    """Score tables of so many photos: a row of a fixed table each, raised at the true class for seven in ten."""
    draw = np.random.default_rng(1)
    rows, labels = draw.normal(0.0, 1.5, (997, NUM_CLASSES)).astype(np.float16), labels_of(count)
    for start in range(0, count, BLOCK):
        label = labels[start : start + BLOCK]
        logits = rows[draw.integers(0, 997, len(label))]
        shown = np.where(draw.random(len(label)) < 0.7, label, (label + 1) % NUM_CLASSES)
        logits[np.arange(len(label)), shown] += draw.normal(8.0, 2.0, len(label)).astype(np.float16)
        ids = np.array([f"{name}{start + at:028d}" for at in range(len(label))])
        yield ScoreTable(ids, np.zeros(len(label), np.int16), CLASSES.class_ids, logits).to_arrow()


def write(writer: ArtifactWriter, count: int) -> None:
    """An evaluation's files, without features."""
    names = ("test", "val")
    for name in names:
        writer.write_tables(f"scores_{name}.parquet", made(count, name), ["logits"])
    ids = [f"{name}{at:028d}" for name in names for at in range(count)]
    columns = {
        "image_id": ids,
        "class_index": np.tile(labels_of(count), 2),
        "split": [name for name in names for _ in range(count)],
        "regions": [["ES"] if at % 3 else [] for at in range(2 * count)],
        "regions_by_country": [["ES"] if at % 5 else [] for at in range(2 * count)],
        "group": [f"{at // 2}" for at in range(2 * count)],
        "license_id": ["CC0-1.0"] * (2 * count),
        "source": ["herbarium"] * (2 * count),
        "observation_id": [f"{at // 2}" for at in range(2 * count)],
    }
    writer.write_table("labels.parquet", pa.table(columns, LABELS_SCHEMA))
    writer.write_json("class_index.json", CLASSES.to_json())
    lines = [f"{class_id},50-199,100" for class_id in CLASSES.class_ids]
    writer.write_text("per_species.csv", "\n".join(["class_id,frequency_band,train_photos", *lines]) + "\n")


def judge(count: int) -> None:
    """The figures of both splits."""
    parts = [
        ScoredSplit(
            StoredScores(Path(os.environ["APLANTIDA_ROOT"]) / f"evaluation/scores_{name}.parquet"),
            labels_of(count),
            [["ES"]] * count,
            [[]] * count,
            count,
            groups=np.arange(count).astype(str),
            observations=observed_by(count),
        )
        for name in ("val", "test")
    ]
    limits = {"region_names": ["ES"], "frequency_bands": (10, 50), "max_confusions": 200, "resamples": 100}
    evaluate(parts[0], parts[1], CLASSES, np.full(NUM_CLASSES, 100), **limits)


def calibrate() -> None:
    """The phase."""
    values = {"inputs": {"evaluation": "evaluation"}, "output": "calibration", "gates": {"ship_unsure": True}}
    execute(CALIBRATE, values=values)


def read(_count: int = 0) -> None:
    """Every block of both files."""
    for name in ("val", "test"):
        for _ in StoredScores(Path(os.environ["APLANTIDA_ROOT"]) / f"evaluation/scores_{name}.parquet").blocks(BLOCK):
            pass


def measured(part: str, count: int) -> dict[str, float]:
    """One of them in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.judging", "--run", part, str(count)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(num_photos: int) -> None:
    """Measure and print."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APLANTIDA_ROOT"] = folder
        seal("evaluation", {}, lambda writer: write(writer, num_photos // 2))
        peer = measured("read", num_photos // 2)
        for part in ("judge", "calibrate"):
            got = measured(part, num_photos // 2)
            note = f"{num_photos:,} x {NUM_CLASSES:,}, peak {got['peak_mb']:,.0f} MB; peer: reading the scores once"
            rows.append(Row(part, got["seconds"], peer["seconds"], "s", peer["seconds"] / got["seconds"], None, note))
    show(rows)


if __name__ == "__main__":
    if "--run" in sys.argv[1:]:
        what, asked = sys.argv[2], int(sys.argv[3])
        started = time.perf_counter()
        {"judge": lambda: judge(asked), "calibrate": calibrate, "read": read}[what]()
        print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}))
    else:
        main(read_flags(__doc__, photos=NUM_PHOTOS).photos)
