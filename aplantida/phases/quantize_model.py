"""Fold batch normalization, round the large tensors once, and say what that changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from aplantida.phases._device import device_here
from aplantida.phases._pairing import check_pairing
from aplantida.phases._photos import DataSection, drawn, read_photos, split_rows
from aplantida.phases._scorer import ScorerResources
from aplantida.pipeline.config import Section, SeededConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    from aplantida.export.parity import ParityRow

FORMAT = "aplantida.quantization/1"
Precision = Literal["float32", "float16", "uint8"]
CHECKED_SPLIT = "val"


class QuantizeGates(Section):
    """What the rounding may cost."""

    min_top1_agreement: float = Field(default=0.97, ge=0.0, le=1.0)


class QuantizeModelConfig(SeededConfig):
    """How the shipped model looks at a photo, which tensors are rounded, and what the rounding may cost."""

    MOVED: ClassVar[Mapping[str, str]] = {
        "min_top1_agreement": "gates.min_top1_agreement",
        "batch_size": "resources.batch_size",
    }

    image_size: int | None = Field(default=None, ge=16)
    mirrored: bool = False
    precision: Precision = "float16"
    min_elements: int = Field(default=10_000, ge=1)
    overrides: dict[str, Precision] = Field(default_factory=dict)
    num_check_photos: int = Field(default=256, ge=1)
    data: DataSection = DataSection()
    gates: QuantizeGates = QuantizeGates()
    resources: ScorerResources = ScorerResources()


def run(ctx: PhaseContext[QuantizeModelConfig]) -> dict[str, Any]:
    """Fold, round, compare, store."""
    from aplantida.export.quantization import plan_precision, rounding_errors
    from aplantida.models.checkpoint import load_checkpoint, load_weights, save_checkpoint
    from aplantida.models.folding import fold_batch_norm

    check_pairing(ctx)
    config, source = ctx.config, ctx.input("checkpoint")
    model, card = load_checkpoint(source.file("model.json").parent)
    if card.folded or card.precision:
        raise BadRequest(f"{source.path}: is quantized already; values are rounded once")
    preprocessing = replace(card.preprocessing, image_size=config.image_size or card.preprocessing.image_size)
    folded = fold_batch_norm(model, preprocessing.image_size)
    exact = model.state_dict()
    try:
        plan = plan_precision(exact, config.precision, config.min_elements, config.overrides)
    except ValueError as error:
        raise BadRequest(f"quantize_model: {error}") from error
    exact_card = replace(card, folded=True, mirrored=config.mirrored, preprocessing=preprocessing)
    rounded_card = replace(exact_card, precision=plan)
    folder = ctx.output.scratch / "rounded"
    save_checkpoint(folder, exact, rounded_card)
    save_checkpoint(ctx.output.scratch / "exact", exact, exact_card)
    errors = rounding_errors(exact, load_weights(folder, rounded_card), plan)
    row = _compare(ctx, ctx.output.scratch / "exact", folder)
    for name in ("model.safetensors", "model.json"):
        ctx.output.publish(folder / name, name)
    for name in ("class_index.json", "history.json"):
        ctx.output.write_json(name, json.loads(source.file(name).read_text(encoding="utf-8")))
    ctx.output.write_json(
        "quantization.json",
        {"format": FORMAT, "folded_convolutions": folded, "tensors": [asdict(error) for error in errors]},
    )
    num_bytes = sum(error.num_bytes for error in errors)
    ctx.log.info("%d of %d tensors rounded, %.2f MB, top-1 kept on %.2f %% of %d photos; largest change of a "
                 "probability %.1e", len(plan), len(errors), num_bytes / 1e6, 100 * row.top1_agreement, row.num_photos,
                 row.max_probability_difference)  # fmt: skip
    return {
        "num_rounded_tensors": len(plan),
        "num_tensors": len(errors),
        "num_bytes": num_bytes,
        "num_folded_convolutions": len(folded),
        **{key: value for key, value in asdict(row).items() if key != "runtime"},
    }


def judge(config: QuantizeModelConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Whether rounding changed few enough answers."""
    found, wanted = metrics["top1_agreement"], config.gates.min_top1_agreement
    if found >= wanted:
        return []
    return [
        f"rounding to {config.precision} keeps the answer of {found:.1%} of {metrics['num_photos']} photos only, "
        f"gates.min_top1_agreement is {wanted:.1%}: raise min_elements or override the worst tensors to float32"
    ]


def _compare(ctx: PhaseContext[QuantizeModelConfig], exact: Path, rounded: Path) -> ParityRow:
    """The rounded model against the exact one on validation photos."""
    from aplantida.export.parity import compare

    config, images = ctx.config, ctx.input("images")
    split, fraction = ctx.input("split"), config.data.photo_fraction
    known = split_rows(images, split, CHECKED_SPLIT, fraction=fraction)
    rows = drawn(known, config.num_check_photos, config.seed, "quantize_model")
    if len(rows) == 0:
        share = "" if fraction == 1 else f" in the share {fraction} (data.photo_fraction)"
        raise BadRequest(f"{split.path}: holds no {CHECKED_SPLIT} photo to compare on{share}")
    device, jpegs = device_here(ctx), [photo["image"] for photo in read_photos(images, rows)]
    logits = [config.resources.scorer(folder, device).logits_of(jpegs) for folder in (exact, rounded)]
    return compare("rounded", *logits, temperature=1.0)


PHASE = Phase(
    name="quantize_model",
    config=QuantizeModelConfig,
    inputs={"checkpoint": "checkpoint", "images": "image_shards", "split": "split"},
    output="checkpoint",
    version=3,
    run=run,
    judge=judge,
)
