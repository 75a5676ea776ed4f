"""What speaks of classes is paired by them: the one place that says which artifacts may meet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aplantida.domain.class_index import ClassIndex, class_index_digest
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

SPLIT, SOFT_LABELS, CHECKPOINT = "split", "soft_labels", "checkpoint"
# a regional teacher knows its region's classes, and so does what was made of it
OF_A_PART = (CHECKPOINT, "teacher_logits", "evaluation", "model_bundle")
OF_A_CHECKPOINT = ("evaluation", "model_bundle")
_ORDER = "they are the same classes in another order"
_ID_FILES = {  # by kind: the file that holds the class ids, and the key they are under
    SPLIT: ("class_index.json", "classes"),
    CHECKPOINT: ("model.json", "class_ids"),
    "teacher_logits": ("teacher.json", "class_ids"),
    "evaluation": ("class_index.json", "classes"),
    "model_bundle": ("classes.json", "classes"),
}


def require_made_from(artifact: Artifact, name: str, needed: Artifact) -> None:
    """That ``needed`` is among an artifact's inputs of that name, by its digest.

    Raises:
        BadRequest: naming both.
    """
    if needed.digest not in {given["digest"] for given in artifact.inputs.get(name, [])}:
        raise BadRequest(f"{artifact.path}: this {artifact.kind} was not made from {needed.path}; run its phase on it")


@dataclass(frozen=True)
class Spoken:
    """An artifact and the classes it speaks of, in order; ``region`` where only those are meant that live there."""

    artifact: Artifact
    class_ids: tuple[str, ...]
    region: str | None = None

    def __str__(self) -> str:
        """For messages: where it is, how many classes, and their digest."""
        classes = "classes" if self.region is None else f"classes of {self.region}"
        return f"{self.artifact.path} ({len(self.class_ids)} {classes}, class index {self.digest[:12]})"

    @property
    def digest(self) -> str:
        """Of the class index."""
        return class_index_digest(self.class_ids)


def spoken(artifact: Artifact) -> Spoken | None:
    """The classes ``artifact`` speaks of, out of the ids it holds; None for a kind that speaks of none."""
    if artifact.kind == SOFT_LABELS:
        import pyarrow.parquet as pq

        from aplantida.domain.scores import class_ids_of

        tables = artifact.files_under("scores")
        return Spoken(artifact, class_ids_of(pq.read_schema(tables[0]))) if tables else None
    if artifact.kind not in _ID_FILES:
        return None
    name, key = _ID_FILES[artifact.kind]
    items = json.loads(artifact.file(name).read_text(encoding="utf-8"))[key]
    return Spoken(artifact, tuple(item if isinstance(item, str) else item["class_id"] for item in items))


def region_of(artifact: Artifact) -> str | None:
    """The region that an evaluation or a bundle was narrowed to; None for one of all of its checkpoint's classes."""
    return artifact.config.get("region") if artifact.kind in OF_A_CHECKPOINT else None


def classes_in(artifact: Artifact, region: str | None) -> ClassIndex:
    """The classes of a checkpoint or an evaluation; with ``region`` those that are known to live there.

    Raises:
        BadRequest: when fewer than two do, naming the regions there are.
    """
    index = ClassIndex.load(artifact.file("class_index.json"))
    if region is None:
        return index
    try:
        return index.of_region(region)
    except ValueError as error:
        raise BadRequest(f"region: {artifact.path}: {error}") from None


def check_pairing(ctx: PhaseContext[Any]) -> None:
    """Refuse inputs that do not speak of the same classes.

    Soft labels speak of all of the split's classes; checkpoints, and what was made of them, of all or some, in the
    split's order; an evaluation and a bundle of their checkpoint's, or of those of them that live in their region.

    Raises:
        BadRequest: naming both, and how they differ.
    """
    found = [spoken(artifact) for given in ctx.inputs.values() for artifact in given]
    by_kind: dict[str, list[Spoken]] = {}
    for item in found:
        if item is not None:
            by_kind.setdefault(item.artifact.kind, []).append(item)
    for split in by_kind.get(SPLIT, []):
        for labels in by_kind.get(SOFT_LABELS, []):
            _require_same(labels, split)
        for part in (item for kind in OF_A_PART for item in by_kind.get(kind, [])):
            _require_part(part, split)
    for checkpoint in by_kind.get(CHECKPOINT, []):
        for made in (item for kind in OF_A_CHECKPOINT for item in by_kind.get(kind, [])):
            region = region_of(made.artifact)
            meant = checkpoint if region is None else _narrowed(checkpoint, region)
            _require_same(made, meant)


def check_same(one: Artifact, other: Artifact, advice: str = "") -> None:
    """Refuse unless both artifacts speak of the same classes in the same order; ``advice`` ends the message.

    Raises:
        BadRequest: otherwise.
    """
    said, heard = spoken(one), spoken(other)
    if said is not None and heard is not None:
        _require_same(said, heard, advice)


def _narrowed(whole: Spoken, region: str) -> Spoken:
    return Spoken(whole.artifact, classes_in(whole.artifact, region).class_ids, region)


def _require_same(one: Spoken, other: Spoken, advice: str = "") -> None:
    if one.digest != other.digest:
        difference = _strangers(one, other, "former") or _strangers(other, one, "latter") or _ORDER
        raise BadRequest(f"{one} does not fit {other}: {difference}{advice}")


def _require_part(part: Spoken, whole: Spoken) -> None:
    known = set(part.class_ids)
    if part.digest != class_index_digest([class_id for class_id in whole.class_ids if class_id in known]):
        raise BadRequest(f"{part} does not fit {whole}: {_strangers(part, whole, 'former') or _ORDER}")


def _strangers(one: Spoken, other: Spoken, name: str) -> str:
    """Says what is of ``one`` only; empty when nothing is."""
    known = set(other.class_ids)
    strangers = [class_id for class_id in one.class_ids if class_id not in known]
    return f"{len(strangers)} classes of the {name} only, e.g. {strangers[0]!r}" if strangers else ""
