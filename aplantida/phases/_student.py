"""What the phases share that train a student: it must fit the browser, and that is known before the first step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from aplantida.domain.class_index import ClassIndex
from aplantida.phases._admission import LineageGates
from aplantida.phases._training import new_model
from aplantida.phases._training_config import InputSection, ModelSection, TrainGates, judge_training
from aplantida.phases.quantize_model import QuantizeModelConfig
from aplantida.pipeline.config import Section
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.export.size import BundledModel
    from aplantida.models.checkpoint import ModelCard

RANK_FILE, PREDICTED = "head_rank.json", "predicted_model_bytes"
Dense = Literal["dense"]


class StudentModelSection(ModelSection):
    """The network. ``head_rank`` None is ``auto``: dense where it fits the browser, else the largest rank that does."""

    name: str = "mobilenetv2"
    width: float = Field(default=1.0, gt=0)
    head_rank: Annotated[int, Field(ge=1)] | Dense | None = None

    @field_validator("head_rank", mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return None if value == "auto" else value


class SizeGates(Section):
    """How large the student may be in the browser."""

    max_model_bytes: int = Field(default=7_000_000, ge=1)


class StudentGates(TrainGates, LineageGates, SizeGates):
    """What a student's training may learn and go on from, what it may go through, and how large it may be."""


def new_student(
    ctx: PhaseContext[Any], model: StudentModelSection, data: InputSection, classes: ClassIndex, *, begun: bool
) -> tuple[ModelCard, str | Path | None]:
    """The card of a student that fits the browser, and its initial weights.

    A rank that ``auto`` finds is found once: work that goes on keeps the one it began with, whatever the limit is now.

    Args:
        ctx: the phase's; its config has ``gates`` and ``regularization``.
        model: the network.
        data: its input.
        classes: what it will know.
        begun: whether an earlier session has trained already.

    Raises:
        BadRequest: when it does not fit ``gates.max_model_bytes``.
    """
    limit = ctx.config.gates.max_model_bytes
    size = _bundled(model.name, len(classes), model.width, data.image_size)
    rank = None if model.head_rank == "dense" else model.head_rank
    if model.head_rank is None:
        rank = _kept_rank(ctx) if begun else _largest_rank(size, limit, model.name)
    _check(size, rank, limit, model.name, "; it was begun so: choose another output" if begun else "")
    if rank is not None:
        ctx.log.info("a head of rank %d for %d classes: %.2f MB in the browser", rank, len(classes),
                     size.num_bytes(rank) / 1e6)  # fmt: skip
    return new_model(
        ctx, model, data, classes, dropout=ctx.config.regularization.dropout, width=model.width, head_rank=rank
    )


def foreseen_size(model: StudentModelSection, num_classes: int, image_size: int, limit: int) -> tuple[int | None, int]:
    """Of a student whose training would begin now: its head's rank (None: dense) and its bytes in the browser.

    Raises:
        BadRequest: when it does not fit ``limit``.
    """
    size = _bundled(model.name, num_classes, model.width, image_size)
    rank = None if model.head_rank == "dense" else model.head_rank
    if model.head_rank is None:
        rank = _largest_rank(size, limit, model.name)
    _check(size, rank, limit, model.name)
    return rank, size.num_bytes(rank)


def keep_rank(ctx: PhaseContext[Any], card: ModelCard) -> None:
    """Note the rank that a training begins with, for the sessions that go on with it."""
    path = ctx.output.scratch / RANK_FILE
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump({"head_rank": card.head_rank}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    ctx.output.check_session()
    temporary.replace(path)


def _kept_rank(ctx: PhaseContext[Any]) -> int | None:
    """Work without a note is older than ``auto``: its head is dense."""
    path = ctx.output.scratch / RANK_FILE
    return json.loads(path.read_text(encoding="utf-8"))["head_rank"] if path.is_file() else None


def check_size(ctx: PhaseContext[Any], card: ModelCard, ranks: Sequence[int] = ()) -> dict[str, int]:
    """Refuse a student that is too large for the browser.

    Args:
        ctx: the phase's; its config has ``gates``.
        card: the student.
        ranks: of the heads that it may have instead of its own, 0 for a dense one; none for its own.

    Returns:
        For the phase's metrics, what :func:`judge_size` looks at: the bytes of the largest of them.

    Raises:
        BadRequest: when one of them is too large.
    """
    size = _bundled(card.architecture, card.num_classes, card.width, card.preprocessing.image_size)
    heads = [rank or None for rank in ranks] or [card.head_rank]
    for rank in heads:
        _check(size, rank, ctx.config.gates.max_model_bytes, card.architecture)
    return {PREDICTED: max(size.num_bytes(rank) for rank in heads)}


def judge_student(config: Any, metrics: Mapping[str, Any]) -> list[str]:
    """Both of a student's trainings: steps that were skipped, and size."""
    return [*judge_training(config, metrics), *judge_size(config, metrics)]


def judge_size(config: Any, metrics: Mapping[str, Any]) -> list[str]:
    """Whether a trained student fits; one that was trained before its size was told is left to ``export_tfjs``."""
    found, most = metrics.get(PREDICTED, 0), config.gates.max_model_bytes
    if found <= most:
        return []
    return [
        f"the student has {found} bytes in the browser, gates.max_model_bytes is {most}: "
        "train another one under another output, head_rank auto"
    ]


def _bundled(architecture: str, num_classes: int, width: float, image_size: int) -> BundledModel:
    """As ``quantize_model`` rounds it where it is left as it is."""
    from aplantida.export.size import bundled_model

    rounding = QuantizeModelConfig()
    try:
        return bundled_model(
            architecture,
            num_classes,
            width=width,
            image_size=image_size,
            precision=rounding.precision,
            min_elements=rounding.min_elements,
        )
    except ValueError as error:
        raise BadRequest(f"model.name, model.width: {error}") from error


def _largest_rank(size: BundledModel, limit: int, name: str) -> int | None:
    try:
        return size.largest_rank(limit)
    except ValueError as error:
        raise BadRequest(
            f"gates.max_model_bytes: {limit} is too little for {name} and {size.num_classes} classes: {error}; "
            "choose a smaller network"
        ) from error


def _check(size: BundledModel, rank: int | None, limit: int, name: str, more: str = "") -> None:
    """Refuse a head with which the model is too large."""
    found = size.num_bytes(rank)
    if found > limit:
        fitting = _largest_rank(size, limit, name)
        raise BadRequest(
            f"head_rank: {rank or 'dense'}: {name} with {size.num_classes} classes would have {found} bytes in the "
            f"browser, gates.max_model_bytes is {limit}: say auto, or {fitting} at most{more}"
        )
