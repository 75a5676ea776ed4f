"""Three kinds of keys: what is made, how, and how good it must be; and recipes of earlier versions."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from aplantida.pipeline.artifact import MANIFEST, PROGRESS, open_artifact
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest, GateFailed, RecipeChanged
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.recipe import fingerprint_of
from aplantida.pipeline.runner import execute
from aplantida.pipeline.standing import RECIPE
from tests.fixtures.counting_phase import COUNTING


def rewrite(path: Path, change: Any) -> None:
    """Make a sealed artifact one of an earlier version of the code."""
    manifest = json.loads((path / MANIFEST).read_text())
    change(manifest["config"])
    change(manifest["recipe"]["config"])
    manifest["fingerprint"] = fingerprint_of(manifest["recipe"])
    manifest.pop("seal", None)
    (path / MANIFEST).write_text(json.dumps(manifest))


def test_a_failed_gate_is_judged_again_on_the_same_work(root: Path) -> None:
    with pytest.raises(GateFailed, match="3 units, at most 2 allowed"):
        execute(COUNTING, values={"output": "a", "gates": {"max_units": 2}})
    written = (root / "a/units/0.txt").stat().st_mtime_ns
    passed = execute(COUNTING, values={"output": "a", "gates": {"max_units": 3}})
    assert (passed.status, passed.metrics["computed"]) == ("resumed", 0)
    assert (root / "a/units/0.txt").stat().st_mtime_ns == written
    assert passed.artifact is not None
    assert passed.artifact.config["gates"]["max_units"] == 3
    alone = execute(COUNTING, values={"output": "b"}).artifact
    assert alone is not None
    assert (alone.digest, alone.fingerprint) == (passed.artifact.digest, passed.artifact.fingerprint)


def test_work_stopped_by_a_budget_goes_on_with_a_larger_one() -> None:
    with pytest.raises(GateFailed):
        execute(COUNTING, values={"output": "a", "gates": {"max_units_while_running": 2}})
    passed = execute(COUNTING, values={"output": "a", "gates": {"max_units_while_running": 5}})
    assert (passed.status, passed.metrics["computed"]) == ("resumed", 1)


def test_a_sealed_artifact_is_judged_again_when_its_bound_changes(root: Path) -> None:
    execute(COUNTING, values={"output": "a", "gates": {"max_units": 5}})
    before = (root / "a" / MANIFEST).read_bytes()
    assert execute(COUNTING, values={"output": "a", "gates": {"max_units": 3}}).status == "skipped"
    with pytest.raises(GateFailed, match="3 units, at most 2 allowed"):
        execute(COUNTING, values={"output": "a", "gates": {"max_units": 2}})
    assert (root / "a" / MANIFEST).read_bytes() == before


def test_a_key_that_the_earlier_recipe_lacks_counts_as_its_default(root: Path) -> None:
    execute(COUNTING, values={"output": "a"})
    rewrite(root / "a", lambda config: config.pop("options"))
    rewrite(root / "a", lambda config: config.pop("num_units"))
    assert execute(COUNTING, values={"output": "a"}).status == "skipped"
    with pytest.raises(RecipeChanged, match=r"options\.power: 2 -> 3"):
        execute(COUNTING, values={"output": "a", "options": {"power": 3}})
    with pytest.raises(RecipeChanged, match="num_units: 3 -> 4"):
        execute(COUNTING, values={"output": "a", "num_units": 4})


def test_a_key_that_moved_out_of_identity_counts_no_more(root: Path) -> None:
    execute(COUNTING, values={"output": "a", "gates": {"max_units": 4}})

    def as_before(config: dict[str, Any]) -> None:
        config.pop("gates", None)
        config.update({"gate": 4, "mood": "good"})
        config["options"]["pause"] = 0.5

    rewrite(root / "a", as_before)
    assert execute(COUNTING, values={"output": "a", "gates": {"max_units": 4}}).status == "skipped"
    with pytest.raises(GateFailed):  # what it passed was 4, as its old place says: another bound is judged
        execute(COUNTING, values={"output": "a", "gates": {"max_units": 2}})
    rewrite(root / "a", lambda config: config.update({"color": "red"}))  # a key nobody knows is another recipe
    with pytest.raises(RecipeChanged, match=r"color: red -> \(absent\)"):
        execute(COUNTING, values={"output": "a"})


def test_a_yaml_with_a_key_in_its_old_place_is_told_the_new_one() -> None:
    with pytest.raises(BadRequest, match=r"gate = 2: gate is now gates\.max_units"):
        execute(COUNTING, values={"output": "a", "gate": 2})
    with pytest.raises(BadRequest, match=r"options\.pause is now resources\.pause_seconds"):
        execute(COUNTING, values={"output": "a", "options": {"pause": 1}})
    with pytest.raises(BadRequest, match="mood is gone"):
        execute(COUNTING, values={"output": "a", "mood": "bad"})


def test_unfinished_work_can_be_reused(root: Path) -> None:
    with pytest.raises(GateFailed):
        execute(COUNTING, values={"output": "a", "gates": {"max_units_while_running": 2}})
    ledger = root / "a" / PROGRESS / "ledger.jsonl"
    with ledger.open("a") as stream:
        stream.write('{"unit": "cut sho')  # the other run may be writing this very moment: it is not ours to mend
    before = ledger.read_bytes()
    grown = execute(COUNTING, values={"output": "b", "num_units": 5, "reuse": ["a"]})
    assert grown.metrics["computed"] == 3
    assert ledger.read_bytes() == before


def test_sources_at_rest(root: Path) -> None:
    live, file = (root.parent / f"{root.name}.{name}" for name in ("live", "file"))
    live.write_text("1")
    file.write_text("1")
    values = {"output": "a", "source_file": str(file), "live_file": str(live)}
    made = execute(COUNTING, values=values)
    live.write_text("2")
    with pytest.raises(RecipeChanged, match=r"sources\.live: 1 -> 2"):
        execute(COUNTING, values=values)
    taken = execute(COUNTING, values=values, sources="sealed")
    assert taken.status == "skipped"
    live.unlink()  # the source is away
    assert execute(COUNTING, values=values, sources="sealed").status == "skipped"
    with pytest.raises(RecipeChanged, match="seed: 42 -> 7"):  # everything else still counts
        execute(COUNTING, values={**values, "seed": 7}, sources="sealed")
    assert made.artifact is not None


def test_unfinished_work_goes_on_over_a_source_that_lives(root: Path) -> None:
    live, file = (root.parent / f"{root.name}.{name}" for name in ("live", "file"))
    live.write_text("1")
    file.write_text("1")
    values = {"output": "a", "source_file": str(file), "live_file": str(live)}
    with pytest.raises(GateFailed):
        execute(COUNTING, values={**values, "gates": {"max_units_while_running": 2}})
    file.write_text("2")
    with pytest.raises(RecipeChanged, match=r"sources\.file: 1 -> 2"):
        execute(COUNTING, values=values)
    file.write_text("1")
    live.write_text("2")
    done = execute(COUNTING, values=values)
    assert (done.status, done.metrics["computed"]) == ("resumed", 1)
    assert done.artifact is not None
    assert done.artifact.manifest["recipe"]["sources"]["live"] == "2"


def test_the_state_is_read_again_under_the_lock(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run with another recipe finishes between this one's first look and its lock."""
    from aplantida.pipeline import runner

    meanwhile = threading.Event()
    real = runner.environment.describe

    def describe() -> dict[str, Any]:
        if not meanwhile.is_set():
            meanwhile.set()
            execute(COUNTING, values={"output": output, "num_units": 5})
        return real()

    monkeypatch.setattr(runner.environment, "describe", describe)
    output = "b"
    assert execute(COUNTING, values={"output": output, "num_units": 5}).status == "skipped"  # the same recipe
    meanwhile.clear()
    output = "a"
    with pytest.raises(RecipeChanged, match="num_units: 5 -> 3"):
        execute(COUNTING, values={"output": "a"})
    assert open_artifact(root / "a").config["num_units"] == 5
    assert not (root / "a" / PROGRESS / RECIPE).exists()


