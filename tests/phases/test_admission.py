"""What may not be shipped is found before anything learns from it, with its file, its text and its way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from aplantida.data.addresses import host_of
from aplantida.domain.seals import SEAL
from aplantida.phases.registry import load_phase
from aplantida.pipeline.artifact import MANIFEST, Artifact, is_sealed, manifest_text
from aplantida.pipeline.cli import main
from aplantida.pipeline.errors import GateFailed
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from aplantida.release.records import write_records
from tests.fixtures.artifacts import make_checkpoint, make_images, make_soft_labels, make_split, photo_row, seal

DATA = {"images": "images", "split": "split"}
STUDENT = {
    "model": {"name": "mobilenetv2", "pretrained": False, "width": 0.35},
    "training": {"epochs": 1, "batch_size": 8},
    "data": {"image_size": 32},
    "resources": {"num_threads": 1, "num_loader_workers": 0, "num_workers": 0, "device": "cpu"},
}
SCRATCH = {**STUDENT, "distillation": {"recipe": "explicit", "alpha": 0.0}}
SMALL = {key: STUDENT[key] for key in ("training", "resources")}
LEARNING: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "train_teacher": ({}, {**STUDENT, "model": {"name": "resnet10t", "pretrained": False}}),
    "compute_teacher_logits": ({"checkpoint": "teacher"}, {"resources": {"num_actors": 0, "device": "cpu"}}),
    "distill_student": ({}, SCRATCH),
    "finetune_student": ({"checkpoint": "teacher"}, SMALL),
    "sweep_distillation": ({"soft_labels": "labels"}, {"model": STUDENT["model"], "data": STUDENT["data"]}),
}
BAD = photo_row(2, 5)


def learn(phase: str, output: str = "learned", **values: Any) -> Artifact:
    more, config = LEARNING.get(phase, ({}, {}))
    inputs = {"images": "images"} if phase == "split_dataset" else {**DATA, **more}
    request = {**config, "inputs": inputs, "output": output, **values}
    artifact = execute(load_phase(phase), files=[f"configs/{phase}.yaml"], values=request).artifact
    assert artifact is not None
    return artifact


def planted(row: dict[str, Any]) -> dict[str, Any]:
    change = {"license_id": "CC-BY-NC-4.0", "license_text": "by-nc, ask me"}
    return {**row, **change} if row["image_id"] == BAD["image_id"] else row


def one_file(output: ArtifactWriter) -> None:
    output.write_json("made.json", {})


def offenders(root: Path, output: str = "learned") -> list[dict[str, Any]]:
    return json.loads((root / output / "license_violations.json").read_text())


@pytest.mark.parametrize("phase", ["split_dataset", *LEARNING])
def test_a_photo_under_a_refused_licence_is_found_before_anything_learns(root: Path, phase: str) -> None:
    make_images("images", change=planted)
    make_split("split", "images")
    make_checkpoint("teacher", DATA)
    if phase == "sweep_distillation":
        make_soft_labels("labels", 0)
    said = rf"1 licence violations, all in .*license_violations\.json:\n  photo {BAD['image_id']} .*forbids commercial"
    with pytest.raises(GateFailed, match=said) as caught:
        learn(phase)
    assert caught.value.exit_code == 4
    (found,) = offenders(root)
    assert (found["image_id"], found["text"]) == (BAD["image_id"], "by-nc, ask me")
    assert BAD["image_id"] in pq.read_table(root / found["file"], columns=["image_id"])["image_id"].to_pylist()
    assert (found["path"][0], found["path"][-1]) == ("images", "learned")
    if phase != "split_dataset":
        assert "split" in found["path"]
    assert not is_sealed(root / "learned")
    assert not list((root / "learned").rglob("*.safetensors"))
    with pytest.raises(GateFailed):  # another recipe starts afresh at the same place
        learn(phase, seed=7)


@pytest.mark.parametrize("who", ["images", "authors", "hosts", "address"])
@pytest.mark.parametrize("phase", ["split_dataset", "train_teacher"])
def test_who_opted_out_by_the_collections_file_is_found_too(root: Path, phase: str, who: str, tmp_path: Path) -> None:
    make_images("images")
    make_split("split", "images")
    values = {"images": BAD["image_id"], "authors": BAD["author"], "hosts": host_of(BAD["url"]), "address": BAD["url"]}
    said = {"opt_out": {"images" if who == "address" else who: [values[who]]}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(said))
    with pytest.raises(GateFailed, match=r"opted out|was withdrawn"):
        learn(phase, collection=str(tmp_path / "mine.yaml"))
    assert BAD["image_id"] in {row["image_id"] for row in offenders(root)}


def test_the_same_picture_under_another_id_is_found_too(root: Path) -> None:
    twin = photo_row(4, 4)["image_id"]
    same = {"pixel_sha256": BAD["pixel_sha256"]}
    make_images("images", change=lambda row: {**row, **same} if row["image_id"] == twin else row)
    make_split("split", "images")
    with pytest.raises(GateFailed, match=rf"photo {twin} .*the same picture as the photo {BAD['image_id']}"):
        learn("train_teacher", gates={"opt_out": {"images": [BAD["image_id"]]}})
    assert {row["image_id"] for row in offenders(root)} == {twin, BAD["image_id"]}


def test_what_is_stored_and_not_in_the_split_stops_nothing() -> None:
    lonely = photo_row(0, 0, scientific_name="Zea mays", license_id="CC-BY-ND-4.0")
    make_images("images", change=lambda row: {**row, **lonely} if row["image_id"] == lonely["image_id"] else row)
    split = learn("split_dataset")  # its species has too few photos
    assert split.metrics["by_license"] == {"CC-BY-4.0": 36, "CC0-1.0": 23}
    with pytest.raises(GateFailed, match="forbids derived works"):
        learn("split_dataset", "with_strangers", keep_strangers=True)


def test_sealed_work_is_looked_at_again_when_the_list_grew(root: Path) -> None:
    make_images("images")
    learn("split_dataset", "split")
    learn("distill_student", "student")
    none = {"opt_out": {"images": ["f" * 32]}}
    for phase, output in (("split_dataset", "split"), ("distill_student", "student")):
        assert learn(phase, output, gates=none).digest
        with pytest.raises(GateFailed, match=rf"{output}: 1 licence violations:\n  photo {BAD['image_id']}"):
            learn(phase, output, gates={"opt_out": {"images": [BAD["image_id"]]}})
    with pytest.raises(GateFailed, match="split: 1 licence violations"):
        learn("split_dataset", "split", gates={"opt_out": {"images": [BAD["image_id"]]}})
    make_images("shared", change=lambda row: {**row, "license_id": "CC-BY-SA-4.0"})
    shared = learn("split_dataset", "shared_split", inputs={"images": "shared"})
    assert shared.metrics["by_license"] == {"CC-BY-SA-4.0": 60}
    strict = {"license_policy": {"allow_share_alike": False}}
    with pytest.raises(GateFailed, match=r"60 photos: CC-BY-SA-4\.0 is share-alike"):
        learn("split_dataset", "shared_split", inputs={"images": "shared"}, gates=strict)


@pytest.mark.parametrize("phase", ["compute_teacher_logits", "finetune_student", "distill_student"])
def test_weights_of_a_teacher_are_looked_at_before_a_student_learns_of_it(root: Path, phase: str) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("teacher", DATA, pretrained="wild.pth", pretrained_license="CC-BY-NC-4.0")
    values: dict[str, Any] = {}
    if phase == "distill_student":
        seal("logits", "teacher_logits", one_file, {**DATA, "checkpoint": "teacher"})
        seal("sweep", "sweep", one_file, {**DATA, "logits": ["logits"]})
        values = {"inputs": {**DATA, "sweep": "sweep"}}
    with pytest.raises(GateFailed, match=r"weights of teacher: began from wild\.pth"):
        learn(phase, **values)
    (found,) = offenders(root)
    assert (found["kind"], found["file"], found["text"]) == ("weights", "teacher/model.json", "wild.pth: CC-BY-NC-4.0")
    assert (found["path"][0], found["path"][-1]) == ("teacher", "learned")
    assert len(found["path"]) == (4 if phase == "distill_student" else 2)


def test_sealed_work_is_looked_at_again_when_more_is_known_of_the_weights(root: Path, tmp_path: Path) -> None:
    listed = tmp_path / "known.yaml"

    def know(license_id: str) -> None:
        said = {"license": license_id, "source": "https://example.org", "said_by": "its author"}
        listed.write_text(yaml.safe_dump({"a" * 64: said}))

    def scored() -> Artifact:
        return learn("compute_teacher_logits", gates={"weights_list": str(listed)})

    know("MIT")
    make_images("images")
    make_split("split", "images")
    make_checkpoint("teacher", DATA, pretrained=f"mine.pth sha256:{'a' * 64}", pretrained_license="MIT")
    digest = scored().digest
    assert scored().digest == digest
    know("CC-BY-NC-4.0")
    with pytest.raises(GateFailed, match=r"the card says MIT, its author says CC-BY-NC-4\.0"):
        scored()
    config, recipe = scored_with(root / "learned")
    assert "weights_digest" in config["gates"]
    assert "weights_digest" not in json.dumps(recipe)
    know("mit")
    reseal(root / "learned", {**config, "gates": {"weights_list": str(listed)}})  # as earlier versions sealed it
    assert scored().digest == digest
    know("GPL-3.0")
    reseal(root / "learned", {key: value for key, value in config.items() if key != "gates"})
    with pytest.raises(GateFailed, match=r"says GPL-3\.0"):
        scored()


def scored_with(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    manifest = json.loads((path / MANIFEST).read_text())
    return manifest["config"], manifest["recipe"]


def reseal(path: Path, config: dict[str, Any]) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest["format"], manifest[SEAL]
    (path / MANIFEST).write_text(manifest_text({**manifest, "config": config}))


def test_the_report_of_the_last_gate_goes_from_the_photo_to_the_bundle(root: Path) -> None:
    make_images("images", change=planted)
    make_split("split", "images")
    make_checkpoint("teacher", DATA)
    seal("logits", "teacher_logits", one_file, {**DATA, "checkpoint": "teacher"})
    seal("labels", "soft_labels", one_file, {"logits": ["logits"]})
    student = make_checkpoint("student", {**DATA, "soft_labels": "labels"})
    bundle = seal("dist/shown_v1.0", "model_bundle", one_file, {"checkpoint": "student"})
    write_records("shown_v1.0", "model_bundle", bundle.path, bundle.digest, {"checkpoint": [student]})
    words = ["--config", "configs/check_licenses.yaml", "--output", "licenses", "--input", "checkpoints=student"]
    assert main(load_phase("check_licenses"), [*words, "--input", "images=images", "--input", "split=split"]) == 4
    (found,) = offenders(root, "licenses")
    assert found["file"].startswith("images/shards/shard-")
    assert found["path"] == ["images", "split", "teacher", "logits", "labels", "student"]
    assert found["releases"] == [f"shown_v1.0: {root / 'dist/shown_v1.0'}"]
