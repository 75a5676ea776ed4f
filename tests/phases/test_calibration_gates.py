"""A model that cannot keep what it promises is refused, or ships with a decision that names nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from aplantida.evaluation.decide import decide, read_decision
from aplantida.evaluation.decision_file import always_unsure, decision_json, decision_schema
from aplantida.evaluation.decisions import Threshold
from aplantida.evaluation.taxa import Taxonomy
from aplantida.pipeline.errors import GateFailed, RecipeChanged
from tests.fixtures.artifacts import CLASSES, make_evaluation
from tests.phases.test_calibrate_model import UNSURE, calibrate, read, scores


def of_noise(count: int = 400) -> None:
    """An evaluation whose scores say nothing of the labels."""
    labels, logits = scores(count)
    make_evaluation("evaluation", np.random.default_rng(1).integers(0, 6, len(labels)).tolist(), logits)


def of_a_perfect_model(count: int) -> None:
    labels = [at % 6 for at in range(count)]
    make_evaluation("evaluation", labels, np.eye(6)[labels] * 8.0)


def assert_names_nothing(decision: dict[str, Any]) -> None:
    """Whatever the outputs are, sure beyond doubt among them."""
    jsonschema.validate(decision, decision_schema())
    rules, draw = read_decision(decision), np.random.default_rng(5)
    for scale in (0.0, 1.0, 20.0, 1e4):
        logits = draw.normal(size=len(CLASSES)) * scale
        found = decide(logits, CLASSES.class_ids, Taxonomy.of(CLASSES), rules)
        assert (found.decision, found.rule, found.taxon, found.set_size) == ("unsure", "none", None, None)


def test_noise_is_refused_and_every_bound_named(root: Path) -> None:
    of_noise(120)
    with pytest.raises(GateFailed) as refusal:
        calibrate(min_accepted=5)
    said = str(refusal.value)
    assert "the temperature ran to its bound, 20" in said
    assert "target_precision is 0.9" in said
    assert "val has 60 photos; gates.min_photos is 100" in said
    assert not (root / "calibration/artifact.json").exists()


def test_a_perfect_model_on_too_few_photos_has_shown_nothing(root: Path) -> None:
    of_a_perfect_model(18)
    with pytest.raises(GateFailed, match=r"9 of the 9 val photos .* speaks for a precision of 0\.631"):
        calibrate(gates={"min_photos": 1})


def test_a_good_model_passes_and_its_result_hangs_on_no_gate(root: Path) -> None:
    make_evaluation("evaluation", *scores())
    first, second = calibrate(), calibrate("other", gates={"min_photos": 3, **UNSURE})
    assert first.digest == second.digest
    assert first.metrics["always_unsure"] is False
    assert "unsure_because" not in read(first, "decision.json")


def test_with_a_yes_it_ships_and_is_always_unsure(root: Path) -> None:
    of_noise()
    with pytest.raises(GateFailed):
        calibrate()
    artifact = calibrate(gates=UNSURE)  # goes on from what was refused
    decision, calibration = read(artifact, "decision.json"), read(artifact, "calibration.json")
    assert_names_nothing(decision)
    assert decision["coverage"] == 0.0
    assert decision["unsure_because"] == calibration["unsure_because"]
    assert any("target_precision is 0.9" in reason for reason in decision["unsure_because"])
    outcomes = calibration["rules"]["outcomes"]
    assert {name for name, row in outcomes.items() if row["num_photos"]} == {"unsure"}


def test_a_sealed_decision_is_judged_again_when_a_bound_changes(root: Path) -> None:
    make_evaluation("evaluation", *scores())
    calibrate()
    with pytest.raises(GateFailed, match=r"val has 2000 photos; gates.min_photos is 2001"):
        calibrate(gates={"min_photos": 2001})
    with pytest.raises(GateFailed, match="this decision names species"):
        calibrate(gates={"min_photos": 2001, **UNSURE})  # it was sealed before anyone asked for "unsure"
    with pytest.raises(GateFailed, match=r"one-sided level 0\.999"):
        calibrate(gates={"level": 0.99999})
    with pytest.raises(RecipeChanged, match="target_precision"):
        calibrate(target_precision=0.5)
    calibrate()


def test_a_sealed_decision_that_is_always_unsure_needs_its_yes_and_its_reason(root: Path) -> None:
    make_evaluation("evaluation", *scores())
    many = {"min_photos": 2001}
    calibrate(gates={**many, **UNSURE})
    with pytest.raises(GateFailed, match=r"gates\.min_photos is 2001"):
        calibrate(gates=many)
    with pytest.raises(GateFailed, match="this decision is always unsure"):
        calibrate(gates=UNSURE)


def test_an_always_unsure_decision_switches_off_all_that_speaks() -> None:
    decision = decision_json(1.0, Threshold(0.0, 1.0, 1.0, 5, True), 0.9)
    gate = {"score": "energy", "threshold": 1e9}
    decision["strangers"] = {"plant": gate, "known": gate}
    decision["sets"]["levels"] = [{"level": 0.9, "threshold": 1.0}]
    decision["roll_up"] = {rank: {"threshold": 0.0, "precision": 1.0} for rank in ("genus", "family")}
    jsonschema.validate(decision, decision_schema())
    off = always_unsure(decision, ["why"])
    assert_names_nothing(json.loads(json.dumps(off)))
    for key in ("strangers", "sets", "roll_up", "threshold"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**off, key: decision[key]}, decision_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**decision, "threshold": 2}, decision_schema())  # and nobody said why
    with pytest.raises(ValueError, match="nothing says why"):
        always_unsure(decision, [])
