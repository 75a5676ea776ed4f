from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aplantida.data.shards import shard_name
from aplantida.domain.class_index import ClassIndex
from aplantida.domain.record import IMAGE_SCHEMA, REJECTION_SCHEMA, shard_of
from aplantida.domain.split import SPLIT_SCHEMA, SPLITS
from aplantida.phases.split_dataset import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.runner import execute
from tests.fixtures.faulty_server import jpeg_bytes
from tests.fixtures.tiny_artifacts import seal

NUM_SHARDS = 3
PHOTO = jpeg_bytes(1, 64, 64)
SPECIES = {"Cistus albidus": 30, "Papaver rhoeas": 24, "Quercus agrifolia": 12, "Rara avis": 3}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def photo(species: str, number: int, **changes: Any) -> dict[str, Any]:
    return {
        "image_id": digest(f"{species}{number}")[:32],
        "document_id": species,
        "url": f"http://photos.example/{species}/{number}.jpg",
        "scientific_name": species,
        "family": "Familia",
        "genus": species.split()[0],
        "common_names": [f"es:{species}"],
        "distribution": ["US"] if species == "Quercus agrifolia" else ["ES", "FR"],
        "license_id": "CC0-1.0",
        "source": "tests",
        "observation_id": str(number // 2),
        "country": (None, "ES", "DE")[number % 3] if species != "Quercus agrifolia" else "US",
        "image": PHOTO,
        "width": 64,
        "height": 64,
        "original_width": 64,
        "original_height": 64,
        "exif_rotated": False,
        "content_type": "image/jpeg",
        "source_bytes": 4,
        "source_sha256": digest("x"),
        "pixel_sha256": digest(f"p{species}{number}"),
        "perceptual_hash": digest(f"h{species}{number}")[:16],
        **changes,
    }


def photos() -> list[dict[str, Any]]:
    return [photo(species, number) for species, count in SPECIES.items() for number in range(count)]


def shards(output: str, rows: list[dict[str, Any]], duplicates: tuple[dict[str, Any], ...] = ()) -> str:
    def write(writer: Any) -> None:
        for number in range(NUM_SHARDS):
            some = [row for row in rows if shard_of(row["image_id"], NUM_SHARDS) == number]
            some.sort(key=lambda row: row["image_id"])
            writer.write_table(shard_name(number), pa.Table.from_pylist(some, IMAGE_SCHEMA))
        failures = [{**row, "reason": "duplicate_pixels", "detail": "same picture"} for row in duplicates]
        failures.append({"image_id": "0" * 32, "document_id": "d", "url": "http://x.example/", "reason": "missing"})
        writer.write_table("failures.parquet", pa.Table.from_pylist(failures, REJECTION_SCHEMA))
        counts = {"num_records": len(rows) + len(duplicates) + 1, "stored": len(rows)}
        writer.write_json("summary.json", {"num_shards": NUM_SHARDS, "short_side_pixels": 64, **counts})

    seal("image_shards", output, write)
    return output


def split(images: str, output: str = "split", **changes: Any) -> Artifact:
    artifact = execute(PHASE, values={"inputs": {"images": images}, "output": output, **changes}).artifact
    assert artifact is not None
    return artifact


def rows_of(artifact: Artifact) -> list[dict[str, Any]]:
    table = pq.read_table(artifact.file("split.parquet"))
    assert table.schema == SPLIT_SCHEMA
    return table.to_pylist()


def test_a_split_holds_every_photo_of_every_kept_species() -> None:
    artifact = split(shards("images", photos()))
    rows, index = rows_of(artifact), ClassIndex.load(artifact.file("class_index.json"))
    assert index.class_ids == ("Cistus albidus", "Papaver rhoeas", "Quercus agrifolia")
    assert [row["image_id"] for row in rows] == sorted(row["image_id"] for row in rows)
    expected = {row["image_id"]: row for row in photos() if row["scientific_name"] in index}
    assert {row["image_id"] for row in rows} == set(expected)
    for row in rows:
        assert index.class_ids[row["class_index"]] == expected[row["image_id"]]["scientific_name"]
        assert row["shard"] == shard_of(row["image_id"], NUM_SHARDS)
    for place in range(3):
        assert {row["split"] for row in rows if row["class_index"] == place} == set(SPLITS)
    excluded = pq.read_table(artifact.file("excluded.parquet"))
    assert excluded.schema == REJECTION_SCHEMA
    assert excluded["reason"].to_pylist() == ["entry_of_species_with_too_few_images"] * 3


def test_no_observation_is_in_two_splits() -> None:
    by_id = {row["image_id"]: row for row in photos()}
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows_of(split(shards("images", photos()))):
        record = by_id[row["image_id"]]
        found[record["scientific_name"], record["observation_id"]].add(row["split"])
    assert len(found) == 15 + 12 + 6
    assert all(len(splits) == 1 for splits in found.values())


def test_duplicates_are_left_out_and_may_cost_a_species_its_place() -> None:
    rows = photos()
    aside = tuple(row for row in rows if row["scientific_name"] == "Quercus agrifolia")[:8]
    artifact = split(shards("images", rows, aside))
    assert "Quercus agrifolia" not in ClassIndex.load(artifact.file("class_index.json"))
    reasons = pq.read_table(artifact.file("excluded.parquet"))["reason"].to_pylist()
    assert {reason: reasons.count(reason) for reason in set(reasons)} == {
        "duplicate_pixels": 8,
        "entry_of_species_with_too_few_images": 4 + 3,
    }


def test_regions_come_from_the_country_else_from_the_distribution() -> None:
    artifact = split(shards("images", photos()))
    by_id = {row["image_id"]: row for row in photos()}
    for row in rows_of(artifact):
        country = by_id[row["image_id"]]["country"]
        expected = {None: ["EU_SW", "europe", "spain"], "ES": ["EU_SW", "europe", "spain"], "DE": ["europe"], "US": []}
        assert row["regions"] == expected[country]
        assert row["regions_by_country"] == ([] if country is None else expected[country])
    index = ClassIndex.load(artifact.file("class_index.json"))
    assert [item.regions for item in index.classes] == [("EU_SW", "europe", "spain")] * 2 + [()]
    assert json.loads(artifact.file("regions.json").read_text())["spain"] == ["ES"]
    assert index.classes[0].common_names == ("es:Cistus albidus",)


def test_json_lines_say_the_same_as_the_table() -> None:
    artifact = split(shards("images", photos()))
    from_lines = {
        line["image_id"]: name
        for name in SPLITS
        for line in map(json.loads, artifact.file(f"{name}.jsonl").read_text().splitlines())
    }
    assert from_lines == {row["image_id"]: row["split"] for row in rows_of(artifact)}


def look_alikes() -> list[dict[str, Any]]:
    """All photos, two of them nearly the same and of two species."""
    rows = photos()
    first, second = (next(row for row in rows if row["scientific_name"] == name) for name in list(SPECIES)[:2])
    bits = int(first["perceptual_hash"], 16) ^ 0b1001
    return [{**row, "perceptual_hash": f"{bits:016x}"} if row is second else row for row in rows]


def test_nearly_equal_photos_of_two_species_wait_for_a_decision(root: Path) -> None:
    rows = look_alikes()
    artifact = split(shards("images", rows))
    text = artifact.file("review.csv").read_text(encoding="utf-8")
    (pair,) = list(csv.DictReader(text.splitlines()))
    assert {pair["species_a"], pair["species_b"]} == {"Cistus albidus", "Papaver rhoeas"}
    assert (pair["distance"], pair["decision"]) == ("2", "")
    both = {pair["image_id_a"], pair["image_id_b"]}
    excluded = {row["image_id"]: row for row in pq.read_table(artifact.file("excluded.parquet")).to_pylist()}
    assert {key for key, row in excluded.items() if row["reason"] == "near_duplicate_of_another_species"} == both
    assert not both & {row["image_id"] for row in rows_of(artifact)}
    assert artifact.metrics["pairs_to_review"] == 1
    page = artifact.file("review.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 2
    assert all(image_id in page for image_id in both)
    for decision, left_out in (("drop_b", {pair["image_id_b"]}), ("keep_both", set()), ("drop_both", both)):
        decided = root / f"{decision}.csv"
        decided.write_text(text.rstrip("\n") + decision + "\n", encoding="utf-8")
        again = split("images", decision, review={"decisions": decided.name})
        assert both - {row["image_id"] for row in rows_of(again)} == left_out
        assert again.metrics["pairs_to_review"] == 0


def test_photos_whose_hashes_are_close_by_chance_are_neither_left_out_nor_kept_together() -> None:
    rows = [{**row, "image": jpeg_bytes(at, 96, 96)} for at, row in enumerate(look_alikes())]
    own = [row for row in rows if row["scientific_name"] == "Cistus albidus"]
    own[4]["perceptual_hash"] = own[8]["perceptual_hash"] = own[9]["perceptual_hash"] = "0" * 16
    own[8]["image"] = own[4]["image"]  # and this pair is one picture
    artifact = split(shards("images", rows))
    assert artifact.metrics["pairs_to_review"] == 0
    assert (
        "near_duplicate_of_another_species"
        not in pq.read_table(artifact.file("excluded.parquet"))["reason"].to_pylist()
    )
    groups = {row["image_id"]: row["group"] for row in rows_of(artifact)}
    assert groups[own[4]["image_id"]] == groups[own[8]["image_id"]] == groups[own[9]["image_id"]]  # 8 and 9: one plant
    own[9]["observation_id"] = "another"
    groups = {row["image_id"]: row["group"] for row in rows_of(split(shards("others", rows), "other"))}
    assert groups[own[4]["image_id"]] == groups[own[8]["image_id"]] != groups[own[9]["image_id"]]
    found = json.loads(artifact.file("summary.json").read_text())["near_duplicates"]
    assert found["within_species"] == {"by_hash": 3, "confirmed": 1}
    assert found["across_species"] == {"by_hash": 1, "confirmed": 0}
    expected = found["across_species_expected_among_900000"]
    assert expected == {"by_hash": round((900_000 / len(rows)) ** 2), "confirmed": 0}


def test_a_decision_that_is_none_names_the_line(root: Path) -> None:
    shards("images", look_alikes())
    (root / "decided.csv").write_text("image_id_a,image_id_b,decision\na,b,maybe\n", encoding="utf-8")
    with pytest.raises(BadRequest, match=r"decided\.csv: line 2: decision 'maybe', want one of keep_both"):
        split("images", review={"decisions": "decided.csv"})
    with pytest.raises(BadRequest, match=r"review\.decisions: 'gone\.csv'"):
        split("images", review={"decisions": "gone.csv"})


def test_a_photographer_s_day_is_in_one_split() -> None:
    rows = [
        {**row, "author": "Ana", "observed_on": f"2024-05-{int(row['observation_id']) // 3 + 1:02d}"}
        for row in photos()
    ]
    by_id = {row["image_id"]: row for row in rows}
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows_of(split(shards("images", rows))):
        record = by_id[row["image_id"]]
        found[record["scientific_name"], record["observed_on"]].add(row["split"])
    assert len(found) >= 10
    assert all(len(splits) == 1 for splits in found.values())


def test_a_frozen_test_set_stays_as_the_collection_grows() -> None:
    few = [row for row in photos() if int(row["observation_id"]) < 9]
    earlier = split(shards("before", few), "earlier")
    tested = {row["image_id"] for row in rows_of(earlier) if row["split"] == "test"}
    grown = execute(
        PHASE, values={"inputs": {"images": shards("after", photos()), "frozen": "earlier"}, "output": "grown"}
    ).artifact
    assert grown is not None
    assert {row["image_id"] for row in rows_of(grown) if row["split"] == "test"} == tested
    assert len(rows_of(grown)) > len(rows_of(earlier))


def test_the_data_card_counts_what_the_split_holds() -> None:
    artifact = split(shards("images", photos()), card={"frequency_bands": [10, 15], "num_photos": 5})
    card = json.loads(artifact.file("data_card.json").read_text(encoding="utf-8"))
    assert card["counts"]["photos in the split"] == len(rows_of(artifact)) == sum(card["photos_per_species"]) == 66
    assert card["splits"]["all"] == artifact.metrics["photos"]
    bands = [sum(card["splits"][f"{name} training photos"].values()) for name in ("0 to 9", "10 to 14", "15 and more")]
    assert sum(bands) == 66
    assert bands[0] == 12  # Quercus agrifolia: twelve photos in six observations
    assert card["countries"]["US"] == 12
    assert card["failures_by_host_and_reason"] == {"x.example missing": 1}
    assert card["excluded"] == {"entry_of_species_with_too_few_images": 3}
    page = artifact.file("data_card.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 5
    assert page.count("<svg") == 4
    assert "x.example" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "")  # it loads nothing


def test_equal_input_gives_equal_bytes_and_another_seed_another_split() -> None:
    shards("images", photos())
    first = split("images")
    assert split("images", "again").files == first.files
    assert split("images", "other", seed=7).files["split.parquet"] != first.files["split.parquet"]


def test_added_photos_leave_the_others_where_they_are() -> None:
    rows = photos()
    before = {row["image_id"]: row["split"] for row in rows_of(split(shards("before", rows)))}
    rows += [photo("Cistus albidus", number) for number in range(30, 34)]
    after = {row["image_id"]: row["split"] for row in rows_of(split(shards("after", rows), "split_after"))}
    assert len(after) == len(before) + 4
    assert sum(after[image_id] != before[image_id] for image_id in before) <= 2  # one lent group at most


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"regions": {"spain": ["Spain"]}}, BadRequest, "ISO 3166-1"),
        ({"val_fraction": 0.6, "test_fraction": 0.6}, BadRequest, "sum < 1"),
        ({"min_images_per_species": 100}, GateFailed, "100 images"),
    ],
)
def test_what_cannot_be_done(root: Path, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    shards("images", photos())
    with pytest.raises(error, match=message):
        split("images", **changes)
    assert not (root / "split/artifact.json").exists()
