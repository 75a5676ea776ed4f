"""What ``benchmarks.browser`` shows to Chromium: a bundle of 9,000 classes, the same with every rule, photos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aplantida.evaluation.decision_file import DECISION_FORMAT
from aplantida.evaluation.stranger_scores import StrangerScore
from benchmarks.browser_files import write_files, write_manifest
from benchmarks.bundle_size import IMAGE_SIZE, NUM_CLASSES, STUDENTS, build

# of the first student, and as many centers as calibrate_model ships
NUM_FEATURES, NUM_CENTERS = 1280, 64


def write_bundle(root: Path) -> None:
    """``bundle``, without credits and golden photos, its model as the export makes it.

    What the export made on the way (``model.onnx``, ``saved_model``) stays in ``work``.
    """
    folder = root / "bundle"
    folder.mkdir()
    build(root / "work", STUDENTS[0])
    shutil.copytree(root / "work" / "model", folder / "model")
    write_files(folder, NUM_CLASSES, IMAGE_SIZE)


def write_ruled(root: Path) -> None:
    """The same bundle with a decision of version 2."""
    folder = root / "ruled"
    shutil.copytree(root / "bundle", folder)
    (folder / "decision.json").write_text(json.dumps(ruled_decision()), encoding="utf-8")
    write_manifest(folder)


def ruled_decision() -> dict[str, Any]:
    """One of which every rule is asked on whatever photo, and none holds: no share of 9,000 untrained classes is 1."""
    random = np.random.default_rng(0)
    head = StrangerScore("head", random.normal(size=NUM_FEATURES + 3).astype(np.float32))
    centers = random.integers(-127, 128, (NUM_CENTERS, NUM_FEATURES)).astype(np.int8)
    near = StrangerScore(
        "nearest_center", centers=centers, scales=(1 / np.linalg.norm(centers, axis=1)).astype(np.float32)
    )
    certain = {"threshold": 1.0, "precision": None}
    return {
        "format": DECISION_FORMAT,
        "temperature": 1.5,
        "threshold": 1.0,
        "target_precision": 0.95,
        "target_reached": False,
        "precision": None,
        "coverage": None,
        "temperatures": {},
        "roll_up": {"genus": certain, "family": certain},
        "sets": {
            "method": "aps",
            "penalty": 0.01,
            "max_size": 5,
            "levels": [{"level": level, "threshold": -1.0} for level in (0.9, 0.95)],
        },
        "strangers": {
            "plant": {**head.to_json(), "threshold": -1e9},
            "known": {**near.to_json(), "threshold": -1e9},
        },
        "region_prior": {"floor": 0.05},
        "fusion": "mean_log_probability",
    }


def write_photos(folder: Path) -> None:
    """A photo of 12 megapixels and one of 0.3."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for name, size in (("large", (4000, 3000)), ("small", (640, 480))):
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(folder / f"{name}.jpg", quality=90)
