from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.models.checkpoint import load_card
from aplantida.phases.finetune_student import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from tests.fixtures.artifacts import CLASSES, make_checkpoint, make_images, make_soft_labels, make_split

BASE = "configs/finetune_student.yaml"
VALUES: dict[str, Any] = {
    "inputs": {"images": "images", "split": "split", "checkpoint": "distilled"},
    "training": {"epochs": 1, "batch_size": 12},
    "resources": {"num_workers": 0, "num_threads": 1, "num_loader_workers": 0},
}


@pytest.fixture(autouse=True)
def photos(root: Path) -> None:
    make_images("images")
    make_split("split", "images")


def finetune(output: str, **values: Any) -> Artifact:
    artifact = execute(PHASE, files=[BASE], values={**VALUES, "output": output, **values}).artifact
    assert artifact is not None
    return artifact


def test_it_goes_on_from_the_checkpoint() -> None:
    before = make_checkpoint("distilled", {"images": "images", "split": "split"})
    still = finetune("still", training={**VALUES["training"], "learning_rate": 1e-12, "weight_decay": 0.0})
    moved = finetune("moved", training={**VALUES["training"], "learning_rate": 1e-2})
    old, same, new = (load_file(item.file("model.safetensors"))["head.weight"] for item in (before, still, moved))
    assert (same - old).abs().max() < 1e-6
    assert (new - old).abs().max() > 1e-3


def test_what_the_model_is_comes_with_it() -> None:
    before = load_card(make_checkpoint("distilled", {"images": "images", "split": "split"}, head_rank=3).path)
    after = load_card(finetune("student").path)
    assert (after.head_rank, after.width, after.class_ids) == (3, 0.35, CLASSES.class_ids)
    assert after.preprocessing == before.preprocessing
    assert after.dropout == 0.2


def test_the_input_may_grow() -> None:
    before = load_card(make_checkpoint("distilled", {"images": "images", "split": "split"}).path).preprocessing
    larger = before.image_size + 16
    after = load_card(finetune("student", data={"image_size": larger}).path).preprocessing
    assert after.image_size == larger
    assert (after.mean, after.std, after.crop_fraction) == (before.mean, before.std, before.crop_fraction)


def test_it_follows_the_teachers_when_told_to() -> None:
    """Teachers that are wrong on purpose: with alpha 1 the student unlearns what the labels say."""
    make_checkpoint("distilled", {"images": "images", "split": "split"})
    make_soft_labels("soft", shift=1)
    inputs = {**VALUES["inputs"], "soft_labels": "soft"}
    training = {**VALUES["training"], "epochs": 25, "learning_rate": 3e-3, "head_learning_rate_factor": 5.0}
    eager = {"training": training, "data": {"augmentation": "none"}, "regularization": {"dropout": 0.0}}
    told = finetune("told", inputs=inputs, distillation={"alpha": 1.0, "temperature": 2.0}, **eager)
    left = finetune("left", inputs=inputs, **eager)
    followed, labelled = (json.loads(item.file("history.json").read_text())[-1] for item in (told, left))
    assert followed["train_top1"] < labelled["train_top1"] - 0.2


def test_soft_labels_must_be_there_and_speak_of_its_classes() -> None:
    make_checkpoint("distilled", {"images": "images", "split": "split"}, ClassIndex.of(CLASSES.classes[:5]))
    with pytest.raises(BadRequest, match=r"alpha is 0\.7, so input soft_labels is needed"):
        finetune("student", distillation={"alpha": 0.7})
    make_soft_labels("soft", shift=0)
    with pytest.raises(
        BadRequest, match=r"distilled \(5 .*soft \(6 .*: 1 classes of the latter only.*alpha is 0\.7, say 0"
    ):
        finetune("student", inputs={**VALUES["inputs"], "soft_labels": "soft"}, distillation={"alpha": 0.7})


def test_a_checkpoint_of_other_classes_is_refused() -> None:
    strangers = ClassIndex.of([*CLASSES.classes[:5], PlantClass(class_id="Zea mays")])
    make_checkpoint("distilled", {"images": "images", "split": "split"}, strangers)
    with pytest.raises(
        BadRequest, match=r"distilled .* does not fit .*split .*: 1 classes of the former only, e\.g\. 'Zea mays'"
    ):
        finetune("student")
