"""What a bundle is made from belongs together: measured, calibrated and cleared, all of it for the same classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aplantida.domain.class_index import ClassIndex
from aplantida.phases._pairing import classes_in, region_of, require_made_from
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import PhaseContext
from aplantida.release.manifest import read_json


def shipped_classes(ctx: PhaseContext[Any], class_ids: tuple[str, ...]) -> ClassIndex:
    """The checkpoint's, or those of them that live in the region; ``class_ids`` are the outputs of its head.

    Raises:
        BadRequest: when fewer than two do, or the checkpoint's files name different classes.
    """
    checkpoint = ctx.input("checkpoint")
    if classes_in(checkpoint, None).class_ids != class_ids:
        raise BadRequest(f"{checkpoint.path}: class_index.json and model.json name different classes")
    return classes_in(checkpoint, ctx.config.region)


def check_lineage(ctx: PhaseContext[Any]) -> None:
    """What ships must be what was measured, calibrated and cleared."""
    checkpoint, evaluation = ctx.input("checkpoint"), ctx.input("evaluation")
    region, measured = ctx.config.region, region_of(evaluation)
    if measured != region:
        speaks = "all species" if measured is None else f"the species of {measured}"
        advice = "what it was narrowed from" if region is None else f"what narrow_evaluation makes with region {region}"
        raise BadRequest(f"region: {region}, but {evaluation.path} is of {speaks}; calibrate and give {advice}")
    undecided = read_json(ctx.input("license_report"), "license_report.json").get("decisions_needed", [])
    if undecided:
        raise GateFailed(
            f"{ctx.input('license_report').path}: nobody has decided about {', '.join(undecided)}: say who decided "
            "what, and when, under `decisions` of check_licenses, remove that folder and run again"
        )
    for name, made_from, needed in (
        ("evaluation", "checkpoint", checkpoint),
        ("calibration", "evaluation", evaluation),
        ("license_report", "checkpoints", checkpoint),
    ):
        require_made_from(ctx.input(name), made_from, needed)


def credits_of(ctx: PhaseContext[Any], photos: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Credits of photos as the licence report gives them: it knows which parts of an address are secrets.

    Raises:
        BadRequest: for a photo that it does not credit.
    """
    import pyarrow.parquet as pq

    from aplantida.export.bundle import CREDIT_COLUMNS
    from aplantida.release.attributions import LIST_FILES

    report, ids = ctx.input("license_report"), [photo["image_id"] for photo in photos]
    listed = report.file(LIST_FILES[1])
    rows = pq.read_table(listed, columns=list(CREDIT_COLUMNS), filters=[("image_id", "in", ids)]).to_pylist()
    credits = {row["image_id"]: row for row in rows}
    missing = next((image_id for image_id in ids if image_id not in credits), None)
    if missing is not None:
        raise BadRequest(f"{listed}: does not credit the photo {missing} of {ctx.input('split').path}")
    return [credits[image_id] for image_id in ids]
