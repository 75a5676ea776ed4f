"""A shard on its way: which of its photos are known, which are to be asked for, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather

from aplantida.data.addresses import with_public_addresses
from aplantida.data.fetching import TRANSIENT
from aplantida.data.shards import RESULT_SCHEMA, VALIDATOR_SCHEMA, VALIDATORS, EarlierShard, ShardPlan
from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, REJECTION_SCHEMA

ASKED_SCHEMA = pa.schema([pa.field("image_id", pa.string()), pa.field("url", pa.string()), *VALIDATORS])
_WHERE = ("file", "row")


@dataclass(frozen=True, slots=True)
class WantedShard:
    """A shard to fetch.

    Attributes:
        number: the shard's.
        earlier: artifacts that know some of its photos, the newest last, and whether these are asked for once more.
        is_written: whether it is there, but for photos that could not be had; without better news it is left as it is.
    """

    number: int
    earlier: list[tuple[Path, bool]] = field(default_factory=list[tuple[Path, bool]])
    is_written: bool = False


@dataclass(frozen=True, slots=True)
class FinishedShard:
    """What a shard consists of, each by ``image_id``.

    Attributes:
        photos: the stored photos but for their bytes, and where these lie.
        failures: of ``REJECTION_SCHEMA``.
        validators: what servers said of the stored photos' versions (``VALIDATOR_SCHEMA``; silent ones have no row).
    """

    photos: pa.Table
    failures: pa.Table
    validators: pa.Table
    _outcomes: list[pa.Table]

    def parts(self, num_rows: int) -> Iterator[pa.Table]:
        """The photos (``IMAGE_SCHEMA``), so many at a time; one empty table when there are none."""
        for start in range(0, max(self.photos.num_rows, 1), num_rows):
            part = self.photos.slice(start, num_rows)
            images = self._images(*(part[name].to_numpy() for name in _WHERE))
            whole = part.append_column("image", pa.array(images, pa.binary()))
            yield whole.select(IMAGE_SCHEMA.names).cast(IMAGE_SCHEMA).combine_chunks()

    def _images(self, files: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> list[bytes]:
        images: list[bytes] = [b""] * len(files)
        for file in np.unique(files):
            places = np.flatnonzero(files == file)
            taken = self._outcomes[file]["image"].take(pa.array(rows[places])).to_pylist()
            for place, image in zip(places.tolist(), taken, strict=True):
                images[place] = image
        return images


@dataclass
class PendingShard:
    """A shard on its way. The bytes of its photos lie in files, not in memory: many shards may be on their way.

    Attributes:
        plan: has its records.
        number: the shard's.
        scratch: folder of the outcomes, tables of ``RESULT_SCHEMA``; nobody else's.
        earlier: shards that know some of its photos, the newest last.
        kept: photos whose earlier outcome stands.
        validators: ETag and date of earlier photos that are asked for once more.
        num_outcomes: new ones, so far.
    """

    plan: ShardPlan
    number: int
    scratch: Path
    earlier: list[EarlierShard] = field(default_factory=list[EarlierShard])
    kept: set[str] = field(default_factory=set[str])
    validators: dict[str, tuple[str | None, str | None]] = field(default_factory=dict[str, Any])
    num_outcomes: int = 0
    _files: list[Path] = field(default_factory=list[Path])

    def look_back(self, earlier: EarlierShard, *, is_asked_again: bool) -> None:
        """Note what an earlier shard knows of these photos.

        Args:
            earlier: newer than those before.
            is_asked_again: whether its photos are to be asked for once more, with what servers said of them.
        """
        wanted = set(self.records["image_id"].to_pylist())
        stored = {key: value for key, value in earlier.stored().items() if key in wanted}
        self.earlier.append(earlier)
        if is_asked_again:
            self.validators.update(stored)
        else:
            self.kept |= set(stored) | (earlier.failed(TRANSIENT) & wanted)

    @property
    def records(self) -> pa.Table:
        """What it is to hold, by ``image_id``."""
        return self.plan.records(self.number)

    @property
    def missing(self) -> pa.Table:
        """``image_id``, ``url`` and validators of the photos to ask for, while none has been."""
        rows = [
            {"image_id": row["image_id"], "url": row["url"], "etag": etag, "last_modified": last_modified}
            for row in self.records.select(["image_id", "url"]).to_pylist()
            if row["image_id"] not in self.kept
            for etag, last_modified in (self.validators.get(row["image_id"], (None, None)),)
        ]
        return pa.Table.from_pylist(rows, ASKED_SCHEMA)

    def take(self, outcomes: pa.Table) -> pa.Table:
        """Note outcomes. An earlier photo stays where the server has no newer one, or does not answer.

        Returns:
            Those that are noted: the others' earlier outcomes stay.
        """
        ids, reasons, unchanged = (outcomes[name].to_pylist() for name in ("image_id", "reason", "not_modified"))
        stays = [
            bool(same) or (image_id in self.validators and reason in TRANSIENT)
            for image_id, reason, same in zip(ids, reasons, unchanged, strict=True)
        ]
        self.kept.update(image_id for image_id, stay in zip(ids, stays, strict=True) if stay)
        new = outcomes.filter(pa.array([not stay for stay in stays], pa.bool_()))
        self.num_outcomes += new.num_rows
        self._write(new)
        return new

    def finish(self) -> FinishedShard:
        """Put it together, when every record has its outcome."""
        self._carry_over()
        tables = [feather.read_table(file, memory_map=True) for file in self._files]
        told = pa.concat_tables([_placed(number, table) for number, table in enumerate([*tables, _NOTHING])])
        records = with_public_addresses(self.records, self.plan.secrets)
        at = {image_id: row for row, image_id in enumerate(told["image_id"].to_pylist())}
        told = told.take(pa.array([at[image_id] for image_id in records["image_id"].to_pylist()], pa.int64()))
        columns = {name: records[name] for name in RECORD_SCHEMA.names}
        everything = pa.table(columns | {name: told[name] for name in told.column_names})
        stored = pc.field("reason").is_null()
        versioned = stored & (pc.field("etag").is_valid() | pc.field("last_modified").is_valid())
        failures, validators = (
            everything.filter(rows).select(schema.names).cast(schema).combine_chunks()
            for rows, schema in ((~stored, REJECTION_SCHEMA), (versioned, VALIDATOR_SCHEMA))
        )
        return FinishedShard(everything.filter(stored).combine_chunks(), failures, validators, tables)

    def close(self) -> None:
        """Remove the outcomes."""
        for file in self._files:
            file.unlink()
        if self._files:
            self.scratch.rmdir()

    def _carry_over(self) -> None:
        """Lay the outcomes that stay beside the new ones, a row group at a time."""
        wanted = set(self.kept)
        for earlier in reversed(self.earlier):
            for part in earlier.results(wanted) if wanted else ():
                self._write(part)
                wanted.difference_update(part["image_id"].to_pylist())

    def _write(self, outcomes: pa.Table) -> None:
        if outcomes.num_rows == 0:
            return
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._files.append(self.scratch / f"{len(self._files):05d}.arrow")
        feather.write_feather(outcomes.combine_chunks(), self._files[-1], compression="uncompressed")


_NOTHING = RESULT_SCHEMA.empty_table()


def _placed(number: int, table: pa.Table) -> pa.Table:
    """The table without the photos' bytes, and where these lie."""
    places = (pa.array(np.full(table.num_rows, number, np.int32)), pa.array(np.arange(table.num_rows, dtype=np.int64)))
    light = table.drop_columns(["image"])
    for name, place in zip(_WHERE, places, strict=True):
        light = light.append_column(name, place)
    return light
