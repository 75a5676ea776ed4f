from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aplantida.models.checkpoint import load_checkpoint
from aplantida.phases.distill_student import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import CLASSES, make_images, make_soft_labels, make_split, seal

BASE = "configs/distill_student.yaml"
EXPLICIT = {"recipe": "explicit", "temperature": 2.0, "alpha": 1.0}
PHOTOS = {"images": "images", "split": "split"}
SMALL: dict[str, Any] = {
    "model": {"name": "test_efficientnet", "pretrained": False},
    "training": {"epochs": 2, "batch_size": 12, "learning_rate": 3e-3, "head_learning_rate_factor": 1.0},
    "data": {"image_size": 32, "augmentation": "none"},
    "resources": {"num_workers": 0, "num_threads": 1, "num_loader_workers": 0},
}


@pytest.fixture(autouse=True)
def photos(root: Path) -> None:
    make_images("images")
    make_split("split", "images")


def make_sweep(path: str, temperature: float, alpha: float, **more: Any) -> Artifact:
    def fill(output: ArtifactWriter) -> None:
        found = {"temperature": temperature, "alpha": alpha, **more}
        output.write_json("best.json", {"distance": "kd", "searched": [*found], **found})

    return seal(path, "sweep", fill, {"split": "split"})


def distil(output: str, inputs: dict[str, str], **values: Any) -> Artifact:
    merged = {**SMALL, "output": output, "inputs": {**PHOTOS, **inputs}, **values}
    artifact = execute(PHASE, files=[BASE], values=merged).artifact
    assert artifact is not None
    return artifact


def test_the_student_follows_the_teachers_not_the_labels() -> None:
    """Teachers that are wrong on purpose: with alpha 1 the student must learn the wrong answer."""
    make_soft_labels("soft", shift=1)
    training = {**SMALL["training"], "epochs": 12}
    artifact = distil("student", {"soft_labels": "soft"}, distillation=EXPLICIT, training=training)
    history = json.loads(artifact.file("history.json").read_text())
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert history[-1]["train_top1"] < 0.1
    assert artifact.metrics["temperature"] == 2.0


def test_alpha_0_is_the_baseline_and_wants_no_soft_labels() -> None:
    values = {"output": "baseline", "inputs": PHOTOS, **SMALL}
    outcome = execute(PHASE, files=[BASE, "configs/baseline.yaml"], values=values)
    assert outcome.metrics["alpha"] == 0.0
    assert outcome.artifact is not None
    model, card = load_checkpoint(outcome.artifact.path)
    assert card.architecture == "test_efficientnet"
    assert card.class_ids == CLASSES.class_ids
    assert not model.training


def test_the_sweeps_recipe_is_taken() -> None:
    make_soft_labels("soft", shift=0)
    make_sweep("sweep", 4.0, 0.9)
    artifact = distil("student", {"soft_labels": "soft", "sweep": "sweep"})
    assert (artifact.metrics["temperature"], artifact.metrics["alpha"]) == (4.0, 0.9)
    explicit = {"recipe": "explicit", "temperature": 4.0, "alpha": 0.9}
    same = distil("same", {"soft_labels": "soft"}, distillation=explicit)
    assert same.digest == artifact.digest


def test_all_that_the_sweep_searched_is_taken() -> None:
    make_soft_labels("soft", shift=0)
    make_sweep("wide sweep", 4.0, 0.9, distance="js", learning_rate=2e-3, head_rank=4)
    artifact = distil("wide student", {"soft_labels": "soft", "sweep": "wide sweep"})
    taken = {name: artifact.metrics[name] for name in ("distance", "learning_rate", "head_rank")}
    assert taken == {"distance": "js", "learning_rate": 2e-3, "head_rank": 4}
    assert load_checkpoint(artifact.path)[1].head_rank == 4
    explicit = {"recipe": "explicit", "temperature": 4.0, "alpha": 0.9, "distance": {"kind": "js"}}
    changed = {"model": {**SMALL["model"], "head_rank": 4}, "training": {**SMALL["training"], "learning_rate": 2e-3}}
    assert distil("wide same", {"soft_labels": "soft"}, distillation=explicit, **changed).digest == artifact.digest


def test_a_killed_distillation_ends_in_the_same_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    from aplantida.training.context import LocalContext

    make_soft_labels("soft", shift=0)
    callbacks = {"save_checkpoint_every_steps": 1}
    whole = distil("whole", {"soft_labels": "soft"}, distillation=EXPLICIT, callbacks=callbacks)
    save, seen = LocalContext.save, 0

    def kill(self: LocalContext, *arguments: Any) -> None:
        nonlocal seen
        seen += 1
        save(self, *arguments)
        if seen == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalContext, "save", kill)
        with pytest.raises(KeyboardInterrupt):
            distil("cut", {"soft_labels": "soft"}, distillation=EXPLICIT, callbacks=callbacks)
    assert distil("cut", {"soft_labels": "soft"}, distillation=EXPLICIT, callbacks=callbacks).digest == whole.digest


@pytest.mark.parametrize(
    ("given", "distillation", "message"),
    [
        ({}, EXPLICIT, r"alpha is 1\.0, so input soft_labels is needed"),
        ({"sweep": "sweep"}, {"recipe": "from_sweep", "alpha": 0.5}, r"from_sweep, but \{'alpha': 0\.5\} was edited"),
        ({"sweep": "sweep"}, {"distance": {"kind": "js"}}, r"\{'distance\.kind': 'js'\} was edited"),
        ({}, {"recipe": "from_sweep"}, r"from_sweep: give --input sweep=PATH"),
        ({"sweep": "sweep"}, EXPLICIT, r"recipe is explicit"),
        ({}, {"recipe": "explicit", "temperature": 99}, r"distillation\.temperature = 99"),
    ],
)
def test_bad_requests_name_the_key(given: dict[str, str], distillation: dict[str, Any], message: str) -> None:
    make_sweep("sweep", 4.0, 0.9)
    with pytest.raises(BadRequest, match=message):
        distil("student", given, distillation=distillation)
