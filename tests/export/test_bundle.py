from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aplantida.export.bundle import (
    CREDIT_COLUMNS,
    altered_files,
    bundle_json,
    choose_golden,
    golden_json,
    license_text,
    may_be_golden,
)


@pytest.mark.parametrize(
    ("license_id", "author", "expected"),
    [
        ("CC0-1.0", None, True),
        ("CC-BY-4.0", "Ana", True),
        ("CC-BY-2.0", "Ana", True),
        ("CC-BY-4.0", " ", False),
        ("CC-BY-4.0", None, False),
        ("CC-BY-SA-4.0", "Ana", False),
        ("PDM-1.0", "Ana", False),
    ],
)
def test_who_may_ship(license_id: str, author: str | None, expected: bool) -> None:
    assert may_be_golden(license_id, author) is expected


def test_golden_photos_cover_classes_first() -> None:
    candidates = [(f"{label}-{number}", label) for label in range(5) for number in range(10)]
    chosen = choose_golden(candidates, 7, seed=1)
    labels = [image_id[0] for image_id in chosen]
    assert sorted(labels[:5]) == ["0", "1", "2", "3", "4"]
    assert len(set(chosen)) == 7
    assert choose_golden(candidates[::-1], 7, seed=1) == chosen
    assert choose_golden(candidates, 7, seed=2) != chosen
    assert choose_golden(candidates, 5, seed=1) == chosen[:5]
    assert len(choose_golden(candidates[:3], 7, seed=1)) == 3


def test_golden_answers_are_calibrated() -> None:
    photo = {**dict.fromkeys(CREDIT_COLUMNS, "x"), "image_id": "ab", "image": b""}
    golden = golden_json([photo], np.array([[0.0, 2.0 * np.log(3.0)]]), 2.0, ["A a", "B b"])
    row = golden["photos"][0]
    assert row["file"] == "ab.jpg"
    assert row["expected"] == [{"class_id": "B b", "probability": 0.75}, {"class_id": "A a", "probability": 0.25}]
    assert set(row) == {"file", "expected", *CREDIT_COLUMNS}


def test_the_manifest_keeps_other_formats_apart_and_altered_files_are_noticed(tmp_path: Path) -> None:
    import hashlib

    entries = {}
    for name in ("model/model.json", "formats/model.onnx"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(name.encode())
        entries[name] = (len(name), hashlib.sha256(name.encode()).hexdigest())
    manifest = bundle_json("tiny", "v1", {"num_classes": 3}, {"split": "d"}, entries)
    assert list(manifest["files"]) == ["model/model.json"]
    assert list(manifest["formats"]) == ["formats/model.onnx"]
    assert manifest["num_classes"] == 3
    (tmp_path / "bundle.json").write_text(json.dumps(manifest))
    assert altered_files(tmp_path) == []
    (tmp_path / "formats/model.onnx").unlink()
    (tmp_path / "model/model.json").write_bytes(b"other")
    assert altered_files(tmp_path) == ["model/model.json", "formats/model.onnx"]
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(ValueError, match=r"aplantida\.bundle/1"):
        altered_files(tmp_path)


def test_the_licence_names_photos_and_weights() -> None:
    report: dict[str, Any] = {
        "photos": {"by_license": {"CC0-1.0": 2, "CC-BY-4.0": 5}},
        "weights": [{"pretrained": "body.pth", "pretrained_license": "MIT"}, {"pretrained": None}],
    }
    text = license_text("demo", "v1.0", "CC-BY-4.0", report, "https://plants.example/all.csv")
    assert "| CC-BY-4.0 | 5 |" in text
    assert "address: https://plants.example/all.csv" in text
    assert "- body.pth: MIT" in text
    report["weights"] = []
    assert "trained from random weights" in license_text(
        "demo", "v1.0", "CC-BY-4.0", report, "https://plants.example/all.csv"
    )
