"""The last gate: each row red by itself, all green, signed and not."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from aplantida.phases.generate_manifest import PHASE as MANIFEST
from aplantida.phases.release_gate import PHASE
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.config import find_file, load_config
from aplantida.pipeline.errors import Altered, BadRequest, GateFailed
from aplantida.release.gate_rows import ROWS, decision_problems, license_problems
from aplantida.release.release_parts import find_release
from aplantida.release.targets import load_targets
from tests.fixtures.artifacts import photo_row, seal
from tests.fixtures.exported import make_bundle, run_phase
from tests.fixtures.released import MADE, NODES, gate, make_validation, refusal

PHOTO = photo_row(0, 0)


@pytest.fixture(autouse=True)
def root(released_root: Path) -> Path:
    return released_root


def table(text: str) -> dict[str, str]:
    """Row of the gate -> green or RED."""
    cells = [line.split(" | ") for line in text.partition("## Signature")[0].splitlines() if line.startswith("| ")]
    return {row[0].removeprefix("| "): row[1] for row in cells if row[0].removeprefix("| ") in ROWS}


def test_a_release_has_its_notes_its_card_and_no_signature(root: Path) -> None:
    artifact = gate()
    notes, card = (artifact.file(name).read_text() for name in ("RELEASE.md", "README.md"))
    assert table(notes) == dict.fromkeys(ROWS, "green")
    assert "This release is unsigned." in notes
    bundle = json.loads((root / "bundle/artifact.json").read_text())
    assert bundle["digest"] in notes
    assert bundle["files"]["bundle.json"]["sha256"] in notes
    data = ModelCard(card, ignore_metadata_errors=False).data.to_dict()
    assert (data["license"], data["pipeline_tag"], data["library_name"]) == (
        "cc-by-4.0",
        "image-classification",
        "tfjs",
    )
    results = data["model-index"][0]["results"]
    test = json.loads((root / "evaluation/metrics.json").read_text())["test"]
    measured = {row["dataset"]["name"]: [metric["value"] for metric in row["metrics"]] for row in results}
    assert measured["Aplantida test photos, all"] == [round(test["top1"], 4), round(test["top5"], 4)]
    assert "Aplantida test photos, region spain" in measured
    assert any("training photos" in name for name in measured)
    assert "Never eat" in card
    assert "authors are listed by species in the bundle's `credits/`.\n" in card  # each photo has one
    assert "always “unsure”" in card
    assert gate().digest == artifact.digest  # sealed: skipped
    assert gate("once_more").digest == artifact.digest


def no_validation(root: Path) -> dict[str, Any]:
    return {"nodes": [name for name in NODES if name != "validation"]}


def far_from_torch(root: Path) -> dict[str, Any]:
    make_validation("far", 0.5)
    return {"nodes": ["far" if name == "validation" else name for name in NODES]}


def a_second_that_is_far(root: Path) -> dict[str, Any]:
    make_validation("far", 0.5)
    return {"nodes": [*NODES, "far"]}


def of_the_same_version(root: Path) -> dict[str, Any]:
    make_bundle("other_bundle", model_license="MIT")
    return {"previous": "other_bundle"}


def another_validation(root: Path) -> dict[str, Any]:
    make_bundle("other_bundle", model_license="MIT")
    seal("of_another", "validation", lambda output: {}, {"bundle": "other_bundle"})
    return {"nodes": ["of_another" if name == "validation" else name for name in NODES]}


def too_large(root: Path) -> dict[str, Any]:
    return {"gates": {"ship_unsure": True, "max_bundle_bytes": 1000}}


def no_yes(root: Path) -> dict[str, Any]:
    return {"gates": {"ship_unsure": False}}


def a_byte_in_a_shard(root: Path) -> dict[str, Any]:
    shard = sorted((root / "images/shards").iterdir())[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    return {}


def a_file_more(root: Path) -> dict[str, Any]:
    (root / "bundle/tracker.js").write_text("0")
    return {}


def an_ancestor_gone(root: Path) -> dict[str, Any]:
    shutil.rmtree(root / "model")
    return {"nodes": [name for name in NODES if name != "model"]}


def no_manifest(root: Path) -> dict[str, Any]:
    return {"nodes": [name for name in NODES if name != "manifest"]}


def of_another_name(root: Path) -> dict[str, Any]:
    run_phase(MANIFEST, "other_manifest", {"artifacts": list(MADE)}, name="another")
    return {"nodes": ["other_manifest" if name == "manifest" else name for name in NODES]}


def of_another_version(root: Path) -> dict[str, Any]:
    run_phase(MANIFEST, "other_manifest", {"artifacts": list(MADE)}, name="tiny", version="v2.0")
    return {"nodes": ["other_manifest" if name == "manifest" else name for name in NODES]}


def without_the_bundle(root: Path) -> dict[str, Any]:
    run_phase(MANIFEST, "other_manifest", {"artifacts": [name for name in MADE if name != "bundle"]}, name="tiny")
    return {"nodes": ["other_manifest" if name == "manifest" else name for name in NODES]}


def without_an_ancestor(root: Path) -> dict[str, Any]:
    run_phase(MANIFEST, "other_manifest", {"artifacts": [name for name in MADE if name != "split"]}, name="tiny")
    return {"nodes": ["other_manifest" if name == "manifest" else name for name in NODES]}


def withdrawn_since(root: Path) -> dict[str, Any]:
    return {"gates": {"ship_unsure": True, "opt_out": {"images": [PHOTO["image_id"]]}}}


def another_policy(root: Path) -> dict[str, Any]:
    said = {"opt_out": {"authors": [PHOTO["author"]]}, "license_policy": {"allow_share_alike": False}}
    (root / "mine.yaml").write_text(json.dumps(said))
    return {"collection": str(root / "mine.yaml")}


@pytest.mark.parametrize(
    ("plant", "row", "says"),
    [
        (withdrawn_since, "licences", f"photo {PHOTO['image_id']} ("),
        (another_policy, "licences", f"{PHOTO['author']}"),
        (no_validation, "parity", "no validation of this bundle"),
        (far_from_torch, "parity", "probabilities differ"),
        (a_second_that_is_far, "parity", "far: "),
        (of_the_same_version, "integrity", "tiny v1.0 was released with another bundle.json"),
        (another_validation, "parity", "no validation of this bundle"),
        (too_large, "size", "bundle: "),
        (no_yes, "quality", "target_precision is 0.9"),
        (a_byte_in_a_shard, "integrity", "images/shards/"),
        (a_file_more, "integrity", "tracker.js: not listed"),
        (an_ancestor_gone, "integrity", "which cannot be read"),
        (no_manifest, "manifest", "no manifest was given"),
        (of_another_name, "manifest", "is of another"),
        (of_another_version, "manifest", "the bundle is of version v1.0"),
        (without_the_bundle, "manifest", "describes no bundle whose"),
        (without_an_ancestor, "manifest", "lacks split"),
    ],
)
def test_each_row_is_red_by_itself(root: Path, plant: Callable[[Path], dict[str, Any]], row: str, says: str) -> None:
    said = refusal(**plant(root))
    assert f"{row}: " in said
    assert says in said
    notes = (root / "release/RELEASE.md").read_text()  # which stays to be read
    red = {name for name, state in table(notes).items() if state == "RED"}
    assert red - {"manifest"} <= {row} if plant is an_ancestor_gone else red == {row}
    assert not (root / "release/artifact.json").exists()


@pytest.mark.parametrize(
    ("report", "licences", "decisions"),
    [
        ({"violations": 3, "production_safe": False}, "3 licence violations", ""),
        ({"decisions_needed": ["share-alike"], "production_safe": False}, "", "nobody has decided about share-alike"),
        ({"production_safe": False}, "production_safe is false", ""),
        ({"production_safe": True}, "", ""),
    ],
)
def test_licences_and_decisions_are_asked_of_the_report(
    root: Path, report: dict[str, Any], licences: str, decisions: str
) -> None:
    """The export refuses both first; a bundle of before may not."""
    release = find_release([open_artifact(root / name) for name in NODES])
    checkpoints = {"checkpoints": ["quantized"]}
    seal(
        "other", "license_report", lambda output: output.write_json("license_report.json", report) and None, checkpoints
    )
    release = dataclasses.replace(release, license_report=open_artifact(root / "other"))
    for problems, says in ((license_problems(release), licences), (decision_problems(release), decisions)):
        assert bool(problems) == bool(says)
        assert says in "".join(problems)


def test_a_report_on_another_checkpoint_clears_nothing(root: Path) -> None:
    release = find_release([open_artifact(root / name) for name in NODES])
    report = {"production_safe": True}
    seal("other", "license_report", lambda output: output.write_json("license_report.json", report) and None)
    release = dataclasses.replace(release, license_report=open_artifact(root / "other"))
    assert "did not look at the checkpoint" in "".join(license_problems(release))


def test_all_red_rows_are_named_at_once(root: Path) -> None:
    a_file_more(root)
    said = refusal(
        nodes=[name for name in NODES if name not in ("validation", "manifest")], gates={"max_bundle_bytes": 9}
    )
    assert [name for name in ROWS if f"{name}: " in said] == ["parity", "size", "quality", "integrity", "manifest"]


def test_a_sealed_release_is_judged_again_by_changed_bounds(root: Path) -> None:
    gate()
    assert "size: " in refusal(gates={"ship_unsure": True, "max_bundle_bytes": 9})
    assert "quality: " in refusal(gates={"ship_unsure": False})
    gate()
    with pytest.raises(GateFailed, match=rf"licences: photo {PHOTO['image_id']}"):
        gate(gates=withdrawn_since(root)["gates"])


def test_what_is_no_release_is_a_bad_request(root: Path) -> None:
    with pytest.raises(BadRequest, match="want one model_bundle, found none"):
        gate(nodes=["images", "split"])
    with pytest.raises(BadRequest, match=r"the calibration that .* was made from is not among them"):
        gate(nodes=[name for name in NODES if name != "calibration"])
    with pytest.raises(BadRequest, match="has no target called 'speed of light'"):
        gate(gates={"required": ["speed of light"]})
    for text in ("nothing", "images"):
        with pytest.raises(BadRequest, match=f"previous: .*{text}"):
            gate(previous=text)


def test_the_last_release_may_be_a_bundle_anywhere_or_a_gates_artifact(root: Path, tmp_path: Path) -> None:
    first = gate("first")
    shutil.copytree(root / "bundle", tmp_path / "pwa", ignore=shutil.ignore_patterns("artifact.json"))
    for name, previous in (("by_bundle", str(tmp_path / "pwa")), ("by_gate", "first")):
        notes = gate(name, previous=previous).file("RELEASE.md").read_text()
        assert "Held against tiny v1.0" in notes
        assert "nothing changed" in notes
    assert "No last release was named" in first.file("RELEASE.md").read_text()
    (tmp_path / "pwa/metrics.json").write_text("{}")
    with pytest.raises(Altered, match=r"metrics\.json"):
        gate("altered", previous=str(tmp_path / "pwa"))


def test_what_changed_since_the_last_release_is_said(root: Path) -> None:
    gate("first")
    before = (root / "first/release.json").read_text()
    better = json.loads(before) | {"version": "v0.9", "num_classes": 5}
    better["top1"] = {"all": 1.0, "region mars": 0.5}
    seal("last", "release", lambda output: output.write_json("release.json", better) and None)
    notes = gate("next", previous="last").file("RELEASE.md").read_text()
    assert "| version | v0.9 | v1.0 |" in notes
    assert "| species | 5 | 6 |" in notes
    assert re.search(r"\| top-1, region mars \| 50\\?\.0 % \| – \|", notes), notes
    said = refusal(output="stricter", previous="last", gates={"ship_unsure": False})
    assert "the last release had 1.000; max_drop is 0.02" in said
    assert "region mars: the last release had top-1 0.500, this one was not measured there" in said


@pytest.mark.parametrize("profile", ["demo", "reference"])
def test_the_profiles_require_targets_that_there_are(profile: str) -> None:
    config = load_config(PHASE.config, ["configs/release_gate.yaml", f"configs/{profile}/release_gate.yaml"])
    names = {item["name"] for item in load_targets(find_file(config.targets))}
    assert set(config.gates.required) <= names
