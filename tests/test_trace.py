"""``python -m aplantida.trace``: a withdrawn photo is traced, refused, and gone after the commands that are printed."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from aplantida.demo.cdn import serve_folder
from aplantida.domain.escaping import read_csv
from aplantida.domain.reason_words import in_words
from aplantida.phases.registry import load_phase
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.cli import main as run_job
from aplantida.trace import main as trace
from aplantida.verify import main as verify
from tests.fixtures.artifacts import make_images, photo_row
from tests.fixtures.collection import documents, fill, write_photos
from tests.fixtures.exported import run_phase

DATA = {"images": "runs/fetch_images", "split": "runs/split_dataset"}
SMALL = {
    "model": {"name": "mobilenetv2", "pretrained": False, "width": 0.35},
    "training": {"epochs": 1, "batch_size": 8, "warmup_epochs": 0.5},
    "data": {"image_size": 32},
    "distillation": {"alpha": 0.0, "recipe": "explicit"},
    "resources": {"num_threads": 1, "num_loader_workers": 0, "num_workers": 0, "device": "cpu"},
}


def made(phase: str, inputs: dict[str, Any], output: str = "", **values: Any) -> None:
    run_phase(load_phase(phase), output or f"runs/{phase}", inputs, **values)


def make_run(collection: Path) -> None:
    """From mongod to a bundle, as small as it can be."""
    said = {"collection": str(collection)}
    made("export_dataset", {}, **said, resources={"num_readers": 0})
    records = {"records": "runs/export_dataset"}
    made("fetch_images", records, **said, num_shards=2, short_side_pixels=64, resources={"num_actors": 0})
    made("split_dataset", {"images": DATA["images"]}, val_fraction=0.25, test_fraction=0.3)
    made("distill_student", DATA, "runs/student", **SMALL)
    model = {**DATA, "checkpoint": "runs/quantized"}
    made("quantize_model", {**DATA, "checkpoint": "runs/student"}, "runs/quantized", gates={"min_top1_agreement": 0.0})
    made("evaluate_model", model, "runs/evaluation")
    few = {"min_accepted": 1, "gates": {"ship_unsure": True}}  # a handful of val photos shows nothing
    made("calibrate_model", {"evaluation": "runs/evaluation"}, "runs/calibration", **few)
    made("check_licenses", {**DATA, "checkpoints": ["runs/quantized"]}, "runs/licenses", **said)
    measured = {"evaluation": "runs/evaluation", "calibration": "runs/calibration", "license_report": "runs/licenses"}
    made("export_tfjs", {**model, **measured}, "dist/models/tiny_v1.0", name="tiny", num_golden=4)


@pytest.fixture
def collection(mongo_uri: str, db_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    write_photos(tmp_path / "photos")
    with serve_folder(tmp_path / "photos") as base:
        fill(mongo_uri, db_name, documents(base))
        file = tmp_path / "collection.yaml"
        file.write_text(yaml.safe_dump({"db_name": db_name, "allow_addresses": [base.removeprefix("http://")]}))
        yield file


def carry_out(line: str) -> int:
    """One of the printed commands."""
    words = shlex.split(line)
    if words[:2] == ["rm", "-r"]:
        assert Path(words[2]).exists()
        shutil.rmtree(words[2]) if Path(words[2]).is_dir() else Path(words[2]).unlink()
        return 0
    assert words[:2] == ["python", "-m"]
    if words[2].startswith("jobs."):
        return run_job(load_phase(words[2].removeprefix("jobs.")), words[3:])
    return {"aplantida.trace": trace, "aplantida.verify": verify}[words[2]](words[3:])


def test_a_withdrawn_photo_is_traced_refused_and_gone_after_the_commands(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(collection)
    rows = pq.read_table(tmp_path / "runs/split_dataset/split.parquet").to_pylist()
    photo = next(row["image_id"] for row in rows if row["split"] == "train")
    url = next(
        row["url"]
        for row in pq.read_table(tmp_path / "runs/export_dataset/records.parquet").to_pylist()
        if row["image_id"] == photo
    )
    capsys.readouterr()
    assert trace(["--photo", photo]) == 0
    told = capsys.readouterr().out
    for said in (
        "runs/export_dataset: holds the records of the photo",
        "runs/fetch_images: stores the photo",
        "runs/split_dataset: has the photo in train",
        "runs/student: trained on the photo",
        "runs/quantized: descends from student, which trained on it",
        "runs/licenses: credits the photo; descends from student",
        "dist/models/tiny_v1.0: descends from student, which trained on it",
        "export_dataset -> fetch_images -> split_dataset -> student -> quantized -> evaluation -> calibration",
        "release        tiny_v1.0",
    ):
        assert said in told

    said = yaml.safe_load(collection.read_text()) | {"opt_out": {"images": [photo]}}
    collection.write_text(yaml.safe_dump(said))
    request = [*("--config", "configs/check_licenses.yaml"), *("--config", str(tmp_path / "own.yaml"))]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"collection": str(collection)}))
    inputs = [word for name, path in DATA.items() for word in ("--input", f"{name}={path}")]
    asked = [*request, *inputs, "--input", "checkpoints=runs/quantized", "--output", "runs/refused"]
    assert run_job(load_phase("check_licenses"), asked) == 4
    (found,) = json.loads((tmp_path / "runs/refused/license_violations.json").read_text())
    assert found["image_id"] == photo
    assert found["path"] == ["fetch_images", "split_dataset", "student", "quantized"]
    shutil.rmtree(tmp_path / "runs/refused")

    lines = [line for line in told.partition("made anew without:")[2].splitlines() if line and line[0] != "#"]
    assert len([line for line in lines if line.startswith("python -m jobs.")]) == 11
    for line in lines:
        capsys.readouterr()
        assert carry_out(line) == 0, line
    assert "nothing found: of 0 artifacts" in capsys.readouterr().out
    assert trace(["--photo", url, "--runs", "runs_anew"]) == 0
    assert "nothing found: of 9 artifacts" in capsys.readouterr().out
    assert not (tmp_path / "dist/models/tiny_v1.0").exists()
    with (tmp_path / "runs_anew/export_dataset/rejections.csv").open(encoding="utf-8", newline="") as stream:
        (refused,) = read_csv(stream)
    assert (refused["image_id"], refused["url"], refused["reason"]) == (photo, url, "opted_out")
    assert (refused["reason_es"], refused["reason_en"]) == in_words("opted_out")
    assert (tmp_path / "runs_anew/fetch_images/failures.csv").read_text().startswith("image_id,document_id,")
    assert open_artifact(tmp_path / "runs_anew/tiny_v1.0").kind == "model_bundle"
    fetched = open_artifact(tmp_path / "runs_anew/fetch_images").metrics
    assert (fetched["num_records"], fetched["downloaded"]) == (23, 0)
    assert trace(["--host", "127.0.0.1", "--runs", "runs_anew"]) == 0
    assert "23 photo(s) meant" in capsys.readouterr().out


def test_what_nobody_saw_is_said_and_what_is_no_question_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    assert trace(["--author", "Ana"]) == 0
    assert "nothing found" in capsys.readouterr().out
    for words in (["--photo", "x"], ["--host", "https://a.org/"], ["--author", " "]):
        assert trace(words) == 2
    assert "want the id of a photo" in capsys.readouterr().err


def test_examples_and_scored_photos_are_told_from_those_trained_on(
    exported_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(exported_root))
    golden = json.loads((exported_root / "bundle/golden/golden.json").read_text())["photos"][0]
    assert trace(["--photo", Path(golden["file"]).stem, "--runs", ".", "--bundles", "."]) == 0
    told = capsys.readouterr().out
    assert "/bundle: shows the photo as an example" in told
    assert "/split: has the photo in test" in told
    assert "/evaluation: scored the photo" in told
    assert "trained on the photo" not in told
    assert "by hand: " in told
    rows = pq.read_table(exported_root / "split/split.parquet").to_pylist()
    train = next(row["image_id"] for row in rows if row["split"] == "train")
    assert trace(["--photo", train, "--runs", ".", "--bundles", "."]) == 0
    told = capsys.readouterr().out
    assert "/model: trained on the photo" in told
    assert "/bundle: descends from model, which trained on it" in told
    assert trace(["--author", "author  9", "--runs", ".", "--bundles", "."]) == 0
    told = capsys.readouterr().out
    assert "6 photo(s) meant" in told
    assert "has 6 of the photos in test" in told


def test_secrets_are_those_of_the_collections_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    photo, url = photo_row(0, 0), "https://pics.example/a.jpg"
    make_images("runs/images", change=lambda row: {**row, "url": url} if row["image_id"] == photo["image_id"] else row)
    file = tmp_path / "collection.yaml"
    file.write_text(yaml.safe_dump({"secret_parameters": {"always": ["mykey"]}}))
    words = ["--photo", f"{url}?mykey=TOPSECRET", "--runs", "runs", "--collection", str(file)]
    assert trace(words) == 0
    told = capsys.readouterr().out
    assert f"1 photo(s) meant, the first:\n  {photo['image_id']}" in told
    assert "TOPSECRET" not in told
    assert f"--collection {file}" in told
    file.write_text(yaml.safe_dump({"secret_parameters": {"always": ["NO NAME"]}}))
    assert trace(words) == 2
    assert "secret_parameters" in capsys.readouterr().err


def test_the_same_picture_under_another_id_is_traced_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    aside, twin = photo_row(0, 0), photo_row(3, 3)["image_id"]
    same = {"pixel_sha256": aside["pixel_sha256"]}
    make_images("runs/images", change=lambda row: {**row, **same} if row["image_id"] == twin else row)
    assert trace(["--photo", aside["image_id"]]) == 0
    told = capsys.readouterr().out
    assert "2 photo(s) meant" in told
    assert f"{twin}  shows the same picture" in told
    assert told.count(twin) > 1  # among what opts out
    assert trace(["--photo", photo_row(1, 1)["image_id"]]) == 0
    assert "the same picture" not in capsys.readouterr().out
