"""Where photos are named: found among 900,000 in tables and small texts, a row group and a few columns at a time."""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.data.withdrawn import COLUMNS, withdrawn_among
from aplantida.domain.address_secrets import AddressSecrets
from aplantida.domain.opt_out import OptOuts
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import Altered, BadRequest

SHOWN = 10  # photos that are named
_ID_COLUMNS = ("image_id", "image_id_a", "image_id_b")
_ROWS_AT_ONCE = 65_536
_MANY = 5_000
_PIXELS = "pixel_sha256"
_REFUSED = "reason"  # tables with this column list what was left out
_SAMPLES = {"model_bundle", "validation"}  # kinds whose texts may name photos that they show
_TEXTS = (".json", ".html", ".csv")
_MOST_BYTES = 64_000_000  # of a text that is looked through
# what Arrow, JSON and the texts of a damaged file raise, and an artifact that lacks one
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, pa.ArrowException)
UNREADABLE = (*_DAMAGED, BadRequest, Altered)
_ID = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


@dataclass
class Photos:
    """Those that are meant.

    Attributes:
        ids: of all of them, twins among them.
        twins: of photos that show the same picture as one that is meant, and are not meant themselves.
        shown: a sentence for each of the first ``SHOWN``.
    """

    ids: set[str] = field(default_factory=set[str])
    shown: list[str] = field(default_factory=list[str])
    twins: set[str] = field(default_factory=set[str])


def photos_meant(artifacts: Sequence[Artifact], opt_outs: OptOuts, unread: list[str]) -> Photos:
    """The photos that a list of opt-outs speaks of, by all tables that know addresses and authors.

    Args:
        artifacts: to look through.
        opt_outs: the list.
        unread: is given a sentence for each artifact that cannot be read to its end.
    """
    photos = Photos(set(opt_outs.image_ids))
    shown: set[str] = set()
    for artifact in artifacts:
        try:
            for row in _rows_meant(artifact, opt_outs):
                photos.ids.add(row["image_id"])
                if len(shown) < SHOWN and row["image_id"] not in shown:
                    shown.add(row["image_id"])
                    photos.shown.append(_sentence(row, opt_outs.secrets))
        except UNREADABLE as error:
            unread.append(unread_because(artifact, error))
    photos.twins = _twins(artifacts, photos.ids, unread)
    photos.ids |= photos.twins
    return photos


def _twins(artifacts: Sequence[Artifact], ids: set[str], unread: list[str]) -> set[str]:
    """Ids of stored photos whose pixels are those of one of ``ids``, in whatever shard or artifact; without these."""
    if not ids:
        return set()
    pictures = _shown_with(artifacts, ("image_id", _PIXELS), ids, unread)
    return _shown_with(artifacts, (_PIXELS, "image_id"), pictures, unread) - ids


def _shown_with(artifacts: Sequence[Artifact], columns: tuple[str, str], of: set[str], unread: list[str]) -> set[str]:
    """Of stored photos whose first column is one of ``of`` the second, shard by shard; what cannot be read is said."""
    found, values = set[str](), pa.array(sorted(of), pa.string())
    for artifact in artifacts:
        for shard in artifact.files_under("shards") if artifact.kind == "image_shards" else ():
            try:
                photos = pq.read_table(shard, columns=list(columns))
                if len(of) > _MANY:  # Arrow would build its table of them for each shard
                    rows = zip(*(photos[name].to_pylist() for name in columns), strict=True)
                    found.update(shown for key, shown in rows if key in of)
                else:
                    found.update(photos.filter(pc.is_in(photos[columns[0]], values))[columns[1]].to_pylist())
            except UNREADABLE as error:
                unread.append(unread_because(artifact, error))
    return found - {None}


def unread_because(artifact: Artifact, error: Exception) -> str:
    """The sentence for an artifact that cannot be read to its end; it begins with its path."""
    text = str(error)
    return text if text.startswith(f"{artifact.path}: ") else f"{artifact.path}: {text}"


