"""A dry run ends as the run does at once: the same exit code and words, for what a config says and names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aplantida.phases.registry import load_phase
from aplantida.pipeline.cli import main
from tests.fixtures.artifacts import make_images, make_split

COLLECTION: list[tuple[dict[str, Any], str, str]] = [
    ({}, "http://127.0.0.1:9", "must begin with 'mongodb://'"),
    ({}, "mongodb://ana:p@ss/w@h:27017", "user name and password must be percent-encoded"),
    ({}, "mongodb://h/?tlsCAFile=/no.pem", "'/no.pem'"),
    ({}, "mongodb://h/?tlsFile=x", "Unknown option: tlsfile"),
    ({"mongo_uri": "mongodb://ana:word@h"}, "", "mongo_uri in a config must not hold credentials"),
    ({"synonyms": "gone.csv"}, "", "synonyms: 'gone.csv' is "),
    ({"synonyms": "wrong.csv"}, "", "synonyms: "),
    ({"names": "as_written", "infraspecific": "species"}, "", "infraspecific = 'species'"),
    ({"default_license": "ask me"}, "", "default_license = 'ask me'"),
    ({"license_texts": {"free": "what ever"}}, "", "license_texts: "),
    ({"allow_addresses": ["nowhere"]}, "", "allow_addresses: "),
    ({"opt_out": {"hosts": ["no host"]}}, "", "opt_out: "),
]


def lines(phase: str, flags: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    capfd.readouterr()
    code = main(load_phase(phase), [*flags, "--log-level", "error"])
    return code, [line.partition(" E ")[2] for line in capfd.readouterr().err.splitlines()]


@pytest.mark.parametrize("phase", ["audit_dataset", "export_dataset"])
@pytest.mark.parametrize(("said", "uri", "words"), COLLECTION)
def test_what_is_wrong_with_a_collections_config_is_said_by_a_dry_run_and_nobody_is_asked(
    root: Path,
    phase: str,
    said: dict[str, Any],
    uri: str,
    words: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MONGO_URI", uri or "mongodb://h:27017")
    monkeypatch.setattr("aplantida.phases._collection.collection_digest", lambda _: pytest.fail("asked"))
    (root / "wrong.csv").write_text("this,is,no,list\n1,2,3,4\n")
    (root / "some.yaml").write_text(json.dumps(said))
    flags = ["--config", str(root / "some.yaml"), "--output", "out"]
    dry, real = (lines(phase, [*flags, *more], capfd) for more in (["--dry-run"], []))
    assert dry == real
    assert dry[0] == 2
    assert len(dry[1]) == 1
    assert words in dry[1][0]
    assert not (root / "out").exists()


def test_a_sound_config_is_no_reason_to_ask_the_server(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URI", "mongodb://ana:p%40ss@nowhere.invalid:27017")
    for phase in ("audit_dataset", "export_dataset"):
        assert main(load_phase(phase), ["--output", f"out_{phase}", "--dry-run"]) == 0


def test_files_that_phases_name_are_looked_for_in_a_dry_run(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_images("images")
    make_split("split", "images")
    read = ["--input", "images=images", "--input", "split=split"]
    cases = [
        ("train_teacher", {"model": {"pretrained": "gone.pth"}}, read, "'gone.pth' is "),
        ("train_teacher", {"model": {"pretrained": "${GONE_FOLDER}/x.pth"}}, read, "GONE_FOLDER is not set"),
        ("train_teacher", {"model": {"allowed_licenses": []}}, read, "model.pretrained: weights of "),
        ("split_dataset", {"review": {"decisions": "gone.csv"}}, read[:2], "review.decisions: 'gone.csv'"),
        ("build_dashboard", {"targets": "gone.yaml"}, ["--input", "artifacts=split"], "gone.yaml: no such file"),
    ]
    for phase, said, inputs, words in cases:
        (root / "some.yaml").write_text(json.dumps(said))
        flags = ["--config", str(root / "some.yaml"), "--output", "out", *inputs]
        dry, real = (lines(phase, [*flags, *more], capfd) for more in (["--dry-run"], []))
        assert dry == real, phase
        assert (dry[0], len(dry[1])) == (2, 1), dry
        assert words in dry[1][0]


def test_a_dry_run_of_the_graph_refuses_what_its_run_would(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGO_URI", "http://127.0.0.1:9")
    (root / "run.yaml").write_text("nodes: [audit_dataset]\nruns: runs/some\n")
    code, said = lines("run_pipeline", ["--config", str(root / "run.yaml"), "--dry-run"], capfd)
    assert code == 2
    assert "audit_dataset: mongo_uri / MONGO_URI: " in said[0]
    monkeypatch.setenv("MONGO_URI", "mongodb://nowhere.invalid")
    (root / "run.yaml").write_text("runs: runs/some\nprofile: weights\noverlay_folder: " + str(root))
    (root / "weights").mkdir()
    (root / "weights/teacher_global.yaml").write_text("model: {pretrained: gone.pth}\n")
    code, said = lines("run_pipeline", ["--config", str(root / "run.yaml"), "--dry-run"], capfd)
    assert code == 2  # though its inputs are yet to be made
    assert "teacher_global: model.pretrained: 'gone.pth' is " in said[0]
