"""Stored teacher scores of a few photos, scored once more: like with like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from aplantida.domain.seeds import derive_seed
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import Section
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    import pyarrow as pa

    from aplantida.data.views import View
    from aplantida.domain.scores import ScoreTable
    from aplantida.models.inference import Scorer

EARLIER_PRECISION = "float32"  # of a shard whose record names none


class VerifySection(Section):
    """How much is scored a second time at the end."""

    num_photos: int = Field(default=4, ge=0)
    max_difference: float = Field(default=0.05, gt=0)
    max_difference_bfloat16: float = Field(default=0.25, gt=0)


def shard_unit(shard: int) -> str:
    """The unit of work that is a shard, and the name of its files."""
    return f"shard-{shard:05d}"


def score_again(
    ctx: PhaseContext[Any], section: VerifySection, train: pa.Table, images: Artifact, scorer: Scorer
) -> dict[str, Any]:
    """Score a few photos once more, those of earlier sessions and artifacts among them, and compare.

    bfloat16 and float32 differ by more than two devices do in either, so photos are drawn from the shards that were
    scored in what ``scorer`` computes in.

    Args:
        ctx: the phase's; all its shards are recorded, each with its ``precision``.
        section: how many photos.
        train: ``image_id`` and ``shard`` of the training photos.
        images: the image_shards artifact.
        scorer: the teacher.

    Returns:
        Metrics, of which :func:`disagreements` judges.
    """
    from aplantida.distillation.verification import largest_difference

    shards = set(train["shard"].to_pylist())
    alike = {shard for shard in shards if _precision(ctx, shard) == scorer.precision}
    if left_out := len(shards) - len(alike):
        ctx.log.warning(
            "%d of %d shards are not verified: they were not scored in %s, as this process scores",
            *(left_out, len(shards), scorer.precision),
        )
    drawn = sorted(
        (derive_seed(ctx.config.seed, "verify", image_id), image_id, shard)
        for image_id, shard in zip(train["image_id"].to_pylist(), train["shard"].to_pylist(), strict=True)
        if shard in alike
    )[: section.num_photos]
    said = {"verified_precision": scorer.precision, "num_shards_not_verified": left_out}
    if not drawn:
        return {"num_verified_rows": 0, **said}
    found = largest_difference(scorer, *_stored(ctx.output.path, images, {name: shard for _, name, shard in drawn}))
    ctx.log.info("%d rows scored again: logits differ by %.4f at most", found.rows, found.amount)
    where = f"photo {found.image_id}, view {found.view}"
    return {
        "num_verified_rows": found.rows,
        "largest_difference": found.amount,
        "largest_difference_at": where,
        **said,
    }


def _stored(
    path: Path, images: Artifact, shard_of: Mapping[str, int]
) -> tuple[ScoreTable, dict[str, bytes], dict[tuple[str, int], View]]:
    """Scores, photos and crops of the photos in ``shard_of``, as they lie in the files."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from aplantida.data.views import views_from_arrow
    from aplantida.domain.scores import ScoreTable, concat

    wanted, stored = pc.field("image_id").isin(list(shard_of)), list[ScoreTable]()
    jpegs, views = dict[str, bytes](), {}
    for unit in sorted({shard_unit(shard) for shard in shard_of.values()}):
        stored.append(ScoreTable.from_arrow(pq.read_table(path / f"scores/{unit}.parquet").filter(wanted)))
        views |= views_from_arrow(pq.read_table(path / f"views/{unit}.parquet").filter(wanted))
        photos = pq.read_table(images.file(f"shards/{unit}.parquet"), columns=["image_id", "image"], filters=wanted)
        jpegs |= dict(zip(photos["image_id"].to_pylist(), photos["image"].to_pylist(), strict=True))
    return concat(stored), jpegs, views


def _precision(ctx: PhaseContext[Any], shard: int) -> str:
    return ctx.output.unit_info(shard_unit(shard)).get("precision", EARLIER_PRECISION)


def disagreements(section: VerifySection, metrics: Mapping[str, Any]) -> list[str]:
    """Whether the stored logits are still what the teacher says.

    In bfloat16 they depend on the size of the batch, by more the larger they are.
    """
    found = metrics.get("largest_difference", 0.0)
    reduced = metrics.get("verified_precision", EARLIER_PRECISION) == "bfloat16"
    key = "max_difference_bfloat16" if reduced else "max_difference"
    most = getattr(section, key)
    if found <= most:
        return []
    return [
        f"a logit of {metrics.get('largest_difference_at', 'some photo')} differs by {found:.4f} from what the teacher "
        f"says now; gates.verify.{key} is {most}: raise it to keep these scores, or choose another --output"
    ]
