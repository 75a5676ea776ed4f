"""Train the student on soft labels; with alpha 0 it is the baseline, which learns from the labels alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from aplantida.phases._admission import admit, look_again
from aplantida.phases._distillation import (
    DEFAULT_ALPHA,
    DEFAULT_TEMPERATURE,
    SoftLabelsSection,
    soft_labels_folder,
)
from aplantida.phases._pairing import check_pairing
from aplantida.phases._student import (
    StudentGates,
    StudentModelSection,
    check_size,
    judge_student,
    keep_rank,
    new_student,
)
from aplantida.phases._training import batch_plan, digest_pretrained, read_class_index, run_training
from aplantida.phases._training_config import InputSection, TrainConfig
from aplantida.phases._weights import look_at_weights
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext


class DistillationSection(SoftLabelsSection):
    """And where the recipe comes from."""

    recipe: Literal["explicit", "from_sweep"] = "explicit"


class DistillStudentConfig(TrainConfig):
    """Network, distillation, photos; the rest as in every training."""

    model: StudentModelSection = StudentModelSection()
    distillation: DistillationSection = DistillationSection()
    data: InputSection = InputSection()
    gates: StudentGates = StudentGates()  # pyright: ignore[reportIncompatibleVariableOverride]


def run(ctx: PhaseContext[DistillStudentConfig]) -> dict[str, Any]:
    """Train."""
    check_pairing(ctx)
    admit(ctx)
    ctx = _with_recipe(ctx)
    config, wanted = ctx.config, ctx.config.distillation
    soft_labels = soft_labels_folder(ctx, wanted.alpha)
    index = read_class_index(ctx, config.model.num_classes)
    begun = any(ctx.output.scratch.iterdir())
    card, initial = new_student(ctx, config.model, config.data, index, begun=begun)
    size = check_size(ctx, card)
    smoothing = config.regularization.label_smoothing
    metrics = run_training(
        ctx,
        card=card,
        initial=initial,
        batches=batch_plan(ctx, config.data, card, index, soft_labels=soft_labels, temperature=wanted.temperature),
        objective=wanted.distance.objective(wanted.temperature, wanted.alpha, smoothing),
        index=index,
        at_start=lambda: keep_rank(ctx, card),
    )
    recipe = {"temperature": wanted.temperature, "alpha": wanted.alpha, "distance": wanted.distance.kind}
    return {**recipe, "learning_rate": config.training.learning_rate, "head_rank": card.head_rank, **size, **metrics}


def _with_recipe(ctx: PhaseContext[DistillStudentConfig]) -> PhaseContext[DistillStudentConfig]:
    """The context with the sweep's best recipe in its config, where the config wants it.

    Raises:
        BadRequest: when a value is given twice, or the sweep is missing or unread.
    """
    wanted = ctx.config.distillation
    if wanted.recipe == "explicit":
        if ctx.has_input("sweep"):
            raise BadRequest(
                "input sweep is given, but distillation.recipe is explicit: say from_sweep, or drop the input"
            )
        return ctx
    if not ctx.has_input("sweep"):
        raise BadRequest("distillation.recipe is from_sweep: give --input sweep=PATH, or say explicit")
    best = json.loads(ctx.input("sweep").file("best.json").read_text(encoding="utf-8"))
    found = {name: best[name] for name in best["searched"]}
    _check_edits(ctx.config, best)
    ctx.log.info("from the sweep: %s", ", ".join(f"{name} {value}" for name, value in found.items()))
    values = ctx.config.model_dump(round_trip=True)
    values["distillation"] |= {name: found[name] for name in ("temperature", "alpha")}
    if "distance" in found:
        values["distillation"]["distance"]["kind"] = found["distance"]
    if "learning_rate" in found:
        values["training"]["learning_rate"] = found["learning_rate"]
    if "head_rank" in found:
        values["model"]["head_rank"] = found["head_rank"] or "dense"
    return replace(ctx, config=DistillStudentConfig.model_validate(values))


def _check_edits(config: DistillStudentConfig, best: Mapping[str, Any]) -> None:
    """Refuse a config that contradicts the recipe it asks for."""
    wanted = config.distillation
    edited = {
        name: value
        for name, value, default in (
            ("temperature", wanted.temperature, DEFAULT_TEMPERATURE),
            ("alpha", wanted.alpha, DEFAULT_ALPHA),
            ("distance.kind", wanted.distance.kind, "kd" if "distance" in best["searched"] else best["distance"]),
        )
        if value != default
    }
    if edited:
        raise BadRequest(
            f"distillation.recipe is from_sweep, but {edited} was edited: say explicit, or what the sweep has"
        )


def _digest_weights(config: DistillStudentConfig) -> str:
    return digest_pretrained(config.model)


def _look_at_weights(config: DistillStudentConfig) -> None:
    look_at_weights(config.model)


PHASE = Phase(
    name="distill_student",
    config=DistillStudentConfig,
    inputs={"images": "image_shards", "split": "split", "soft_labels": "soft_labels?", "sweep": "sweep?"},
    output="checkpoint",
    version=3,
    run=run,
    sources={"pretrained": _digest_weights},
    look=_look_at_weights,
    judge=judge_student,
    look_again=look_again,
)
