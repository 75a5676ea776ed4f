"""``python -m aplantida.reproduce``: the artifacts of a manifest made again have its digests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.domain.seals import sealed_text
from aplantida.phases.generate_manifest import PHASE as MANIFEST
from aplantida.pipeline.artifact import open_artifact
from aplantida.reproduce import _note, main  # pyright: ignore[reportPrivateUsage]
from tests.fixtures.exported import run_phase

GIVEN = ["images", "split", "model"]
MADE = ["quantized", "evaluation", "calibration", "licenses"]
FILE = "manifest/TRAINING_MANIFEST_v1.0.yaml"


@pytest.fixture
def root(exported_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    shutil.copytree(exported_root, folder, ignore=shutil.ignore_patterns("bundle"))
    monkeypatch.setenv("APLANTIDA_ROOT", str(folder))
    run_phase(MANIFEST, "manifest", {"artifacts": [*GIVEN, *MADE]})
    return folder


def again(root: Path, into: str = "again", given: list[str] = GIVEN) -> int:
    words = [word for name in given for word in ("--given", f"{name}={name}")]
    return main(["--manifest", str(root / FILE), "--into", into, *words])


def edit(root: Path, change: Any) -> None:
    manifest = yaml.safe_load((root / FILE).read_text())
    del manifest["seal"]
    change(manifest["artifacts"])
    (root / FILE).write_text(sealed_text(yaml.safe_dump(manifest, sort_keys=False)))


def test_what_is_made_again_is_equal(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert again(root) == 0
    assert "4 made again, 0 differ" in capsys.readouterr().out
    for name in MADE:
        assert open_artifact(root / "again" / name).digest == open_artifact(root / name).digest

    def another(artifacts: dict[str, Any]) -> None:
        artifacts["calibration"]["digest"] = "00" * 32

    edit(root, another)
    assert again(root) == 4
    assert "DIFFERS, want 000000000000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value", "code", "message"),
    [
        ("phase_version", 999, 2, "quantized was made by version 999 of quantize_model, here is version"),
        ("config", {"seed": 1, "x": ["(absolute)/w.pth"]}, 2, r"quantized: config.x.0 is left out of the manifest"),
        ("inputs", [{"name": "checkpoint", "node": None, "digest": "ab" * 32}], 2, "is not in the manifest"),
    ],
)
def test_what_cannot_be_followed_is_said(
    root: Path, capsys: pytest.CaptureFixture[str], key: str, value: Any, code: int, message: str
) -> None:
    edit(root, lambda artifacts: artifacts["quantized"].update({key: value}))
    assert again(root) == code
    assert message in capsys.readouterr().err


def test_a_manifest_or_a_given_artifact_that_is_not_the_one_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--manifest", str(root / "none.yaml"), "--into", "x"]) == 2
    assert again(root, given=[*GIVEN, "stranger"]) == 2

    def another(artifacts: dict[str, Any]) -> None:
        artifacts["split"]["digest"] = "00" * 32
        for item in artifacts.values():
            for entry in item["inputs"]:
                entry.update({"digest": "00" * 32} if entry["node"] == "split" else {})

    edit(root, another)
    assert again(root) == 2
    assert "--given split: digest" in capsys.readouterr().err
    (root / FILE).write_bytes((root / FILE).read_bytes().replace(b"seeds", b"needs"))
    assert again(root) == 4


def _cleanup(artifacts: dict[str, Any]) -> None:
    artifacts["quantized"] |= {
        "phase": "cleanup",
        "phase_version": 1,
        "config": {"runs": "precious", "named": ["kept"], "delete": True},
    }


def _rename(name: str) -> Any:
    def change(artifacts: dict[str, Any]) -> None:
        artifacts[name] = artifacts.pop("licenses")

    return change


def _twice(artifacts: dict[str, Any]) -> None:
    artifacts["quantized"]["inputs"].append(artifacts["quantized"]["inputs"][0])


def _of_another_kind(artifacts: dict[str, Any]) -> None:
    given = next(entry for entry in artifacts["quantized"]["inputs"] if entry["name"] == "checkpoint")
    given.update({"node": "split", "digest": artifacts["split"]["digest"]})


def _says(**said: Any) -> Any:
    return lambda artifacts: artifacts["licenses"].update(said)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_says(config={"nonsense": 1}), "licenses: "),
        (_says(config={"opt_out": {"hosts": "x"}}), "opt_out.hosts"),
        (_says(config={"opt_out": {"hosts": ["https://a.org/x"]}, "output": "elsewhere"}), "config.output: no part"),
        (_says(config={"reuse": ["elsewhere"]}), "config.reuse: no part"),
        (_says(resources={"memory_mb": "much"}), "resources.memory_mb"),
        (_says(digest="../../x"), "licenses: digest: want 64 digits"),
        (_says(environments=[]), "licenses: environments: want one at least"),
        (_says(inputs=[]), "licenses: no input is called"),
        (lambda artifacts: artifacts["licenses"]["inputs"][0].update({"name": ["images"]}), "check_licenses takes"),
        (lambda artifacts: artifacts["licenses"]["inputs"][0].update({"node": ["images"]}), "which no earlier entry"),
        (lambda artifacts: artifacts["licenses"]["inputs"][0].update({"digest": "0" * 64}), "has digest 000000000000"),
        (_twice, "quantized: two inputs are called"),
        (_of_another_kind, "quantized: its input checkpoint is a split, quantize_model takes checkpoint"),
        (_rename("Quantized"), "some file systems cannot tell it from 'quantized'"),
        (_rename("_releases"), "begins as our own folders do"),
        (_cleanup, "quantized: cleanup makes no artifact, the manifest says"),
        (lambda artifacts: artifacts["licenses"].update({"kind": "split"}), "licenses: check_licenses makes license_"),
        (lambda artifacts: artifacts["licenses"].update({"kind": None}), "'licenses': kind: want str, found NoneType"),
        (lambda artifacts: artifacts["licenses"].update({"phase": "shutil"}), "no phase is called 'shutil'"),
        (_rename("../../escaped"), "want the plain name of a folder"),
        (_rename("/tmp/escaped"), "want the plain name of a folder"),
        (_rename(".."), "want the plain name of a folder"),
        (_rename("${HOME}"), "want the plain name of a folder"),
        (lambda artifacts: artifacts["licenses"]["inputs"][0].update({"node": "nowhere"}), "which no earlier entry"),
        (lambda artifacts: artifacts["licenses"]["inputs"][0].update({"name": "nothing"}), "check_licenses takes"),
    ],
)
def test_a_hostile_manifest_does_nothing(
    root: Path, capsys: pytest.CaptureFixture[str], change: Any, message: str
) -> None:
    (root / "precious/kept").mkdir(parents=True)
    edit(root, change)
    capsys.readouterr()
    before = sorted(path for path in root.parent.rglob("*"))
    assert again(root) == 2
    assert message in capsys.readouterr().err
    assert sorted(path for path in root.parent.rglob("*")) == before


@pytest.mark.parametrize("environments", [None, [], ["environment_1"], {"environment_1": None}])
def test_a_manifest_that_does_not_say_on_what_it_was_made_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], environments: Any
) -> None:
    manifest = yaml.safe_load((root / FILE).read_text())
    del manifest["seal"]
    manifest["environments"] = environments
    (root / FILE).write_text(sealed_text(yaml.safe_dump(manifest, sort_keys=False)))
    assert again(root) == 2
    assert "environments: want a mapping of mappings" in capsys.readouterr().err
    assert not (root / "again").exists()


def test_what_a_manifest_does_not_say_of_an_entry_has_no_note() -> None:
    assert _note({"environments": ["one"]}, {"environments": {"one": {"usable_cores": 99_999}}}) == ""
