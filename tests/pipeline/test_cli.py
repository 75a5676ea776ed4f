from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aplantida.pipeline import config
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.cli import main, parser
from aplantida.pipeline.errors import BadRequest
from tests.fixtures.counting_phase import COUNTING


def test_exactly_seven_flags() -> None:
    flags = {option for action in parser(COUNTING)._actions for option in action.option_strings} - {"-h", "--help"}
    assert flags == {"--config", "--input", "--output", "--seed", "--log-level", "--device", "--dry-run"}


def test_exit_codes(root: Path) -> None:
    assert main(COUNTING, ["--output", "a"]) == 0
    assert main(COUNTING, ["--output", "a"]) == 0
    assert main(COUNTING, ["--output", "a", "--seed", "7"]) == 3
    assert main(COUNTING, ["--output", "b", "--input", "nowhere"]) == 2
    (root / "gate.yaml").write_text("gates: {max_units: 1}\n")
    assert main(COUNTING, ["--output", "c", "--config", str(root / "gate.yaml")]) == 4


def test_flags_go_over_overlays_and_underscores_are_accepted(root: Path) -> None:
    (root / "base.yaml").write_text("num_units: 2\nseed: 1\noptions: {power: 3}\n")
    (root / "over.yaml").write_text("num_units: 4\n")
    assert main(COUNTING, ["--output", "x"]) == 0
    arguments = ["--config", str(root / "base.yaml"), "--config", str(root / "over.yaml"), "--seed", "9"]
    assert main(COUNTING, [*arguments, "--log_level", "error", "--output=a_b", "--input", "first=x"]) == 0
    made = open_artifact(root / "a_b")
    assert (made.config["num_units"], made.config["seed"], made.config["options"]) == (4, 9, {"power": 3})
    assert made.inputs["first"][0]["path"] == "x"


@pytest.mark.parametrize("level", ["INFO", "Debug", "warning"])
def test_levels_are_accepted_in_any_case(root: Path, level: str) -> None:
    assert main(COUNTING, ["--output", "a", "--dry-run", "--log_level", level]) == 0


def test_a_path_without_a_name_is_the_one_input_that_has_to_be_given(root: Path) -> None:
    phase = replace(COUNTING, inputs={"first": "numbers", "second": "numbers?"})
    assert main(COUNTING, ["--output", "x"]) == 0
    assert main(phase, ["--output", "y", "--input", "x"]) == 0
    assert open_artifact(root / "y").inputs["first"][0]["path"] == "x"
    assert (
        main(replace(phase, inputs={"first": "counts?", "second": "counts?"}), ["--output", "z", "--input", "x"]) == 2
    )


def test_dry_run_flag(root: Path) -> None:
    assert main(COUNTING, ["--output", "a", "--dry_run"]) == 0
    assert not (root / "a").exists()


def test_a_bad_yaml_names_the_file(root: Path) -> None:
    (root / "bad.yaml").write_text("a: [1\n")
    with pytest.raises(BadRequest, match=r"bad\.yaml"):
        config.load_config(COUNTING.config, [str(root / "bad.yaml")])


def test_a_relative_root_is_a_bad_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", "somewhere")
    with pytest.raises(BadRequest, match="somewhere"):
        config.root()
    monkeypatch.delenv("APLANTIDA_ROOT")
    monkeypatch.setattr(config, "CHECKOUT", Path("/tmp/ray/session_1/runtime_resources/working_dir_files/_ray_pkg_1"))
    with pytest.raises(BadRequest, match="APLANTIDA_ROOT is not set"):
        config.root()


def test_variables_are_expanded_where_paths_are_used(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv("WHERE", "deep")
    assert config.resolve("${WHERE}/er") == root / "deep/er"
    with pytest.raises(BadRequest, match="NOT_SET_ANYWHERE"):
        config.expand("${NOT_SET_ANYWHERE}")
