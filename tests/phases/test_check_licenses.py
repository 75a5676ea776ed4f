from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from aplantida.data.addresses import host_of
from aplantida.domain.split import STRANGER_SCHEMA
from aplantida.export.bundle import license_text
from aplantida.phases.check_licenses import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.cli import main
from aplantida.pipeline.config import load_config
from aplantida.pipeline.errors import BadRequest, GateFailed, RecipeChanged
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import make_checkpoint, make_images, make_split, photo_row, seal

BASE = "configs/check_licenses.yaml"
LITE = "910141b5a8ae71af0e9e035b6fa7b702ebde804c6cd6aef5dbe47f303d2efb1a"  # in configs/weights.yaml
LINEAGE = {"images": "images", "split": "split"}


def check(checkpoints: list[str], output: str = "licenses", **values: Any) -> Artifact:
    request = {"inputs": {**LINEAGE, "checkpoints": checkpoints}, "output": output, **values}
    artifact = execute(PHASE, files=[BASE], values=request).artifact
    assert artifact is not None
    return artifact


def test_a_clean_lineage_passes_with_every_credit() -> None:
    make_images("images", change=lambda row: {**row, "author": " " if row["author"] == "Author 1" else row["author"]})
    make_split("split", "images")
    hub = f"timm/vit.x@{'1' * 40} sha256:{'ab' * 32}"
    make_checkpoint("teacher", LINEAGE, pretrained=hub, pretrained_license="Apache-2.0")
    make_checkpoint("student", {**LINEAGE, "checkpoint": "teacher"})
    artifact = check(["student"])
    report = json.loads(artifact.file("license_report.json").read_text())
    assert report["production_safe"] is True
    assert report["photos"]["by_license"] == {"CC-BY-4.0": 36, "CC0-1.0": 24}
    assert report["photos"]["missing_author"] == sorted(photo_row(index, 1)["image_id"] for index in range(6))
    assert {row["pretrained_license"] for row in report["weights"]} == {None, "Apache-2.0"}
    want = photo_row(3, 4)
    credits = pq.read_table(artifact.file("attributions.parquet")).to_pylist()
    assert len(credits) == 60
    assert {name: want[name] for name in credits[0]} in credits
    assert [credit["scientific_name"] for credit in credits] == sorted(credit["scientific_name"] for credit in credits)
    assert len(artifact.file("attributions.csv").read_text().splitlines()) == 61
    assert "60 photos of 6 species, by 9 authors" in artifact.file("attributions.html").read_text()
    assert check(["student"], "again").digest == artifact.digest


def test_a_photo_against_the_policy_is_named_and_exit_is_4(root: Path) -> None:
    bad = photo_row(2, 5)["image_id"]
    change = {"license_id": "CC-BY-NC-4.0", "license_text": "by-nc, ask me"}
    make_images("images", change=lambda row: {**row, **change} if row["image_id"] == bad else row)
    make_split("split", "images")
    make_checkpoint("teacher", LINEAGE, pretrained="wild.pth", pretrained_license="CC-BY-NC-4.0")
    make_checkpoint("distilled", {**LINEAGE, "checkpoint": "teacher"})
    make_checkpoint("student", {**LINEAGE, "checkpoint": "distilled"})
    with pytest.raises(GateFailed, match=f"photo {bad} .*CC-BY-NC-4.0 forbids commercial use"):
        check(["student"])
    weights, photo = json.loads((root / "licenses/license_violations.json").read_text())
    assert (photo["image_id"], photo["text"]) == (bad, "by-nc, ask me")
    shard = pq.read_table(root / photo["file"], columns=["image_id"])["image_id"].to_pylist()
    assert bad in shard
    assert photo["path"] == ["images", "split", "teacher", "distilled", "student"]
    assert (weights["file"], weights["text"]) == ("teacher/model.json", "wild.pth: CC-BY-NC-4.0")
    assert weights["path"] == ["teacher", "distilled", "student"]
    report = json.loads((root / "licenses/license_report.json").read_text())
    assert (report["production_safe"], report["violations"], report["photos"]["num_photos"]) == (False, 2, 60)
    words = ["images=images", "split=split", "checkpoints=student"]
    flags = [word for given in words for word in ("--input", given)]
    assert main(PHASE, ["--config", BASE, *flags, "--output", "licenses"]) == 4
    assert not (root / "licenses" / "artifact.json").exists()
    make_checkpoint("clean", LINEAGE)
    policy: dict[str, Any] = {
        "license_policy": {"also_allowed": ["CC-BY-NC-4.0"]}
    }  # another recipe starts afresh at the same place
    passed = check(["clean"], **policy)
    assert json.loads(passed.file("license_report.json").read_text())["production_safe"] is True
    assert not (root / "licenses/license_violations.json").exists()


