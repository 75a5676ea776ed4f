"""The licence gate: every photo of the split and all weights of the lineage, or exit 4; and the credits."""

from __future__ import annotations

import json
from typing import Any

import pyarrow.parquet as pq

from aplantida.domain.licensing import LicensePolicy
from aplantida.pipeline.config import PhaseConfig, Section
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.release.attributions import COLUMNS, attribution_of, to_html, to_jsonl

FORMAT = "aplantida.license_report/1"
NAMED = 20  # violations in the error message


class PhotoPolicy(Section):
    """Which licences of photos are accepted."""

    allow_share_alike: bool = True
    also_allowed: tuple[str, ...] = ()
    require_author: bool = False


class CheckLicensesConfig(PhaseConfig):
    """What may be shipped."""

    license_policy: PhotoPolicy = PhotoPolicy()
    allowed_weight_licenses: tuple[str, ...] = ("Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "CC0-1.0")
    title: str = "Photo credits"


def run(ctx: PhaseContext[CheckLicensesConfig]) -> dict[str, Any]:
    """Audit, refuse or report."""
    from aplantida.release.licenses import LISTED, audit_photos, audit_weights
    from aplantida.release.lineage import trace

    config, images, split = ctx.config, ctx.input("images"), ctx.input("split")
    policy = LicensePolicy(config.license_policy.allow_share_alike, config.license_policy.also_allowed)
    credits = _credits(ctx)
    photos = audit_photos(credits, policy, require_author=config.license_policy.require_author)
    lineage = trace(ctx.input_list("checkpoints"))
    weights = audit_weights(lineage, images, split, config.allowed_weight_licenses)
    violations = [*photos.violations, *weights.violations]
    if violations:
        listing = ctx.output.log_path / "license_violations.json"
        listing.write_text(json.dumps(violations, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        shown = "\n  ".join(violations[:NAMED])
        more = f"\n  … and {len(violations) - NAMED} more" if len(violations) > NAMED else ""
        raise GateFailed(f"{len(violations)} licence violations, all in {listing}:\n  {shown}{more}")
    report = {
        "format": FORMAT,
        "production_safe": True,
        "policy": config.model_dump(mode="json", include={"license_policy", "allowed_weight_licenses"}),
        "photos": {
            "num_photos": len(credits),
            "by_license": photos.by_license,
            "num_missing_author": len(photos.missing_author),
            "missing_author": list(photos.missing_author[:LISTED]),
        },
        "weights": list(weights.checkpoints),
    }
    ctx.output.write_json("license_report.json", report)
    ctx.output.write_text("attributions.jsonl", to_jsonl(credits))
    ctx.output.write_text("attributions.html", to_html(credits, config.title))
    if photos.missing_author:
        ctx.log.warning("%d photos under CC BY give no author; the report lists them", len(photos.missing_author))
    ctx.log.info("%d photos and %d checkpoints pass", len(credits), len(weights.checkpoints))
    return {"num_photos": len(credits), "num_missing_author": len(photos.missing_author), "violations": 0}


def _credits(ctx: PhaseContext[CheckLicensesConfig]) -> list[dict[str, Any]]:
    """The credit of every photo of the split, by image id."""
    images, split = ctx.input("images"), ctx.input("split")
    wanted = set(pq.read_table(split.file("split.parquet"), columns=["image_id"])["image_id"].to_pylist())
    credits: list[dict[str, Any]] = []
    for shard in images.files_under("shards"):
        rows = pq.read_table(shard, columns=list(COLUMNS)).to_pylist()
        credits += [attribution_of(row) for row in rows if row["image_id"] in wanted]
    absent = wanted - {credit["image_id"] for credit in credits}
    if absent:
        raise BadRequest(f"{images.path}: lacks {len(absent)} photos of {split.path}, {min(absent)} among them")
    return sorted(credits, key=lambda credit: credit["image_id"])


PHASE = Phase(
    name="check_licenses",
    config=CheckLicensesConfig,
    inputs={"images": "image_shards", "split": "split", "checkpoints": "checkpoint+"},
    output="license_report",
    version=1,
    run=run,
)
