"""``data.photo_fraction``: every model phase sees the same share of the photos, and all of the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from aplantida.data.batches import BatchSource
from aplantida.domain.split import is_in_fraction
from aplantida.models.checkpoint import load_card
from aplantida.phases import (
    _photos,
    _training,
    combine_teacher_logits,
    compute_teacher_logits,
    distill_student,
    evaluate_model,
    finetune_student,
    quantize_model,
    sweep_distillation,
    train_teacher,
)
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.runner import execute
from tests.fixtures.artifacts import CLASSES, make_checkpoint, make_images, make_split

MODEL_PHASES = (
    *(train_teacher, compute_teacher_logits, sweep_distillation, distill_student, finetune_student),
    *(quantize_model, evaluate_model),
)
SHARE = 0.5
PHOTOS = {"images": "images", "split": "split"}
CPU = {"device": "cpu", "num_threads": 1}
BARE = {**CPU, "num_workers": 0, "num_loader_workers": 0}
EXPLICIT = {"recipe": "explicit", "temperature": 2.0, "alpha": 1.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, a split, and soft labels of a share of it."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(root))
        make_images("images", per_class=20)
        make_split("split", "images", per_class=20)
        make_checkpoint("teacher", PHOTOS)
        label("logits", SHARE)
        combine("soft", ["logits"])
    return root


@pytest.fixture(autouse=True)
def world(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(made))
    return made


def run(phase: Phase[Any], output: str, inputs: dict[str, Any], **values: Any) -> Artifact:
    request = {"inputs": inputs, "output": output, **values}
    artifact = execute(phase, files=[f"configs/{phase.name}.yaml"], values=request).artifact
    assert artifact is not None
    return artifact


def label(output: str, fraction: float) -> Artifact:
    inputs = {**PHOTOS, "checkpoint": "teacher"}
    data = {"photo_fraction": fraction}
    return run(compute_teacher_logits.PHASE, output, inputs, views={"num_views": 1}, data=data, resources=CPU)


def combine(output: str, logits: list[str]) -> Artifact:
    inputs = {"split": "split", "teacher_logits": logits}
    return run(combine_teacher_logits.PHASE, output, inputs, teachers=[])


def distil(output: str, fraction: float) -> Artifact:
    values = {
        "model": {"width": 0.35, "pretrained": False},
        "training": {"epochs": 1, "batch_size": 8},
        "data": {"image_size": 32, "augmentation": "none", "photo_fraction": fraction},
        "distillation": EXPLICIT,
    }
    return run(distill_student.PHASE, output, {**PHOTOS, "soft_labels": "soft"}, resources=BARE, **values)


def ids_of(root: Path, *splits: str) -> set[str]:
    """The photos of the share in these splits, by the rule itself."""
    rows = pq.read_table(root / "split/split.parquet").to_pylist()
    return {row["image_id"] for row in rows if row["split"] in splits and is_in_fraction(row["image_id"], SHARE)}


def ids_in(artifact: Artifact, folder: str) -> set[str]:
    return {name for file in artifact.files_under(folder) for name in pq.read_table(file)["image_id"].to_pylist()}


def test_every_model_phase_has_it_and_takes_all_photos_by_default() -> None:
    for module in MODEL_PHASES:
        assert module.PHASE.config.model_validate({"output": "x"}).data.photo_fraction == 1.0  # pyright: ignore
    assert _photos.DataSection().said() == {}


def test_labels_student_and_evaluation_see_the_same_photos(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, heldout = ids_of(world, "train"), ids_of(world, "val", "test")
    assert 20 < len(train) < 60
    for name in ("logits", "soft"):
        labels = Artifact(world / name, json.loads((world / name / "artifact.json").read_text()))
        assert (ids_in(labels, "scores"), ids_in(labels, "heldout")) == (train, heldout)
    plans: list[Any] = []
    original = _training.run_training
    monkeypatch.setattr(
        distill_student, "run_training", lambda ctx, **parts: plans.append(parts["batches"]) or original(ctx, **parts)
    )
    student = distil("student", SHARE)
    source = BatchSource(plans[0])
    assert set(source.train_photos.image_ids.to_pylist()) == train
    assert set(source.val_photos.image_ids.to_pylist()) == ids_of(world, "val")
    assert load_card(student.path).class_ids == CLASSES.class_ids  # all classes, whatever the photos show
    inputs = {**PHOTOS, "checkpoint": "student"}
    data = {"photo_fraction": SHARE}
    rounded = run(quantize_model.PHASE, "rounded", inputs, data=data, gates={"min_top1_agreement": 0}, resources=CPU)
    assert rounded.metrics["num_photos"] == len(ids_of(world, "val"))
    judged = run(evaluate_model.PHASE, "judged", inputs, data=data, resources=CPU)
    assert set(pq.read_table(judged.file("labels.parquet"))["image_id"].to_pylist()) == heldout
    assert (judged.metrics["num_photos"], judged.metrics["photo_fraction"]) == (len(ids_of(world, "test")), SHARE)
    metrics = json.loads(judged.file("metrics.json").read_text())
    assert (metrics["photo_fraction"], metrics["val"]["num_photos"]) == (SHARE, len(ids_of(world, "val")))


def test_a_student_of_more_photos_than_were_labelled_is_refused(world: Path) -> None:
    assert json.loads((world / "soft/summary.json").read_text())["photo_fraction"] == SHARE
    assert distil("fewer", 0.3).metrics["epochs"] == 1
    wanted = r"data\.photo_fraction: 0\.8, but .*soft was made with 0\.5, .*say 0\.5 or less here, or 0\.8 in compute"
    with pytest.raises(BadRequest, match=wanted):
        distil("more", 0.8)
    values = {"data": {"photo_fraction": 0.8, "image_size": 32}, "model": {"pretrained": False}, "resources": CPU}
    with pytest.raises(BadRequest, match=wanted):
        run(sweep_distillation.PHASE, "sweep", {**PHOTOS, "soft_labels": "soft"}, **values)
    values = {"data": {"photo_fraction": 0.8}, "distillation": {"alpha": 0.5}, "resources": BARE}
    with pytest.raises(BadRequest, match=wanted):
        run(finetune_student.PHASE, "tuned", {**PHOTOS, "soft_labels": "soft", "checkpoint": "teacher"}, **values)


def test_teachers_of_other_photos_are_not_combined() -> None:
    label("logits of all", 1.0)
    with pytest.raises(BadRequest, match=r"logits of all: photo_fraction 1\.0, but .*logits has 0\.5"):
        combine("mixed", ["logits", "logits of all"])


def test_a_share_without_photos_names_itself() -> None:
    with pytest.raises(BadRequest, match=r"no train photos of these 6 classes in the share 1e-09 of them"):
        distil("none", 1e-9)
