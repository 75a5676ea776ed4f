"""A trace goes on over what it cannot read, and says what that is; copies are found wherever a link leads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from aplantida.domain.opt_out import OptOuts
from aplantida.domain.record import shard_of
from aplantida.domain.seals import hash_file
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import Altered
from aplantida.pipeline.writer import ArtifactWriter
from aplantida.release.copies import find_copies
from aplantida.release.sightings import photos_meant
from aplantida.release.tracing import trace_photos
from tests.fixtures.artifacts import NUM_SHARDS, make_checkpoint, make_images, make_split, photo_row, seal

DATA = {"images": "images", "split": "split"}
PHOTO = OptOuts.of([], [], [photo_row(2, 5)["image_id"]])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    return tmp_path


def one_file(output: ArtifactWriter) -> None:
    output.write_json("made.json", {})


def test_an_artifact_of_another_shape_stops_no_trace(root: Path) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("teacher", DATA)
    whole = trace_photos([root], PHOTO)
    assert whole.unread == []
    seal("odd", "split", one_file, {"images": "images"})
    seal("of_odd", "checkpoint", one_file, {"images": "images", "split": "odd"})
    found = trace_photos([root], PHOTO)
    seen = {item.artifact.path.name: item.how for item in found.sightings}
    assert seen.items() >= {item.artifact.path.name: item.how for item in whole.sightings}.items()
    lacking = f"{root / 'odd'}: a split artifact without the file 'split.parquet'"
    assert sorted(found.unread) == [lacking, f"{root / 'of_odd'}: {lacking}"]


def test_what_alters_under_the_trace_stops_it_neither(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_images("images")
    make_split("split", "images")
    file = Artifact.file

    def altered(artifact: Artifact, name: str) -> Path:
        if artifact.kind == "split":
            raise Altered(f"{artifact.path}: not what was sealed")
        return file(artifact, name)

    monkeypatch.setattr(Artifact, "file", altered)
    found = trace_photos([root], PHOTO)
    assert [item.artifact.path.name for item in found.sightings] == ["images", "split"]
    assert found.unread == [f"{root / 'split'}: not what was sealed"]


@pytest.mark.parametrize("linked", ["dist", "dist/models", "dist/models/plants"])
def test_a_copy_behind_a_link_is_a_copy(tmp_path: Path, linked: str) -> None:
    copy = tmp_path / "dist/models/plants"
    copy.mkdir(parents=True)
    (copy / "bundle.json").write_text("{}")
    originals = {hash_file(copy / "bundle.json"): Path("original")}
    shutil.move(tmp_path / linked, tmp_path / "disk")
    (tmp_path / linked).symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(tmp_path)
    unread: list[str] = []
    assert list(find_copies([tmp_path / "dist"], originals, [], set(), unread)) == [
        (copy.resolve(), "a copy of original")
    ]
    assert unread == []


@pytest.mark.parametrize("many", [0, 5_000])
def test_the_same_picture_is_found_in_another_shard_and_in_another_artifact(
    root: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr("aplantida.release.sightings._MANY", many)
    meant, first, second = photo_row(2, 5), photo_row(0, 1)["image_id"], photo_row(4, 2)["image_id"]
    same = {"pixel_sha256": meant["pixel_sha256"]}
    make_images("images", change=lambda row: {**row, **same} if row["image_id"] == first else row)
    assert trace_photos([root], PHOTO).photos.twins == {first}

    def anew(row: dict[str, Any]) -> dict[str, Any]:
        if row["image_id"] == meant["image_id"]:  # it was withdrawn, and another came
            return photo_row(2, 5, image_id="0" * 32)
        return {**row, **same} if row["image_id"] == second else row

    make_images("anew", change=lambda row: {**anew(row), "pixel_sha256": anew(row)["pixel_sha256"]})
    assert trace_photos([root], PHOTO).photos.twins == {first, second, "0" * 32}


def test_a_shard_that_cannot_be_read_hides_no_other_shards_pictures(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meant, twin = photo_row(2, 5), photo_row(0, 1)["image_id"]
    same = {"pixel_sha256": meant["pixel_sha256"]}
    images = make_images("images", change=lambda row: {**row, **same} if row["image_id"] == twin else row)
    needed = {shard_of(image_id, NUM_SHARDS) for image_id in (meant["image_id"], twin)}
    broken = next(number for number in range(NUM_SHARDS) if number not in needed)
    (root / f"images/shards/shard-{broken:05d}.parquet").write_bytes(b"PAR1")
    unread: list[str] = []
    assert photos_meant([images], PHOTO, unread).twins == {twin}
    assert unread
