"""What a decision says of itself was measured with all the rules that ship, gates for strangers among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aplantida.domain.scores import ScoreTable
from aplantida.domain.stored_scores import StoredFeatures, StoredScores, features_to_arrow
from aplantida.evaluation.answers import answers_of
from aplantida.evaluation.bounds import at_most
from aplantida.evaluation.decide import facts_of, read_decision, rule_of
from aplantida.evaluation.roll_up import right_taxon
from aplantida.evaluation.taxa import Taxonomy
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import CLASSES, make_evaluation, seal
from tests.phases.test_calibrate_model import calibrate, read, scores

WIDTH = 16
KINDS = 12


def features(labels: np.ndarray, seed: int) -> np.ndarray:
    """(N, WIDTH) around an axis for each label."""
    found = np.random.default_rng(seed).normal(scale=0.9, size=(len(labels), WIDTH))
    found[np.arange(len(labels)), labels] += 3.0
    return found.astype(np.float16)


def evaluation_with_strangers() -> dict[str, np.ndarray]:
    """An evaluation whose model also saw pictures without a plant; the features of val and test."""
    labels, logits = scores()
    plain = make_evaluation("plain", labels, logits)
    half = len(labels) // 2
    parts = {"val": np.asarray(labels)[:half], "test": np.asarray(labels)[half:]}
    known = {name: features(part, seed) for seed, (name, part) in enumerate(parts.items())}
    count, draw = 40 * KINDS, np.random.default_rng(3)
    pictures = np.array([f"picture {at:03d}" for at in range(count)])
    sure = draw.normal(scale=12.0, size=(count, len(CLASSES))).astype(np.float16)
    labels_of_pictures = {
        "image_id": pictures.tolist(),
        "kind": ["non_plant"] * count,
        "group": [f"kind {at % KINDS}" for at in range(count)],
        "part": ["val" if at % KINDS < KINDS // 2 else "test" for at in range(count)],
    }

    def fill(output: ArtifactWriter) -> None:
        for name in plain.files:
            output.write_bytes(name, plain.file(name).read_bytes())
        for name, values in known.items():
            ids = StoredScores(plain.file(f"scores_{name}.parquet")).image_ids
            output.write_table(f"features_{name}.parquet", features_to_arrow(ids, values))
        table = ScoreTable(pictures, np.zeros(count, np.int16), CLASSES.class_ids, sure)
        output.write_table("scores_strangers.parquet", table.to_arrow())
        strange = features(np.full(count, len(CLASSES) + 1), 9)
        output.write_table("features_strangers.parquet", features_to_arrow(pictures, strange))
        output.write_table("strangers.parquet", pa.table(labels_of_pictures))

    seal("evaluation", "evaluation", fill)
    return known


def test_precision_and_coverage_are_those_of_all_rules_that_ship(root: Path) -> None:
    known = evaluation_with_strangers()
    artifact = calibrate()
    decision, calibration = read(artifact, "decision.json"), read(artifact, "calibration.json")
    rules, taxonomy = read_decision(decision), Taxonomy.of(CLASSES)
    assert rules.plant is not None
    labels = np.asarray(scores()[0])[2000:]
    table = StoredScores(root / "evaluation" / "scores_test.parquet")
    answers = answers_of(table, labels, rules.temperature, taxonomy)
    told = np.array([rule_of(facts, rules)[0] for facts in facts_of(answers, rules, known["test"])])
    assert (told == "not_a_plant").sum() > 20
    assert decision["coverage"] == pytest.approx((told == "species").mean())
    assert decision["precision"] == pytest.approx(answers.correct[told == "species"].mean())
    for rank in ("genus", "family"):
        inside = told == rank
        wanted = right_taxon(answers, taxonomy, rank)[inside].mean() if inside.any() else None
        assert decision["roll_up"][rank]["precision"] == (None if wanted is None else pytest.approx(wanted))
    alone = calibration["threshold"]
    assert alone["test"]["coverage"] > decision["coverage"]  # the gate refuses photos of known species too
    assert alone["target_reached_on_test"] == (decision["precision"] >= 0.9)


def test_the_most_that_pictures_are_named_is_said_of_other_kinds(root: Path) -> None:
    evaluation_with_strangers()
    artifact = calibrate()
    rules = read_decision(read(artifact, "decision.json"))
    rows = pq.read_table(root / "evaluation" / "strangers.parquet").to_pydict()
    test = np.asarray(rows["part"]) == "test"
    table = StoredScores(root / "evaluation" / "scores_strangers.parquet")
    answers = answers_of(table, None, rules.temperature, Taxonomy.of(CLASSES)).where(test)
    pooled = StoredFeatures(root / "evaluation" / "features_strangers.parquet").rows(np.flatnonzero(test))
    named = np.array([rule_of(facts, rules)[0] == "species" for facts in facts_of(answers, rules, pooled)])
    told = read(artifact, "calibration.json")["strangers_answered"]["non_plant"]
    assert told["shares"]["species"] == pytest.approx(named.mean())
    wanted = at_most(named, np.asarray(rows["group"])[test])
    assert told["species_at_most"] == pytest.approx(float(wanted))
    assert told["species_at_most"] > named.mean()
