"""The counts that a correct pipeline gives on a real, untidy collection that lies beside the checkout (never in it)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from bson import json_util

from aplantida.data.duplicates import SAME_PICTURE, hashes_of, likeness, near_pairs, small_gray
from aplantida.data.images import StoredPhoto, store_photo
from aplantida.demo.cdn import serve_folder
from aplantida.domain.class_index import ClassIndex
from aplantida.domain.taxonomy import normalize_name
from aplantida.phases import export_dataset, fetch_images, split_dataset
from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.runner import execute
from tests.fixtures.collection import fill

COLLECTION = CHECKOUT.parent / "shared" / "collection"
SAME_NAMES = (
    "license_refused",
    "address_refused",
    "document_no_images",
    "document_no_name",
    "entry_of_nameless_document",
    "same_url_in_one_species",
    "same_url_in_two_species",
    "entry_of_species_with_too_few_images",
)
COPIES_NOBODY_PLANTED = {
    ("inat/eschscholzia_californica/inat_106484897.jpg", "inat/eschscholzia_californica/inat_107751887.jpg"),
    ("ox/012_colt_s_foot/image_04058.jpg", "ox/012_colt_s_foot/image_04078.jpg"),
    ("ox/013_king_protea/image_05746.jpg", "ox/013_king_protea/image_05768.jpg"),
    ("ox/023_fritillary/image_03434.jpg", "ox/023_fritillary/image_03451.jpg"),
    ("ox/039_siam_tulip/image_07029.jpg", "ox/039_siam_tulip/image_08080.jpg"),
    ("ox/075_thorn_apple/image_02143.jpg", "ox/075_thorn_apple/image_02171.jpg"),
    ("ox/078_lotus_lotus/image_01900.jpg", "ox/078_lotus_lotus/image_01904.jpg"),
    ("ox/085_desert_rose/image_04774.jpg", "ox/085_desert_rose/image_04802.jpg"),
}
PIXELS = ("decompression_bomb", "truncated", "missing", "not_an_image")


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.usefixtures("ray")
@pytest.mark.skipif(not COLLECTION.is_dir(), reason=f"SKIPPED LOUDLY: no {COLLECTION}; the counts were not compared")
def test_rows_by_reason_equal_the_expected_counts(
    mongo_uri: str, db_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    expected = json.loads((COLLECTION / "dirt.json").read_text())["expected_counts"]
    fill(mongo_uri, db_name, [json_util.loads(line) for line in (COLLECTION / "plants.jsonl").open()])

    def run(module: Any, **values: Any) -> dict[str, Any]:
        name = module.PHASE.name
        files = [f"configs/{name}.yaml", f"configs/reference/{name}.yaml"]
        return dict(execute(module.PHASE, files=files, values={"output": name, **values}).metrics)

    with serve_folder(COLLECTION / "images", port=8089):
        exported = run(export_dataset, inputs={}, db_name=db_name)
        fetched = run(fetch_images, inputs={"records": "export_dataset"})
    reasons = {**exported["rejections_by_reason"], **fetched["failures_by_reason"]}
    run(split_dataset, inputs={"images": "fetch_images"})
    assert reasons == {name: expected[name] for name in (*SAME_NAMES, *PIXELS)}
    assert fetched["stored"] == expected["stored"]
    assert fetched["species_stored"] == expected["species_stored"]
    assert fetched["stored_exif_rotated"] == expected["of_stored_exif_rotated"]
    kinds = fetched["stored_by_content_type"]
    assert kinds["image/png"] + kinds["image/webp"] == expected["of_stored_png_or_webp"]
    dirt = json.loads((COLLECTION / "dirt.json").read_text())
    _check_duplicates(tmp_path, set(dirt["near_duplicate"]))
    classes = ClassIndex.load(tmp_path / "split_dataset/class_index.json").class_ids
    assert all(name not in classes and normalize_name(name) in classes for name in dirt["same_name_other_case"])
    refused = pq.read_table(tmp_path / "export_dataset/rejections.parquet", columns=["url", "reason"]).to_pylist()
    twice = {row["url"] for row in refused if row["reason"] == "same_url_in_two_species"}
    assert twice == set(dirt["duplicate_across_species"])


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not COLLECTION.is_dir(), reason=f"SKIPPED LOUDLY: no {COLLECTION}; no pictures were compared")
def test_of_the_closest_pairs_only_copies_are_confirmed() -> None:
    """Every planted near duplicate is; of the 5,000 closest others none of two species, and of one species real copies.

    Looked at by eye, those are one picture each, mostly cropped in another way.
    """
    photos = _stored_photos()
    hashes = hashes_of(photo.perceptual_hash for photo in photos.values())
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    left, right = np.triu_indices(len(hashes), 1)
    order = np.argsort(bits[left, right], kind="stable")[:5100]
    names, grays = list(photos), [small_gray(photo.image) for photo in photos.values()]
    planted = {name for name in names if name.startswith("near/")}
    found: set[frozenset[str]] = set()
    others = 0
    for one, other in zip(left[order].tolist(), right[order].tolist(), strict=True):
        pair = frozenset((names[one], names[other]))
        others += not pair & planted
        if likeness(grays[one], grays[other]) >= SAME_PICTURE:
            found.add(pair)
    assert others >= 5000
    assert {name for pair in found for name in pair & planted} == planted
    assert {tuple(sorted(pair)) for pair in found if not pair & planted} == COPIES_NOBODY_PLANTED


def _stored_photos() -> dict[str, StoredPhoto]:
    """By file, the photos that can be stored, each picture once."""
    stored: dict[str, StoredPhoto] = {}
    names: dict[str, str] = {}
    for kind in ("inat", "ox", "near"):
        for file in sorted((COLLECTION / "images" / kind).rglob("*.jpg")):
            photo = store_photo(file.read_bytes(), short_side_pixels=256, jpeg_quality=90, max_pixels=80_000_000)
            stored[photo.pixel_sha256] = photo
            names[photo.pixel_sha256] = str(file.relative_to(COLLECTION / "images"))
    return {names[key]: photo for key, photo in stored.items()}


def _check_duplicates(root: Path, planted: set[str]) -> None:
    """Every planted near duplicate that was stored shares a group with what it is a copy of, and hardly any others do.

    Looked at by eye, all of the others are copies too, which nobody planted.
    """
    columns = ["image_id", "url", "scientific_name", "perceptual_hash"]
    shards = sorted((root / "fetch_images/shards").glob("*.parquet"))
    photos = [row for file in shards for row in pq.read_table(file, columns=columns).to_pylist()]
    groups = {row["image_id"]: row["group"] for row in pq.read_table(root / "split_dataset/split.parquet").to_pylist()}
    found: set[str] = set()
    others = 0
    for first, second in near_pairs(hashes_of(photo["perceptual_hash"] for photo in photos), 6).tolist():
        pair = (photos[first], photos[second])
        assert pair[0]["scientific_name"] == pair[1]["scientific_name"]
        assert groups[pair[0]["image_id"]] == groups[pair[1]["image_id"]]
        copies = {photo["url"] for photo in pair} & planted
        found |= copies
        others += not copies
    assert found == planted & {photo["url"] for photo in photos}
    assert others == 4
