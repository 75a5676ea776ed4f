"""What ``check_licenses`` counts, credits and warns of: each photo once, no secret, and nothing that is not so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aplantida.domain.address_secrets import ALWAYS
from aplantida.domain.record import REJECTION_SCHEMA
from aplantida.phases._admission import refused_today
from aplantida.phases.registry import load_phase
from aplantida.pipeline.artifact import MANIFEST, open_artifact
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import make_checkpoint, make_images, make_split, photo_row, seal
from tests.phases.test_check_licenses import LINEAGE, STORED, STRANGER, check, split_with_a_stranger


def withdrawn_and_bad() -> dict[str, Any]:
    """``images`` with photos that are refused for a licence, a withdrawal, a site, and for several of these at once."""
    bad = {photo_row(2, number)["image_id"] for number in (1, 2, 3)}
    change = {"license_id": "CC-BY-NC-4.0"}
    make_images("images", change=lambda row: {**row, **change} if row["image_id"] in bad else row)
    make_split("split", "images")
    make_checkpoint("student", LINEAGE)
    photos = [photo_row(2, number) for number in (2, 3, 4)]
    return {"images": [photos[0]["image_id"], photos[2]["url"]], "authors": [photos[1]["author"], photos[2]["author"]]}


def test_a_photo_that_is_refused_for_several_reasons_is_one_and_all_counts_agree(root: Path) -> None:
    opt_out = withdrawn_and_bad()
    with pytest.raises(GateFailed, match="14 licence violations"):  # 1, 2 and two authors' photos of six species
        check(["student"], opt_out=opt_out)
    listed = json.loads((root / "licenses/license_violations.json").read_text())
    ids = [row["image_id"] for row in listed]
    report = json.loads((root / "licenses/license_report.json").read_text())
    assert len(ids) == len(set(ids)) == report["violations"] == 14
    config = load_phase("distill_student").config.model_validate({"gates": {"opt_out": opt_out}})
    inputs = {"images": [open_artifact(root / "images")], "split": [open_artifact(root / "split")]}
    count, first = refused_today(config, inputs, "student")
    assert (count, sorted(first)) == (14, sorted(row["why"] for row in listed))
    (why,) = (row["why"] for row in listed if row["image_id"] == photo_row(2, 2)["image_id"])
    assert "withdrawn" in why


@pytest.mark.parametrize("lost", ["photo", "stranger"])
def test_what_cannot_be_looked_at_does_not_pass(lost: str) -> None:
    gone = STRANGER if lost == "stranger" else photo_row(1, 1)["image_id"]
    make_images("images")
    split_with_a_stranger()
    table = pq.read_table(open_artifact(resolve("split")).file("split.parquet"))
    other = photo_row(2, 9, image_id="0" * 32, url="https://photos.example/other.jpg")
    make_images("fewer", change=lambda row: other if row["image_id"] == gone else row)
    assert len(table) == 58
    with pytest.raises(BadRequest, match=f"fewer: lacks 1 photos of .*split, {gone} among them"):
        check(["student"], inputs={"images": "fewer", "split": "split", "checkpoints": ["student"]})


SECRET = "opensesame"


@pytest.mark.parametrize(
    "told",
    [
        "Ana (https://flora.example/ana?garden_key={})",
        "https://ana:{}@flora.example/ana",
        "Ana, flora.example/ana?token={}&v=1",
        "<a href='//flora.example/?sig={}'>Ana</a>",
    ],
)
def test_no_credit_has_a_secret_of_an_address(root: Path, told: str) -> None:
    change = {"author": told.format(SECRET), "source": told.format(SECRET), "license_text": told.format(SECRET)}
    url = f"?garden_key={SECRET}"
    make_images("images", change=lambda row: {**row, **change, "url": row["url"] + url})
    make_split("split", "images")
    make_checkpoint("student", LINEAGE)
    secrets = {"secret_parameters": {"always": [*ALWAYS, "garden_key"]}}
    artifact = check(["student"], "licenses", **secrets)
    with pytest.raises(GateFailed):
        check(["student"], "refused", **secrets, opt_out={"authors": [told.format(SECRET)]})
    rows = pq.read_table(artifact.file("attributions.parquet")).to_pylist()
    assert SECRET not in str(rows)
    assert {row["url"] for row in rows} >= {photo_row(2, 5)["url"]}
    assert "flora.example" in rows[0]["source"]
    files = [file for name in ("licenses", "refused") for file in (root / name).rglob("*") if file.suffix != ".parquet"]
    shown = [file.name for file in files if file.is_file() and SECRET in file.read_text()]
    assert [name for name in shown if name not in (MANIFEST, "session.json", "sessions.jsonl")] == []


def test_a_photo_that_was_refused_before_is_no_misspelt_one(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    refused, stored, failed = "e" * 32, photo_row(2, 5), "d" * 32

    def fill(output: ArtifactWriter) -> None:
        rows = [{"image_id": refused, "document_id": "d", "url": "https://a.org/1.jpg", "reason": "opted_out"}]
        output.write_table("rejections.parquet", pa.Table.from_pylist(rows, REJECTION_SCHEMA))
        records = [{"image_id": failed, "url": "https://a.org/2.jpg"}]
        output.write_table("records.parquet", pa.Table.from_pylist(records))

    seal("records", "records", fill)
    make_images("images", inputs={"records": "records"})
    split_with_a_stranger()
    there = [refused, "https://a.org/1.jpg", failed, STORED, f"\ufeff{STORED}\u200e"]
    assert stored["image_id"] not in there
    for output, absent in (("right", []), ("wrong", ["c" * 32])):
        caplog.clear()
        check(["student"], output, opt_out={"images": [*there, *absent]})
        told = [item.getMessage() for item in caplog.records if item.levelname == "WARNING"]
        assert [text for text in told if "opt_out" in text] == [
            f"opt_out.images: 1 of 6 are of no photo here, the first is {text}" for text in absent
        ]
    (root / "records" / MANIFEST).unlink()  # then nobody knows what it refused
    caplog.clear()
    split = {"inputs": {**LINEAGE, "checkpoints": ["student"]}}
    with pytest.raises(GateFailed, match="cannot be read"):
        check(["student"], "unknown", **split, opt_out={"images": [refused]})
    assert "are of no photo" not in caplog.text


@pytest.mark.parametrize(("license_id", "number"), [("CC-BY-4.0", 6), ("CC-BY-SA-4.0", 6), ("CC0-1.0", 0)])
def test_a_missing_author_is_said_where_the_licence_asks_for_one(
    license_id: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    change = {"license_id": license_id, "author": None}
    make_images("images", change=lambda row: {**row, **change} if row["author"] == "Author 1" else row)
    make_split("split", "images")
    make_checkpoint("student", LINEAGE)
    check(["student"])
    told = [item.getMessage() for item in caplog.records if "ask for the author" in item.getMessage()]
    want = f"the licences of {number} photos ask for the author, and none is given; the report lists them"
    assert told == ([want] if number else [])
