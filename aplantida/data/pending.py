"""A shard on its way: which of its photos are known, which are to be asked for, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import feather

from aplantida.data.fetching import TRANSIENT
from aplantida.data.shards import RESULT_SCHEMA, VALIDATORS, EarlierShard, ShardPlan

ASKED_SCHEMA = pa.schema([pa.field("image_id", pa.string()), pa.field("url", pa.string()), *VALIDATORS])


@dataclass
class PendingShard:
    """A shard on its way. Neither its records nor the outcomes so far are in memory: a slow server may hold up many.

    Attributes:
        plan: has its records.
        number: the shard's.
        num_records: it is to hold.
        key: of its unit.
        scratch: folder of the new outcomes, tables of ``RESULT_SCHEMA``.
        earlier: shards that know some of its photos, the newest last.
        kept: photos whose earlier outcome stands; it is read again only when the shard is put together.
        validators: ETag and date of earlier photos that are asked for once more (``recheck``).
        num_outcomes: there so far.
    """

    plan: ShardPlan
    number: int
    num_records: int
    key: str
    scratch: Path
    earlier: list[EarlierShard] = field(default_factory=list[EarlierShard])
    kept: set[str] = field(default_factory=set[str])
    validators: dict[str, tuple[str | None, str | None]] = field(default_factory=dict[str, Any])
    num_outcomes: int = 0
    _files: list[Path] = field(default_factory=list[Path])

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

    @property
    def is_complete(self) -> bool:
        """Whether every record has its outcome."""
        return self.num_outcomes + len(self.kept) == self.num_records

    def take(self, outcomes: pa.Table) -> None:
        """Note outcomes. An earlier photo stays where the server has no newer one, or does not answer."""
        ids, reasons, unchanged = (outcomes[name].to_pylist() for name in ("image_id", "reason", "not_modified"))
        stays = [
            bool(same) or (image_id in self.validators and reason in TRANSIENT)
            for image_id, reason, same in zip(ids, reasons, unchanged, strict=True)
        ]
        self.kept.update(image_id for image_id, stay in zip(ids, stays, strict=True) if stay)
        new = outcomes.filter(pa.array([not stay for stay in stays], pa.bool_()))
        self.num_outcomes += new.num_rows
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._files.append(self.scratch / f"{self.number:05d}-{len(self._files):05d}.arrow")
        feather.write_feather(new, self._files[-1], compression="uncompressed")

    def close(self) -> None:
        """Remove the outcomes."""
        for file in self._files:
            file.unlink()

    def all_results(self) -> pa.Table:
        """The outcome of every record: a table of ``RESULT_SCHEMA``, in any order."""
        tables, wanted = [feather.read_table(file) for file in self._files], set(self.kept)
        for earlier in reversed(self.earlier):
            if wanted:
                tables.append(earlier.results(wanted))
                wanted.difference_update(tables[-1]["image_id"].to_pylist())
        return pa.concat_tables([RESULT_SCHEMA.empty_table(), *tables])