def test_share_alike_and_missing_authors_follow_the_policy() -> None:
    make_images("images", change=lambda row: {**row, "license_id": "CC-BY-SA-3.0"})
    make_split("split", "images")
    make_checkpoint("student", LINEAGE)
    check(["student"])
    with pytest.raises(GateFailed, match=r"(?s)60 licence violations.*and 40 more"):
        check(["student"], "strict", license_policy={"allow_share_alike": False})
    make_images("nameless", change=lambda row: {**row, "author": None})
    make_split("their_split", "nameless")
    lineage = {"images": "nameless", "split": "their_split"}
    make_checkpoint("their_student", lineage)
    with pytest.raises(GateFailed, match="asks for the author"):
        check(
            [],
            "authors",
            license_policy={"require_author": True},
            inputs={**lineage, "checkpoints": ["their_student"]},
        )


@pytest.mark.parametrize("license_id", ["CC-BY-NC-4.0", None])
def test_weights_of_an_ancestor_count(license_id: str | None) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("teacher", LINEAGE, pretrained="wild.pth", pretrained_license=license_id)
    make_checkpoint("distilled", {**LINEAGE, "checkpoint": "teacher"})
    make_checkpoint("student", {**LINEAGE, "checkpoint": "distilled"})
    with pytest.raises(GateFailed, match=r"weights of teacher: began from wild\.pth") as caught:
        check(["student"])
    assert "1 licence violations" in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "license_id", "why"),
    [
        ("vit.safetensors", "Apache-2.0", "the card does not say which file that was"),
        ("timm hub", "Apache-2.0", "the card does not say which file that was"),
        (f"vit.safetensors sha256:{'ab' * 32}", "Apache-2.0", "nothing is known of a file with that sha256"),
        (
            f"lite.pth sha256:{LITE}",
            "MIT",
            "the card says MIT, LICENSE of the efficientnet.* says Apache",
        ),
        (f"timm/vit.x@1 sha256:{LITE}", "MIT", "the card says MIT"),
        (f"lite.pth sha256:{LITE}", "Apache-2.0", None),
    ],
)
def test_weights_are_known_by_their_bytes(origin: str, license_id: str, why: str | None) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("teacher", LINEAGE, pretrained=origin, pretrained_license=license_id)
    make_checkpoint("student", {**LINEAGE, "checkpoint": "teacher"})
    if why is None:
        assert check(["student"]).metrics["violations"] == 0
        return
    with pytest.raises(GateFailed, match=rf"weights of teacher: began from .*{why}"):
        check(["student"])


def test_share_alike_waits_for_a_decision() -> None:
    make_images("images", change=lambda row: {**row, "license_id": "CC-BY-SA-4.0"} if row["source"] else row)
    make_split("split", "images")
    make_checkpoint("student", LINEAGE)
    report = json.loads(check(["student"]).file("license_report.json").read_text())
    assert (report["production_safe"], report["decisions_needed"]) == (False, ["share-alike"])
    assert report["decisions"][0]["by_license"] == {"CC-BY-SA-4.0": 60}
    decision = {
        "about": "share-alike",
        "decided": "the model is no adaptation",
        "by": "Ana | Gil",
        "date": "2026-11-02",
    }
    report = json.loads(check(["student"], "decided", decisions=[decision]).file("license_report.json").read_text())
    assert (report["production_safe"], report["decisions_needed"]) == (True, [])
    text = license_text("demo", "v1", "CC-BY-4.0", report, "listed")
    assert r"the model is no adaptation (decided by Ana \| Gil, 2026-11-02)" in text
    unasked = check(["student"], "unasked", license_policy={"ask": []})
    assert json.loads(unasked.file("license_report.json").read_text())["production_safe"] is True
    with pytest.raises(BadRequest, match="two are about one"):
        check(["student"], "twice", decisions=[decision, decision])
    for key in ("decided", "by", "date"):
        with pytest.raises(BadRequest, match=rf"decisions\.0\.{key}"):
            check(["student"], "half", decisions=[{name: text for name, text in decision.items() if name != key}])


def test_photos_nobody_audited_are_a_violation() -> None:
    make_images("images")
    make_split("split", "images")
    make_images("others", per_class=20)
    make_split("other_split", "others", per_class=20)
    make_checkpoint("student", {"images": "others", "split": "other_split"})
    with pytest.raises(GateFailed, match=r"others \(image_shards .* is in the lineage"):
        check(["student"])


def test_an_ancestor_that_is_gone_is_a_violation(root: Path) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("teacher", LINEAGE)
    make_checkpoint("student", {**LINEAGE, "checkpoint": "teacher"})
    (root / "teacher" / "artifact.json").unlink()
    with pytest.raises(GateFailed, match="student descends from teacher, which cannot be read"):
        check(["student"])