def _rows_meant(artifact: Artifact, opt_outs: OptOuts) -> Iterator[dict[str, Any]]:
    for file in _tables(artifact):
        schema = file.schema_arrow
        if not set(COLUMNS) <= set(schema.names) or _REFUSED in schema.names:
            continue
        columns = [*COLUMNS, *({"scientific_name"} & set(schema.names))]
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
            yield from withdrawn_among(pa.Table.from_batches([batch]), opt_outs).to_pylist()


def _sentence(row: dict[str, Any], secrets: AddressSecrets) -> str:
    name, author = row.get("scientific_name"), row["author"] or "(no author)"
    return f"{row['image_id']}  {name}, {secrets.public_text(author)}, {secrets.public(row['url'] or '(no address)')}"


def rows_of(path: Path, ids: Sequence[str], columns: Sequence[str] = ()) -> pa.Table:
    """The rows of a table whose photo is one of ``ids``: ``image_id`` and those of ``columns`` that it has.

    Args:
        path: a Parquet file with ``image_id``.
        ids: sorted.
        columns: further ones.
    """
    file = pq.ParquetFile(path)
    wanted = ["image_id", *(name for name in columns if name in file.schema_arrow.names)]
    values = pa.array(ids, pa.string())
    batches = file.iter_batches(_ROWS_AT_ONCE, row_groups=list(_groups(file, "image_id", ids)), columns=wanted)
    parts = [batch.filter(pc.is_in(batch["image_id"].cast(pa.string()), values)) for batch in batches]
    return pa.Table.from_batches(
        parts, None if parts else pa.schema([file.schema_arrow.field(name) for name in wanted])
    )


def ids_named_in(artifact: Artifact, ids: Sequence[str]) -> set[str]:
    """Those of ``ids`` (sorted) that an artifact's tables name, but for tables of what was left out."""
    values, wanted, found = pa.array(ids, pa.string()), set(ids), set[str]()
    for file in _tables(artifact):
        names = file.schema_arrow.names
        if _REFUSED in names:
            continue
        for column in (name for name in _ID_COLUMNS if name in names):
            groups = list(_groups(file, column, ids))
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=groups, columns=[column]):
                cells = pc.unique(batch[column].cast(pa.string()))
                if len(ids) > _MANY:  # Arrow would build its table of them for each batch
                    found |= wanted.intersection(cells.to_pylist())
                else:
                    found.update(cells.filter(pc.is_in(cells, values)).to_pylist())
    return found


def ids_shown_by(artifact: Artifact, ids: Sequence[str]) -> set[str]:
    """Those of ``ids`` that a bundle's or a validation's small texts and files are named after or name."""
    if artifact.kind not in _SAMPLES:
        return set()
    return ids_in_texts((artifact.path / name for name in artifact.files), ids)


def ids_in_texts(files: Iterable[Path], ids: Sequence[str]) -> set[str]:
    """Those of ``ids`` that are the names of files, or stand in small JSON, HTML or CSV files."""
    wanted, found = set(ids), set[str]()
    for path in files:
        if path.stem in wanted:
            found.add(path.stem)
        if path.suffix in _TEXTS and path.is_file() and path.stat().st_size <= _MOST_BYTES:
            found |= {text.decode() for text in _ID.findall(path.read_bytes())} & wanted
    return found


def _tables(artifact: Artifact) -> Iterator[pq.ParquetFile]:
    for name in sorted(artifact.files):
        if name.endswith(".parquet"):
            try:
                opened = pq.ParquetFile(artifact.path / name)
            except _DAMAGED as error:
                raise ValueError(f"{name}: {error}") from error
            with opened as file:
                yield file


def _groups(file: pq.ParquetFile, column: str, ids: Sequence[str]) -> Iterator[int]:
    """Row groups that may hold one of ``ids`` (sorted), by their least and greatest values where these are written."""
    place = file.schema_arrow.names.index(column)
    flat = len(file.schema) == len(file.schema_arrow.names)
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(place).statistics if flat else None
        if bounds is None or not bounds.has_min_max:
            yield group
            continue
        first = bisect_left(ids, bounds.min)
        if first < len(ids) and ids[first] <= bounds.max:
            yield group
