"""What a bundle of a benchmark has beside its model: classes, what is done to a photo, a decision, the page.

``python benchmarks/browser_files.py FOLDER CLASSES SIZE`` writes it by the ``aplantida`` that is on the path: an
earlier commit's pages are made so, by its own code.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.preprocessing import Preprocessing
from aplantida.export.bundle import bundle_json
from aplantida.export.web_build import copy_page

PLACE = "ES"


def write_files(folder: Path, num_classes: int, image_size: int) -> None:
    """Five species to a genus, half of them in ``PLACE``; the decision is version 1, and never sure."""
    plants = (
        PlantClass(
            class_id=f"Genus{n // 5:04d} species{n:04d}",
            genus=f"Genus{n // 5:04d}",
            family=f"Familia{n // 40:03d}",
            common_names=(),
            distribution=(PLACE,) if n % 2 else ("FR",),
        )
        for n in range(num_classes)
    )
    ClassIndex.of(plants).save(folder / "classes.json")
    texts: dict[str, Any] = {
        "preprocessing.json": Preprocessing(image_size=image_size).to_json(),
        "decision.json": {"format": "aplantida.decision/1", "temperature": 1.0, "threshold": 2.0},
    }
    for file, content in texts.items():
        (folder / file).write_text(json.dumps(content), encoding="utf-8")
    copy_page(folder)
    write_manifest(folder)


def write_manifest(folder: Path) -> None:
    """``bundle.json`` of what lies in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "bundle.json")
    entries = {
        path.relative_to(folder).as_posix(): (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    }
    (folder / "bundle.json").write_text(json.dumps(bundle_json("bench", "v1", {}, {}, entries)), encoding="utf-8")


if __name__ == "__main__":
    write_files(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
