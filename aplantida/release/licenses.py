"""May this model be sold? Every photo it saw and all weights it descends from, against a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from aplantida.domain.licensing import LicensePolicy, needs_author
from aplantida.domain.weights import Origin, Statement, refusal, same_license
from aplantida.pipeline.artifact import Artifact
from aplantida.release.credit_store import CreditStore
from aplantida.release.lineage import Lineage
from aplantida.release.manifest import read_json

LISTED = 1000  # image ids without author that the report names
NAMED = 20  # violations that a message names


@dataclass(frozen=True)
class PhotoAudit:
    """What the photos' licences say.

    Attributes:
        by_license: photos per licence id, most frequent first.
        looked_at: the same of photos and strangers.
        num_violations: how many photos are refused.
        violations: the first refused photos, a sentence each.
        num_missing_author: of how many photos the licence asks for an author that the collection does not give.
        missing_author: ids of the first of these.
    """

    by_license: dict[str, int]
    looked_at: dict[str, int]
    num_violations: int
    violations: tuple[str, ...]
    num_missing_author: int
    missing_author: tuple[str, ...]


def audit_photos(credits: CreditStore, policy: LicensePolicy, *, require_author: bool) -> PhotoAudit:
    """Hold each photo against the policy, and each stranger.

    Args:
        credits: of the split's photos and strangers.
        policy: which licences are accepted.
        require_author: whether a missing author that the licence asks for is a violation too.
    """
    by_license, looked_at = credits.by_license(), credits.by_license(strangers=True)
    asking = [license_id for license_id in looked_at if needs_author(license_id)]
    refusals: dict[tuple[str, bool], str] = {}
    for license_id in looked_at:
        refusal = policy.refusal(license_id)
        if refusal is not None:
            refusals |= {(license_id, nameless): refusal for nameless in (False, True)}
        elif require_author and license_id in asking:
            refusals[license_id, True] = f"{license_id} asks for the author, and none is given"
    credits.refuse(refusals)
    num_violations, violations = credits.violations(NAMED)
    num_missing, missing = credits.missing_author(asking, LISTED)
    return PhotoAudit(by_license, looked_at, num_violations, tuple(violations), num_missing, tuple(missing))


@dataclass(frozen=True)
class WeightAudit:
    """What the weights' licences say.

    Attributes:
        checkpoints: a row per checkpoint of the lineage.
        offending: checkpoints whose initial weights may not be used, and why.
        broken: what else is wrong with the lineage, a sentence each.
    """

    checkpoints: tuple[dict[str, Any], ...]
    offending: tuple[tuple[Artifact, str], ...]
    broken: tuple[str, ...]

    @property
    def violations(self) -> tuple[str, ...]:
        """A sentence per violation."""
        return tuple(sorted({*self.broken, *(why for _, why in self.offending)}))


def audit_weights(
    lineage: Lineage,
    images: Artifact,
    split: Artifact,
    allowed: Sequence[str],
    stated: Mapping[str, Statement],
) -> WeightAudit:
    """Hold every checkpoint the model descends from against the permissive licences in ``allowed``.

    Photos count as audited only when they are those of ``images`` and ``split``: a checkpoint that descends from others
    is a violation, and so is an ancestor that cannot be read.

    Args:
        lineage: of what is shipped.
        images: whose photos were audited.
        split: likewise.
        allowed: SPDX ids.
        stated: what is known of weights files, by sha256.
    """
    broken, offending = list(lineage.problems), list[tuple[Artifact, str]]()
    for audited in (images, split):
        broken += [
            f"{other.path.name} ({other.kind} {other.digest[:12]}) is in the lineage, but the photos audited are those "
            f"of {audited.path.name} ({audited.digest[:12]})"
            for other in lineage.of_kind(audited.kind)
            if other.digest != audited.digest
        ]
    rows: dict[str, dict[str, Any]] = {}
    for checkpoint in lineage.of_kind("checkpoint"):
        card = read_json(checkpoint, "model.json")  # not as a ModelCard, which would bring torch along
        said = card.get("pretrained")
        origin = None if said is None else Origin.parse(said)
        rows[checkpoint.digest] = {
            "digest": checkpoint.digest,
            "architecture": card["architecture"],
            "pretrained": None if origin is None else str(origin) if origin.is_hub else PurePosixPath(str(said)).name,
            "pretrained_license": card.get("pretrained_license"),
        }
        why = _weights_refusal(checkpoint, origin, card.get("pretrained_license"), allowed, stated)
        if why is not None:
            offending.append((checkpoint, f"weights of {checkpoint.path.name}: began from {said}: {why}"))
    return WeightAudit(tuple(rows[digest] for digest in sorted(rows)), tuple(offending), tuple(sorted(set(broken))))


def _weights_refusal(
    checkpoint: Artifact,
    origin: Origin | None,
    license_id: str | None,
    allowed: Sequence[str],
    stated: Mapping[str, Statement],
) -> str | None:
    """Why a checkpoint's initial weights may not be shipped; None when they may, or there are none."""
    source = checkpoint.manifest["recipe"]["sources"].get("pretrained", "none")
    if origin is None:
        return None if source == "none" else f"its card says nothing of them, its recipe has {source}"
    why = refusal(license_id, allowed)
    if why is not None:
        return why
    if origin.sha256 is None:
        return "the card does not say which file that was (no sha256)"
    known = stated.get(origin.sha256)
    if known is None:
        return None if origin.is_hub else "nothing is known of a file with that sha256"
    if not same_license(known.license, license_id):
        return f"the card says {license_id}, {known.said_by} says {known.license}"
    return None
