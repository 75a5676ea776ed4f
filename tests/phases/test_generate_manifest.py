from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from aplantida.domain.seals import broken_text
from aplantida.phases.evaluate_model import PHASE as EVALUATE
from aplantida.phases.generate_manifest import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from aplantida.release.manifest import redact
from tests.fixtures.artifacts import make_checkpoint, make_evaluation, make_images, make_split

BASE = "configs/generate_manifest.yaml"
NODES = ["images", "split", "student", "evaluation"]


@pytest.fixture(autouse=True)
def inputs(root: Path) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("student", {"images": "images", "split": "split"})
    labels = [at % 6 for at in range(60)]
    make_evaluation("evaluation", labels, np.eye(6)[labels] * 3, {"checkpoint": "student", "split": "split"})


def write(output: str = "manifest", nodes: list[str] | None = None, **values: Any) -> Artifact:
    request = {"inputs": {"artifacts": nodes or NODES}, "output": output, **values}
    artifact = execute(PHASE, files=[BASE], values=request).artifact
    assert artifact is not None
    return artifact


def test_it_tells_from_what_how_and_with_what_result() -> None:
    artifact = write(nodes=list(reversed(NODES)))
    manifest = yaml.safe_load(artifact.file("TRAINING_MANIFEST_v1.0.yaml").read_text())
    assert list(manifest["artifacts"]) == NODES  # in order of lineage, however they were given
    assert manifest["graph"] == [
        "images -> split",
        "images -> student",
        "split -> student",
        "student -> evaluation",
        "split -> evaluation",
    ]
    student = manifest["artifacts"]["student"]
    assert set(student["files"]) == {"model.safetensors", "model.json", "class_index.json", "history.json"}
    assert student["inputs"][0]["digest"] == manifest["artifacts"]["images"]["digest"]
    assert manifest["results"]["evaluation"]["test"]["top1"] == 1.0
    assert manifest["seeds"] == [42]
    assert broken_text(artifact.file("TRAINING_MANIFEST_v1.0.yaml").read_bytes()) is None
    environment = manifest["environments"][student["environments"][0]]
    assert len(environment["commit"]) == 40
    assert environment["packages"]["torch"]
    assert environment["usable_cores"] >= 1


def test_it_tells_with_which_resources(root: Path) -> None:
    """Threads and devices are no part of a recipe, and bear on the digest all the same."""
    resources = {"num_threads": 1, "device": "cpu"}
    inputs = {"checkpoint": "student", "images": "images", "split": "split"}
    execute(EVALUATE, files=["configs/evaluate_model.yaml"],
            values={"inputs": inputs, "output": "judged", "resources": resources})  # fmt: skip
    manifest = yaml.safe_load(write(nodes=[*NODES, "judged"]).file("TRAINING_MANIFEST_v1.0.yaml").read_text())
    assert manifest["artifacts"]["judged"]["resources"].items() >= resources.items()


def test_the_same_artifacts_give_the_same_bytes(root: Path) -> None:
    first = write("one")
    shutil.rmtree(root / "student")
    make_checkpoint("student", {"images": "images", "split": "split"})  # made again, at another time
    second = write("two")
    assert first.digest == second.digest
    text = first.file("TRAINING_MANIFEST_v1.0.yaml").read_text()
    assert str(root) not in text
    assert "session" not in text


def test_two_artifacts_of_one_name_are_refused() -> None:
    make_images("elsewhere/images")
    with pytest.raises(BadRequest, match="two artifacts are called 'images'"):
        write(nodes=["images", "elsewhere/images"])


def test_neither_credentials_nor_folders_get_in() -> None:
    config = {"mongo_uri": "mongodb://user:secret@db:27017/x", "weights": ["/home/ana/vit.pth"], "seed": 1}
    assert redact(config) == {"mongo_uri": "mongodb://***@db:27017/x", "weights": ["(absolute)/vit.pth"], "seed": 1}
