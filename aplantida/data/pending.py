"""A shard on its way: which of its photos are known, which are to be asked for, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from aplantida.data.fetching import TRANSIENT
from aplantida.data.shards import RESULT_SCHEMA, VALIDATORS, EarlierShard

ASKED_SCHEMA = pa.schema([pa.field("image_id", pa.string()), pa.field("url", pa.string()), *VALIDATORS])


@dataclass
class PendingShard:
    """A shard on its way.

    Attributes:
        records: what it is to hold.
        key: of its unit.
        earlier: shards that know some of its photos, the newest last.
        kept: photos whose earlier outcome stands; it is read again only when the shard is put together.
        validators: ETag and date of earlier photos that are asked for once more (``recheck``).
        results: new outcomes, tables of ``RESULT_SCHEMA``.
    """

    records: pa.Table
    key: str
    earlier: list[EarlierShard] = field(default_factory=list[EarlierShard])
    kept: set[str] = field(default_factory=set[str])
    validators: dict[str, tuple[str | None, str | None]] = field(default_factory=dict[str, Any])
    results: list[pa.Table] = field(default_factory=list[pa.Table])

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
        return sum(table.num_rows for table in self.results) + len(self.kept) == self.records.num_rows

    def take(self, outcomes: pa.Table) -> None:
        """Note outcomes. An earlier photo stays where the server has no newer one, or does not answer."""
        ids, reasons, unchanged = (outcomes[name].to_pylist() for name in ("image_id", "reason", "not_modified"))
        stays = [
            bool(same) or (image_id in self.validators and reason in TRANSIENT)
            for image_id, reason, same in zip(ids, reasons, unchanged, strict=True)
        ]
        self.kept.update(image_id for image_id, stay in zip(ids, stays, strict=True) if stay)
        self.results.append(outcomes.filter(pa.array([not stay for stay in stays], pa.bool_())))

    def all_results(self) -> pa.Table:
        """The outcome of every record: a table of ``RESULT_SCHEMA``, in any order."""
        tables, wanted = list(self.results), set(self.kept)
        for earlier in reversed(self.earlier):
            if wanted:
                tables.append(earlier.results(wanted))
                wanted.difference_update(tables[-1]["image_id"].to_pylist())
        return pa.concat_tables([RESULT_SCHEMA.empty_table(), *tables])
