"""What speaks of other classes, or of the same in another order, is refused wherever it meets what it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from aplantida.domain.class_index import class_index_digest
from aplantida.domain.scores import ScoreTable
from aplantida.phases._pairing import spoken
from aplantida.phases.registry import PHASES, load_phase
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import (
    CLASSES,
    make_checkpoint,
    make_images,
    make_soft_labels,
    make_split,
    seal,
)

IDS = CLASSES.class_ids
STRANGERS = (*IDS[:5], "Zea mays")
SWAPPED = (IDS[1], IDS[0], *IDS[2:])
ELSEWHERE = ("combine_teacher_logits", "evaluate_model")  # their own tests show it
NOT_BY_CLASSES = ("check_licenses",)  # pairs photos and weights


def soft_table(class_ids: Sequence[str]) -> ScoreTable:
    return ScoreTable(np.array(["0" * 32]), np.zeros(1, np.int16), tuple(class_ids), np.zeros((1, 6), np.float16))


def classes_json(class_ids: Sequence[str]) -> dict[str, Any]:
    return {"format": "aplantida.class_index/1", "classes": [{"class_id": name} for name in class_ids]}


WRITE: dict[str, Callable[[ArtifactWriter, Sequence[str]], Any]] = {
    "split": lambda output, ids: output.write_json("class_index.json", classes_json(ids)),
    "checkpoint": lambda output, ids: output.write_json("model.json", {"class_ids": [*ids]}),
    "teacher_logits": lambda output, ids: output.write_json("teacher.json", {"class_ids": [*ids]}),
    "evaluation": lambda output, ids: output.write_json("class_index.json", classes_json(ids)),
    "model_bundle": lambda output, ids: output.write_json("classes.json", classes_json(ids)),
    "soft_labels": lambda output, ids: output.write_table("scores/shard-00000.parquet", soft_table(ids).to_arrow()),
}


def speaking(kind: str, path: str, class_ids: Sequence[str] = IDS) -> Artifact:
    """An artifact that holds no more than its class ids, as all of 3693cb9 do: none of them holds a digest."""

    def fill(output: ArtifactWriter) -> None:
        if kind in WRITE:
            WRITE[kind](output, class_ids)
        else:
            output.write_json("empty.json", {})

    return seal(path, kind, fill)


def meetings() -> list[tuple[str, str]]:
    """Phase and input, for every input that meets a split and speaks of classes."""
    return [
        (name, given)
        for name in PHASES
        if name not in (*ELSEWHERE, *NOT_BY_CLASSES)
        for given, spec in load_phase(name).input_specs.items()
        if spec.kind in WRITE and spec.kind != "split" and "split" in load_phase(name).inputs
    ]


def test_all_that_train_score_round_and_ship_are_among_them() -> None:
    assert {name for name, _ in meetings()} >= {
        "compute_teacher_logits",
        "distill_student",
        "export_tfjs",
        "finetune_student",
        "quantize_model",
        "sweep_distillation",
        "validate_tfjs",
    }


@pytest.mark.parametrize("class_ids", [STRANGERS, SWAPPED], ids=["strangers", "swapped"])
@pytest.mark.parametrize(("name", "given"), meetings())
def test_an_input_that_does_not_fit_the_split_is_refused(name: str, given: str, class_ids: Sequence[str]) -> None:
    phase, inputs = load_phase(name), dict[str, str]()
    for other, spec in phase.input_specs.items():
        inputs[other] = f"in {other}"
        speaking(spec.kind, inputs[other], class_ids if other == given else IDS)
    said = (
        rf"in {given} \(6 classes, class index {class_index_digest(class_ids)[:12]}\) does not fit .*"
        rf"\(6 classes, class index {CLASSES.digest[:12]}\)"
    )
    how = "1 classes of the former only, e.g. 'Zea mays'" if class_ids is STRANGERS else "in another order"
    with pytest.raises(BadRequest, match=f"{said}.*{how}"):
        execute(phase, files=[f"configs/{name}.yaml"], values={"inputs": inputs, "output": "refused"} | plain(name))


def plain(name: str) -> dict[str, Any]:
    """No weights from outside, and the recipe in the config."""
    values: dict[str, Any] = {}
    if name in ("distill_student", "sweep_distillation"):
        values["model"] = {"pretrained": False, "num_classes": None}
    if name == "distill_student":
        values["distillation"] = {"recipe": "from_sweep"}
    return values


@pytest.mark.parametrize("made", ["evaluation", "bundle"])
def test_what_was_made_of_a_part_does_not_fit_the_whole(made: str) -> None:
    phase = load_phase("export_tfjs" if made == "evaluation" else "validate_tfjs")
    for other, spec in phase.input_specs.items():
        speaking(spec.kind, f"in {other}", IDS[:4] if other == made else IDS)
    inputs = {other: f"in {other}" for other in phase.inputs}
    message = rf"in {made} \(4 classes.* does not fit .*in checkpoint \(6 .*2 classes of the latter only"
    with pytest.raises(BadRequest, match=message):
        execute(phase, values={"inputs": inputs, "output": "refused"})


def test_soft_labels_of_another_splits_class_order_do_not_train() -> None:
    """Row S7: the student learned every species under the name of another, and nothing said so."""
    make_images("images")
    make_split("split", "images")
    make_soft_labels("soft", shift=0, class_ids=SWAPPED)
    inputs = {"images": "images", "split": "split", "soft_labels": "soft"}
    values = {
        "inputs": inputs,
        "output": "student",
        "model": {"name": "test_efficientnet", "pretrained": False},
        "training": {"epochs": 1, "batch_size": 12},
        "data": {"image_size": 32},
        "distillation": {"recipe": "explicit"},
        "resources": {"num_threads": 1},
    }
    with pytest.raises(BadRequest, match=r"soft .* does not fit .*split .* in another order"):
        execute(load_phase("distill_student"), files=["configs/distill_student.yaml"], values=values)


def test_a_regional_teacher_speaks_of_a_part_and_fits() -> None:
    make_images("images")
    make_split("split", "images")
    teacher = make_checkpoint("teacher", {"images": "images", "split": "split"}, CLASSES.subset(IDS[1:4]))
    values = {"inputs": {"images": "images", "split": "split", "checkpoint": "teacher"}, "output": "logits"}
    files = ["configs/compute_teacher_logits.yaml"]
    logits = execute(load_phase("compute_teacher_logits"), files=files, values=values).artifact
    assert logits is not None
    said = [spoken(artifact) for artifact in (teacher, logits)]
    assert [item and item.class_ids for item in said] == [IDS[1:4], IDS[1:4]]