def test_artifacts_do_not_lie_in_one_another(root: Path) -> None:
    execute(COUNTING, values={"output": "runs/a"})
    with pytest.raises(BadRequest, match="holds files but is no artifact"):
        execute(COUNTING, values={"output": "runs"})
    with pytest.raises(BadRequest, match="lies inside the artifact"):
        execute(COUNTING, values={"output": "runs/a/b"})
    with pytest.raises(GateFailed):
        execute(COUNTING, values={"output": "more/x", "gates": {"max_units_while_running": 2}})
    shutil.copytree(root / "runs/a", root / "more/x/inner")
    with pytest.raises(BadRequest, match="lies inside it"):  # and the resumed outer one deletes nothing
        execute(COUNTING, values={"output": "more/x"})
    assert (root / "more/x/inner/artifact.json").exists()


class UnseededConfig(PhaseConfig):
    """Draws nothing."""

    size: int = 1


def test_a_phase_that_draws_nothing_has_no_seed_whatever_the_run_is_given(root: Path) -> None:
    def run(ctx: PhaseContext[UnseededConfig]) -> dict[str, Any]:
        ctx.output.write_json("a.json", {"size": ctx.config.size})
        return {}

    phase = Phase("unseeded", UnseededConfig, {}, "unseeded", 1, run)
    assert execute(phase, values={"output": "a", "seed": 1}).status == "done"
    assert execute(phase, values={"output": "a", "seed": 2}).status == "skipped"
    rewrite(root / "a", lambda config: config.update({"seed": 42}))  # earlier versions gave it to all of them
    assert execute(phase, values={"output": "a"}).status == "skipped"
    (root / "old.yaml").write_text("seed: 7\n")
    with pytest.raises(BadRequest, match=r"seed = 7: seed is gone: nothing here reads it"):
        execute(phase, files=[str(root / "old.yaml")], values={"output": "a"})
