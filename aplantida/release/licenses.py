"""May this model be sold? Every photo it saw and all weights it descends from, against a policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from aplantida.domain.licensing import LicensePolicy
from aplantida.models.checkpoint import load_card
from aplantida.pipeline.artifact import Artifact
from aplantida.release.attributions import needs_author
from aplantida.release.lineage import Lineage

LISTED = 1000  # image ids without author that the report names


@dataclass(frozen=True)
class PhotoAudit:
    """What the photos' licences say.

    Attributes:
        by_license: photos per licence id, most frequent first.
        violations: refused photos, a sentence each.
        missing_author: ids of photos whose licence asks for an author that the collection does not give.
    """

    by_license: dict[str, int] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
    missing_author: tuple[str, ...] = ()


def audit_photos(credits: Iterable[dict[str, Any]], policy: LicensePolicy, *, require_author: bool) -> PhotoAudit:
    """Hold each photo's credit against the policy.

    Args:
        credits: rows of :func:`aplantida.release.attributions.attribution_of`.
        policy: which licences are accepted.
        require_author: whether a missing author that the licence asks for is a violation too.
    """
    counts: Counter[str] = Counter()
    violations: list[str] = []
    missing: list[str] = []
    for credit in credits:
        license_id = credit["license_id"]
        counts[license_id] += 1
        refusal = policy.refusal(license_id)
        nameless = needs_author(license_id) and not credit["author"]
        if nameless:
            missing.append(credit["image_id"])
        if refusal is None and nameless and require_author:
            refusal = f"{license_id} asks for the author, and none is given"
        if refusal is not None:
            violations.append(f"photo {credit['image_id']} ({credit['scientific_name']}, {credit['url']}): {refusal}")
    ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return PhotoAudit(ordered, tuple(sorted(violations)), tuple(sorted(missing)))


@dataclass(frozen=True)
class WeightAudit:
    """What the weights' licences say: a row per checkpoint of the lineage, and a sentence per violation."""

    checkpoints: tuple[dict[str, Any], ...]
    violations: tuple[str, ...]


def audit_weights(lineage: Lineage, images: Artifact, split: Artifact, allowed: Sequence[str]) -> WeightAudit:
    """Hold every checkpoint the model descends from against the permissive licences in ``allowed``.

    Photos count as audited only when they are those of ``images`` and ``split``: a checkpoint that descends from others
    is a violation, and so is an ancestor that cannot be read.
    """
    violations = list(lineage.problems)
    for audited in (images, split):
        violations += [
            f"{other.path.name} ({other.kind} {other.digest[:12]}) is in the lineage, but the photos audited are those "
            f"of {audited.path.name} ({audited.digest[:12]})"
            for other in lineage.of_kind(audited.kind)
            if other.digest != audited.digest
        ]
    rows: dict[str, dict[str, Any]] = {}
    for checkpoint in lineage.of_kind("checkpoint"):
        card = load_card(checkpoint.file("model.json").parent)
        rows[checkpoint.digest] = {
            "digest": checkpoint.digest,
            "architecture": card.architecture,
            "pretrained": None if card.pretrained is None else PurePosixPath(card.pretrained).name,
            "pretrained_license": card.pretrained_license,
        }
        if card.pretrained is not None and card.pretrained_license not in allowed:
            violations.append(
                f"weights of {checkpoint.path.name}: began from {card.pretrained} under "
                f"{card.pretrained_license or 'no stated licence'}; accepted are {', '.join(allowed)}"
            )
    return WeightAudit(tuple(rows[digest] for digest in sorted(rows)), tuple(sorted(set(violations))))