@pytest.mark.parametrize("who", ["images", "authors", "hosts", "address"])
def test_who_opted_out_since_is_found_in_an_old_split(root: Path, who: str) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("teacher", LINEAGE)
    make_checkpoint("student", {**LINEAGE, "checkpoint": "teacher"})
    assert check(["student"], opt_out={"images": ["f" * 32]}).metrics["violations"] == 0
    photo = photo_row(2, 5)
    values = {"images": photo["image_id"], "authors": photo["author"], "hosts": host_of(photo["url"])}
    key = "images" if who == "address" else who
    said = f"photo {photo['image_id']} .*withdrawn" if key == "images" else "opted out"
    with pytest.raises(RecipeChanged, match="opt_out"):
        check(["student"], opt_out={key: [values.get(who, photo["url"])]})
    with pytest.raises(GateFailed, match=said):
        check(["student"], "again", opt_out={key: [values.get(who, photo["url"])]})
    offenders = json.loads((root / "again/license_violations.json").read_text())
    (found,) = (row for row in offenders if row["image_id"] == photo["image_id"])
    assert photo["image_id"] in pq.read_table(root / found["file"], columns=["image_id"])["image_id"].to_pylist()
    assert found["path"] == ["images", "split", "teacher", "student"]
    assert json.loads((root / "again/license_report.json").read_text())["production_safe"] is False


STRANGER, STORED = photo_row(2, 5)["image_id"], photo_row(2, 6)["image_id"]


def split_with_a_stranger() -> None:
    """``split`` of ``images``, and a student: STRANGER is its stranger, STORED is no part of it."""
    table = pq.read_table(make_split("whole", "images").file("split.parquet"))
    row = {
        "image_id": STRANGER,
        "shard": 0,
        "split": "stranger",
        "scientific_name": "x",
        "why": "held_out",
        "part": "val",
    }

    def fill(output: ArtifactWriter) -> None:
        output.write_table("split.parquet", table.filter(~pc.field("image_id").isin([STRANGER, STORED])))
        output.write_table("strangers.parquet", pa.Table.from_pylist([row], STRANGER_SCHEMA))

    seal("split", "split", fill, {"images": "images"})
    make_checkpoint("student", LINEAGE)


def test_a_withdrawn_stranger_is_found_and_what_is_only_stored_is_not() -> None:
    make_images("images")
    split_with_a_stranger()
    with pytest.raises(GateFailed, match=f"1 licence violations.*\n.*photo {STRANGER}"):
        check(["student"], opt_out={"images": [STRANGER, STORED]})
    assert check(["student"], "stored", opt_out={"images": [STORED]}).metrics["violations"] == 0


@pytest.mark.parametrize(
    ("license_id", "policy", "why"),
    [
        ("CC-BY-NC-4.0", {}, "forbids commercial use"),
        ("CC-BY-SA-4.0", {"allow_share_alike": False}, "share-alike"),
        ("CC-BY-SA-4.0", {}, None),
    ],
)
def test_strangers_are_asked_what_photos_are_and_have_no_credits(
    root: Path, license_id: str, policy: dict[str, Any], why: str | None
) -> None:
    ids = (STRANGER, STORED)
    make_images("images", change=lambda row: {**row, "license_id": license_id} if row["image_id"] in ids else row)
    split_with_a_stranger()
    if why is not None:
        with pytest.raises(GateFailed, match=rf"1 licence violations.*\n.*photo {STRANGER}.*{why}"):
            check(["student"], license_policy=policy)
        assert [row["image_id"] for row in json.loads((root / "licenses/license_violations.json").read_text())] == [
            STRANGER
        ]
        return
    artifact = check(["student"], license_policy=policy)
    report = json.loads(artifact.file("license_report.json").read_text())
    assert report["decisions_needed"] == ["share-alike"]
    assert report["decisions"][0]["by_license"] == {license_id: 1}
    assert (report["photos"]["num_photos"], license_id in report["photos"]["by_license"]) == (58, False)
    assert STRANGER not in pq.read_table(artifact.file("attributions.parquet"))["image_id"].to_pylist()


@pytest.mark.parametrize(("key", "value"), [("by", "  "), ("decided", "\t"), ("date", "2999-01-01")])
def test_a_decision_is_said_and_made_already(key: str, value: str) -> None:
    said = {"about": "share-alike", "decided": "yes", "by": "Ana", "date": "2026-01-31", key: value}
    with pytest.raises(BadRequest, match=rf"decisions\.0\.{key}"):
        load_config(PHASE.config, [BASE], {"decisions": [said]})


def test_the_same_picture_under_another_id_is_withdrawn_with_it(root: Path) -> None:
    """STORED was set aside as a copy of TWIN, which is learned from."""
    twin, pixels = photo_row(2, 7)["image_id"], photo_row(2, 6)["pixel_sha256"]
    make_images("images", change=lambda row: {**row, "pixel_sha256": pixels} if row["image_id"] == twin else row)
    split_with_a_stranger()
    with pytest.raises(GateFailed, match=rf"1 licence violations.*\n.*photo {twin}.*the same picture as .*{STORED}"):
        check(["student"], opt_out={"images": [STORED]})
    (found,) = json.loads((root / "licenses/license_violations.json").read_text())
    assert found["image_id"] == twin
