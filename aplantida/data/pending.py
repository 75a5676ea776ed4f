"""A shard on its way: which of its photos are known, which are to be asked for, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from aplantida.data.fetching import TRANSIENT
from aplantida.data.shards import VALIDATORS, EarlierShard

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
        results: new outcomes.
    """

    records: pa.Table
    key: str
    earlier: list[EarlierShard] = field(default_factory=list[EarlierShard])
    kept: set[str] = field(default_factory=set[str])
    validators: dict[str, tuple[str | None, str | None]] = field(default_factory=dict[str, Any])
    results: dict[str, dict[str, Any]] = field(default_factory=dict[str, Any])

    @property
    def missing(self) -> pa.Table:
        """``image_id``, ``url`` and validators of the photos to ask for."""
        rows = [
            {"image_id": row["image_id"], "url": row["url"], "etag": etag, "last_modified": last_modified}
            for row in self.records.select(["image_id", "url"]).to_pylist()
            if row["image_id"] not in self.kept and row["image_id"] not in self.results
            for etag, last_modified in (self.validators.get(row["image_id"], (None, None)),)
        ]
        return pa.Table.from_pylist(rows, ASKED_SCHEMA)

    @property
    def is_complete(self) -> bool:
        """Whether every record has its outcome."""
        return len(self.results) + len(self.kept) == self.records.num_rows

    def take(self, row: dict[str, Any]) -> None:
        """Note an outcome. An earlier photo stays where the server has no newer one, or does not answer."""
        image_id = row["image_id"]
        if row["not_modified"] or (image_id in self.validators and row["reason"] in TRANSIENT):
            self.kept.add(image_id)
        else:
            self.results[image_id] = row

    def all_results(self) -> dict[str, dict[str, Any]]:
        """By ``image_id``, the outcome of every record."""
        known: dict[str, dict[str, Any]] = {}
        for earlier in self.earlier if self.kept else ():
            known.update((key, row) for key, row in earlier.results().items() if key in self.kept)
        return known | self.results
