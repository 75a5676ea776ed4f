"""A student of 9,000 classes fits the browser, and whether it does is known before the first step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from aplantida.export.graph_model import MODEL_FILE, WEIGHTS_FILE, write_graph_model
from aplantida.export.onnx import export_onnx
from aplantida.export.quantization import read_encodings
from aplantida.export.tensorflow import convert
from aplantida.models.checkpoint import load_card, load_checkpoint
from aplantida.phases import distill_student, finetune_student, quantize_model, sweep_distillation
from aplantida.phases._student import RANK_FILE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import load_config, resolve
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.recipe import changes_since, recipe_of
from aplantida.pipeline.runner import execute
from aplantida.training.context import LocalContext
from tests.fixtures.artifacts import make_checkpoint, make_images, make_soft_labels, make_split, many_classes

NUM_CLASSES = 9000
LIMIT = 7_000_000
PHOTOS = {"images": "images", "split": "split"}
FILES = ["configs/distill_student.yaml", "configs/baseline.yaml"]
SMALL = {"pretrained": False, "width": 0.35}
VALUES: dict[str, Any] = {
    "inputs": PHOTOS,
    "model": {"pretrained": False},
    "training": {"epochs": 1, "batch_size": 12},
    "data": {"image_size": 32, "augmentation": "none"},
    "resources": {"device": "cpu", "num_workers": 0, "num_threads": 1, "num_loader_workers": 0},
}


@pytest.fixture(autouse=True)
def photos(root: Path) -> None:
    make_images("images")
    make_split("split", "images", classes=many_classes(NUM_CLASSES))


def train(output: str, **values: Any) -> Artifact:
    artifact = execute(distill_student.PHASE, files=FILES, values={**VALUES, "output": output, **values}).artifact
    assert artifact is not None
    return artifact


@pytest.mark.slow
def test_the_plain_student_of_9000_classes_fits_the_browser(tmp_path: Path) -> None:
    """The plain config, trained for one step at 32 px: what is exported keeps the limit, and is nearly as large."""
    student = train("student")
    assert load_card(student.path).head_rank == student.metrics["head_rank"] == 106
    values = {"inputs": {**PHOTOS, "checkpoint": "student"}, "output": "quantized", "gates": {"min_top1_agreement": 0}}
    rounded = execute(quantize_model.PHASE, files=["configs/quantize_model.yaml"], values=values).artifact
    assert rounded is not None
    model, card = load_checkpoint(rounded.path)
    export_onnx(model, card.preprocessing, tmp_path / "model.onnx")
    convert(tmp_path / "model.onnx", tmp_path / "saved_model", tmp_path / "converted", tmp_path / "log")
    tensors = {name: value.numpy() for name, value in model.state_dict().items() if value.is_floating_point()}
    write_graph_model(tmp_path / "converted", tmp_path / "model", tensors, read_encodings(rounded.path, card))
    found = sum((tmp_path / "model" / name).stat().st_size for name in (MODEL_FILE, WEIGHTS_FILE))
    assert 0.99 * LIMIT < found <= student.metrics["predicted_model_bytes"] <= LIMIT


def test_a_head_that_cannot_fit_is_refused_before_the_first_step() -> None:
    with pytest.raises(BadRequest, match=r"head_rank: 400: .* would have \d+ bytes.*is 7000000: say auto, or 2\d\d at"):
        train("student", model={**SMALL, "head_rank": 400})
    with pytest.raises(BadRequest, match=r"head_rank: dense: mobilenetv2 with 9000 classes would have 2\d{7} bytes"):
        train("student", model={**SMALL, "head_rank": "dense"})
    with pytest.raises(BadRequest, match=r"gates\.max_model_bytes: 900000 is too little for mobilenetv2.*rank 1"):
        train("student", model=SMALL, gates={"max_model_bytes": 900_000})
    assert not resolve("student/_progress").exists()  # nothing was begun, so that an edited recipe starts afresh
    make_checkpoint("dense", PHOTOS, classes=many_classes(NUM_CLASSES))
    values = {**VALUES, "inputs": {**PHOTOS, "checkpoint": "dense"}, "output": "finetuned", "data": {}}
    del values["model"]
    with pytest.raises(BadRequest, match=r"head_rank: dense"):
        execute(finetune_student.PHASE, files=["configs/finetune_student.yaml"], values=values)


def test_a_sweep_over_heads_that_cannot_fit_is_refused() -> None:
    make_soft_labels("soft", shift=0, class_ids=many_classes(NUM_CLASSES).class_ids)
    for model, search, head in (({"head_rank": 400}, {}, "400"), ({}, {"head_rank": [8, 0]}, "dense")):
        values = {
            **VALUES,
            "inputs": {**PHOTOS, "soft_labels": "soft"},
            "output": "sweep",
            "model": {**SMALL, **model},
            "data": {"image_size": 32, "train_fraction": 1.0},
            "search": search,
            "resources": {"device": "cpu"},
        }
        with pytest.raises(BadRequest, match=rf"head_rank: {head}: .*is 7000000: say auto"):
            execute(sweep_distillation.PHASE, files=["configs/sweep_distillation.yaml"], values=values)


def test_a_training_goes_on_with_the_rank_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    save = LocalContext.save

    def kill(self: LocalContext, *arguments: Any) -> None:
        save(self, *arguments)
        raise KeyboardInterrupt

    two = {"model": SMALL, "training": {"epochs": 2, "batch_size": 12}}
    with monkeypatch.context() as patch:
        patch.setattr(LocalContext, "save", kill)
        with pytest.raises(KeyboardInterrupt):
            train("raised", **two, gates={"max_model_bytes": 2_000_000})
    for output in ("lowered", "old"):
        shutil.copytree(resolve("raised"), resolve(output))
    begun = json.loads(resolve(f"raised/_progress/scratch/{RANK_FILE}").read_text())["head_rank"]
    assert load_card(train("raised", **two).path).head_rank == begun < 100
    with pytest.raises(BadRequest, match=rf"head_rank: {begun}: .*begun so: choose another output"):
        train("lowered", **two, gates={"max_model_bytes": 1_500_000})
    resolve(f"old/_progress/scratch/{RANK_FILE}").unlink()  # as work is that is older than auto: dense
    with pytest.raises(BadRequest, match=r"head_rank: dense: .*begun so: choose another output"):
        train("old", **two)


def test_a_sealed_student_is_judged_by_an_edited_limit() -> None:
    student = train("student", model=SMALL, gates={"max_model_bytes": 2_000_000})
    assert student.metrics["predicted_model_bytes"] <= 2_000_000
    assert train("student", model=SMALL).digest == student.digest
    with pytest.raises(GateFailed, match=r"has 19\d{5} bytes in the browser, gates\.max_model_bytes is 1500000"):
        train("student", model=SMALL, gates={"max_model_bytes": 1_500_000})


def test_few_classes_have_a_dense_head_and_null_means_auto() -> None:
    make_split("few", "images")
    few = {"inputs": {"images": "images", "split": "few"}, "model": SMALL}
    auto, dense = train("auto", **few), train("dense", **{**few, "model": {**SMALL, "head_rank": "dense"}})
    assert load_card(auto.path).head_rank is None
    assert dense.digest == auto.digest
    configs = [
        load_config(distill_student.DistillStudentConfig, FILES, {"model": {"head_rank": word}})
        for word in ("auto", None, "dense")
    ]
    recipes = [recipe_of(distill_student.PHASE, config, {}, {}) for config in configs]
    changes = [changes_since(recipes[0], recipe, distill_student.DistillStudentConfig) for recipe in recipes]
    assert changes == [[], [], ["model.head_rank: None -> dense"]]


def test_no_weight_is_made_to_count_the_bytes() -> None:
    from aplantida.export.size import bundled_model

    before = torch.get_rng_state()
    size = bundled_model(
        "vit_base_patch16_224", 9000, width=1.0, image_size=224, precision="float16", min_elements=10_000
    )
    assert size.num_bytes(None) > 2 * 85_000_000
    assert torch.equal(before, torch.get_rng_state())
