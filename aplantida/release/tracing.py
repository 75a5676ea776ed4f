"""What saw a photo: every artifact that holds it or descends from one that does, how, and by which way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.seeds import derive_seed
from aplantida.domain.split import STRANGERS_FILE, is_in_fraction, read_split
from aplantida.export.bundle import MANIFEST_FILE as BUNDLE_FILE
from aplantida.pipeline.artifact import MANIFEST, Artifact, open_artifact
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import Altered, BadRequest
from aplantida.release.copies import find_copies
from aplantida.release.reachability import Work, read_work
from aplantida.release.records import ReleaseRecord, read_records
from aplantida.release.retention import places_below
from aplantida.release.sightings import (
    UNREADABLE,
    Photos,
    ids_in_texts,
    ids_named_in,
    ids_shown_by,
    photos_meant,
    rows_of,
    unread_because,
)

TRAINED = "trained on"
_SHOWN = {"model_bundle": "shows {} as an example", "validation": "ran the models on {}"}
_HELD = {
    "records": "holds the records of",
    "image_shards": "stores",
    "teacher_logits": "scored",
    "soft_labels": "has labels for",
    "evaluation": "scored",
    "license_report": "credits",
}


@dataclass(frozen=True)
class Sighting:
    """An artifact that saw one of the photos.

    Attributes:
        artifact: which.
        how: what it did with them, a phrase each, the gravest first.
        way: names of artifacts, from the first that held one of them to this.
    """

    artifact: Artifact
    how: tuple[str, ...]
    way: tuple[str, ...]


@dataclass
class Trace:
    """All that saw the photos.

    Attributes:
        photos: which they are.
        folders: that were looked through.
        sightings: inputs before what was made of them.
        records: of releases that descend from one of these.
        copies: bundles without ``artifact.json`` that are copies of one of these, or show a photo; and why.
        unfinished: work that was begun from one of these.
        unread: artifacts, records and copies that cannot be read (whole), a sentence each.
        num_artifacts: how many were looked at.
    """

    photos: Photos
    folders: tuple[Path, ...] = ()
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    records: list[ReleaseRecord] = field(default_factory=list[ReleaseRecord])
    copies: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    unfinished: list[Work] = field(default_factory=list[Work])
    unread: list[str] = field(default_factory=list[str])
    num_artifacts: int = 0

    @property
    def found(self) -> bool:
        """Whether anything saw one."""
        return bool(self.sightings or self.records or self.copies or self.unfinished)


def trace_photos(folders: Sequence[Path], opt_outs: OptOuts) -> Trace:
    """Look through all that lies below ``folders``.

    Args:
        folders: of runs and bundles; one that is not there holds nothing.
        opt_outs: which photos are meant, as a list of opt-outs would say it.
    """
    below = [places_below(folder, follow=True) for folder in folders if folder.is_dir()]
    paths = {path.resolve(): path for places in below for path in places.artifacts}
    artifacts, unfinished, unread = _opened(sorted(paths.values()))
    meant = photos_meant(artifacts, opt_outs, unread)
    trace = Trace(meant, tuple(folders), unread=unread, num_artifacts=len(artifacts))
    ids = sorted(trace.photos.ids)
    look = _Look(_Lineage(artifacts), ids, unread)
    trace.sightings = list(look.sightings()) if ids else []
    seen = {sighting.artifact.digest for sighting in trace.sightings}
    records = {file.resolve(): file for places in below for file in places.records}
    known = _read(records.values(), unread)
    trace.records = [record for record in known if seen & {digest for _, digest in record.needs}]
    trace.unfinished = [work for work in unfinished if seen & {need.digest for need in work.needs}]
    originals = {
        item.artifact.files[BUNDLE_FILE].sha256: item.artifact.path
        for item in trace.sightings
        if BUNDLE_FILE in item.artifact.files
    }
    trace.copies = list(find_copies(folders, originals, ids, set(paths), unread))
    trace.unread = list(dict.fromkeys(unread))
    return trace


def _opened(paths: Sequence[Path]) -> tuple[list[Artifact], list[Work], list[str]]:
    artifacts: list[Artifact] = []
    unfinished: list[Work] = []
    unread: list[str] = []
    for path in paths:
        if not (path / MANIFEST).is_file():
            unfinished.append(read_work(path))
            continue
        try:
            artifacts.append(open_artifact(path, hashed=False))
        except (BadRequest, Altered) as error:
            unread.append(str(error))
    return artifacts, unfinished, unread


def _read(files: Iterable[Path], unread: list[str]) -> Iterator[ReleaseRecord]:
    for file in files:
        try:
            yield from read_records([file])
        except BadRequest as error:
            unread.append(str(error))


class _Lineage:
    """Artifacts, and which was made from which: by path, or by digest where the path holds another now."""

    def __init__(self, artifacts: Sequence[Artifact]) -> None:
        self._by_path = {artifact.path.resolve(): artifact for artifact in artifacts}
        self._by_digest = {artifact.digest: artifact for artifact in artifacts}
        self.ordered: list[Artifact] = []
        self._placed: set[Path] = set()
        for artifact in artifacts:
            self._place(artifact)

    def inputs_of(self, artifact: Artifact, name: str | None = None) -> list[Artifact]:
        """What it was made from, as far as that is here; of one input, or of all."""
        given = [entry for key, entries in artifact.inputs.items() if name in (None, key) for entry in entries]
        found = [self._meant(entry) for entry in given]
        return [item for item in found if item is not None]

    def _meant(self, entry: Mapping[str, str]) -> Artifact | None:
        there = self._by_path.get(resolve(entry["path"]).resolve())
        if there is not None and there.digest == entry["digest"]:
            return there
        return self._by_digest.get(entry["digest"])

    def _place(self, artifact: Artifact) -> None:
        place = artifact.path.resolve()
        if place not in self._placed:
            self._placed.add(place)
            for item in self.inputs_of(artifact):
                self._place(item)
            self.ordered.append(artifact)


class _Look:
    """How each artifact saw the photos; inputs are looked at before what was made of them."""

    def __init__(self, lineage: _Lineage, ids: Sequence[str], unread: list[str]) -> None:
        self._lineage, self._ids, self._unread = lineage, ids, unread
        self._found: dict[Path, Sighting] = {}

    def sightings(self) -> Iterator[Sighting]:
        """Those of the artifacts that saw a photo."""
        for artifact in self._lineage.ordered:
            above = [
                self._found[item.path.resolve()]
                for item in self._lineage.inputs_of(artifact)
                if item.path.resolve() in self._found
            ]
            how: list[str] = []
            try:
                how += [*self._trained(artifact), *self._named(artifact)]
            except UNREADABLE as error:
                self._unread.append(unread_because(artifact, error))
            if above:
                how += self._inherited(artifact, above, how)
            if how:
                longest = max((sighting.way for sighting in above), key=len, default=())
                sighting = Sighting(artifact, tuple(how), (*longest, artifact.path.name))
                self._found[artifact.path.resolve()] = sighting
                yield sighting

    def _photos(self, count: int) -> str:
        return "the photo" if len(self._ids) == 1 else f"{count} of the photos"

    def _named(self, artifact: Artifact) -> Iterator[str]:
        if artifact.kind == "split":
            yield from self._in_split(artifact)
            return
        shown = ids_shown_by(artifact, self._ids)
        if shown:
            yield _SHOWN.get(artifact.kind, "shows {}").format(self._photos(len(shown)))
        named = ids_named_in(artifact, self._ids)
        if named:
            yield f"{_HELD.get(artifact.kind, 'lists')} {self._photos(len(named))}"

    def _in_split(self, split: Artifact) -> Iterator[str]:
        rows = rows_of(split.file("split.parquet"), self._ids, ["split"])
        for name, count in sorted(Counter(rows["split"].to_pylist()).items()):
            yield f"has {self._photos(count)} in {name}"
        if STRANGERS_FILE in split.files:
            strangers = rows_of(split.file(STRANGERS_FILE), self._ids)
            if strangers.num_rows:
                yield f"has {self._photos(strangers.num_rows)} among its strangers"
        pages = [split.path / name for name in split.files if name.endswith((".html", ".jpg"))]
        shown = ids_in_texts(pages, self._ids) | self._on_card(split, set(rows["image_id"].to_pylist()))
        if shown:
            yield f"shows {self._photos(len(shown))} in its pages"

    def _on_card(self, split: Artifact, inside: set[str]) -> set[str]:
        """Photos of the data card's sheet, drawn as ``split_dataset`` draws them."""
        card = split.config.get("card")
        if not inside or not isinstance(card, dict) or "data_card.html" not in split.files:
            return set()
        seed, ids = split.config.get("seed", 0), read_split(split.file("split.parquet"), ["image_id"])["image_id"]
        drawn = sorted(derive_seed(seed, "data_card", image_id) for image_id in ids.to_pylist())
        last = drawn[min(card["num_photos"], len(drawn)) - 1] if card["num_photos"] else -1
        return {image_id for image_id in inside if derive_seed(seed, "data_card", image_id) <= last}

    def _trained(self, artifact: Artifact) -> Iterator[str]:
        """What a training had of the photos: its split's, of its classes, of its share."""
        if not _trains(artifact):
            return
        data = artifact.config.get("data") or {}
        for split in self._lineage.inputs_of(artifact, "split"):
            rows = rows_of(split.file("split.parquet"), self._ids, ["split", "class_index"]).to_pylist()
            chosen = _classes(artifact, split)
            rows = [row for row in rows if chosen is None or row["class_index"] in chosen]
            shares = {"train": data.get("photo_fraction", 1.0), "val": 1.0}
            parts = Counter(
                row["split"]
                for row in rows
                if row["split"] in shares and is_in_fraction(row["image_id"], shares[row["split"]])
            )
            train = data.get("train_split", "train")
            if parts[train]:
                yield f"{TRAINED} {self._photos(parts.pop(train))}"
            if parts["val"]:
                yield f"was compared on {self._photos(parts['val'])} (val)"

    def _inherited(self, artifact: Artifact, above: Sequence[Sighting], own: Sequence[str]) -> Iterator[str]:
        """What it has of its ancestors: that they trained on a photo, or else that they saw one."""
        trained = [
            name for sighting in above for name in _trained_names(sighting) if not own or not own[0].startswith(TRAINED)
        ]
        if trained:
            them = "it" if len(self._ids) == 1 else "them"
            yield f"descends from {', '.join(dict.fromkeys(trained))}, which {TRAINED} {them}"
        elif not own and artifact.kind in ("checkpoint", "sweep") and "split" in artifact.inputs:
            yield "did not train on it; made from a split that has it"
        elif not own:
            yield f"made from {', '.join(sighting.artifact.path.name for sighting in above)}"


def _trains(artifact: Artifact) -> bool:
    learned = artifact.kind in ("checkpoint", "sweep")
    return learned and ("training" in artifact.config or "checkpoint" not in artifact.inputs)


def _trained_names(sighting: Sighting) -> list[str]:
    """Artifacts that trained on a photo and from which this one is or descends."""
    names: list[str] = []
    for how in sighting.how:
        if how.startswith(TRAINED):
            names.append(sighting.artifact.path.name)
        elif how.startswith("descends from "):
            names += how.removeprefix("descends from ").partition(", which ")[0].split(", ")
    return names


def _classes(artifact: Artifact, split: Artifact) -> set[int] | None:
    """Positions of a checkpoint's classes in the split's index; None for all of them."""
    if "class_index.json" not in artifact.files or "class_index.json" not in split.files:
        return None
    own = ClassIndex.load(artifact.file("class_index.json")).class_ids
    return set(ClassIndex.load(split.file("class_index.json")).indices_of(own))
