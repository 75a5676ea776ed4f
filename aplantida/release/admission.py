"""What may be learned from, asked before anything learns: the licences of photos, and who of them opted out."""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.data.withdrawn import withdrawn_among, withdrawn_pictures
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.split import STRANGERS_FILE
from aplantida.pipeline.artifact import Artifact

_COLUMNS = ("image_id", "scientific_name", "author", "url", "license_id", "license_text", "pixel_sha256")
_NONE: Mapping[str, str] = MappingProxyType({})


def photos_refused(
    images: Artifact, members: Callable[[], pa.Array], policy: LicensePolicy, opt_outs: OptOuts
) -> Iterator[dict[str, Any]]:
    """Photos that may not be learned from, shard by shard: offenders as ``offenders.py`` has them, without their way.

    A shard's licences are looked at by the few texts they are; rows are made of refused photos alone.

    Args:
        images: where the photos lie.
        members: ids of those that are learned from; asked only when a photo of the shards is refused at all.
        policy: which licences are accepted.
        opt_outs: who wants no part in it.
    """
    known: np.ndarray | None = None
    pictures = withdrawn_pictures(images.files_under("shards"), opt_outs)
    for shard in images.files_under("shards"):
        refused = refused_among(pq.read_table(shard, columns=list(_COLUMNS)), policy, opt_outs, pictures)
        if not refused.num_rows:
            continue
        if known is None:
            known = np.sort(_as_bytes(members()))
        file = f"{images.path.name}/{shard.relative_to(images.path).as_posix()}"
        for row in refused.filter(_among(refused["image_id"], known)).to_pylist():
            place = f"{row['scientific_name']}, {opt_outs.secrets.public(row['url'] or '')}"
            why = f"photo {row['image_id']} ({place}): {opt_outs.secrets.public_text(row['refusal'])}"
            text = row["license_text"] and opt_outs.secrets.public_text(row["license_text"])
            found = {"image_id": row["image_id"], "file": file, "text": text, "why": why}
            yield {"kind": "photo", **found}


def _as_bytes(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.asarray(ids, dtype=object).astype(bytes)


def _among(ids: pa.ChunkedArray, known: np.ndarray) -> pa.Array:
    """Which of ``ids`` are in the sorted ``known``: Arrow would hash all of these for every shard."""
    if not len(known):
        return pa.array(np.zeros(len(ids), bool))
    asked = _as_bytes(ids)
    places = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return pa.array(known[places] == asked)


def refused_among(
    photos: pa.Table, policy: LicensePolicy, opt_outs: OptOuts, pictures: Mapping[str, str] = _NONE
) -> pa.Table:
    """The photos that are refused, with why as a column ``refusal``; who opted out comes before a licence.

    Args:
        photos: rows that have ``image_id``, ``author``, ``url`` and ``license_id``.
        policy: which licences are accepted.
        opt_outs: who wants no part in it.
        pictures: of :func:`~aplantida.data.withdrawn.withdrawn_pictures`; rows have ``pixel_sha256`` then.
    """
    whys = {text: policy.refusal(text) for text in pc.unique(photos["license_id"]).to_pylist()}
    bad = pa.array([text for text, why in whys.items() if why is not None], pa.string())
    by_license = photos.filter(pc.is_in(photos["license_id"], bad))
    refusals = pa.array([whys[text] for text in by_license["license_id"].to_pylist()], pa.string())
    by_license = by_license.append_column("refusal", refusals)
    if not opt_outs:
        return by_license
    withdrawn = withdrawn_among(photos, opt_outs, pictures)
    others = by_license.filter(pc.invert(pc.is_in(by_license["image_id"], withdrawn["image_id"].combine_chunks())))
    return pa.concat_tables([withdrawn, others]).sort_by("image_id")


def members_of(split: Artifact) -> pa.Array:
    """Ids of all photos that a split has, its strangers among them."""
    files = [name for name in ("split.parquet", STRANGERS_FILE) if name in split.files]
    tables = [pq.read_table(split.file(name), columns=["image_id"]) for name in files]
    return pa.concat_tables(tables)["image_id"].combine_chunks()
