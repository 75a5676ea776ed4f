"""Gates for strangers in calibrate_model: samples out of an evaluation's files, choices by evaluation/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from aplantida.domain.stored_scores import StoredFeatures, StoredScores
from aplantida.evaluation.answers import Answers, answers_of
from aplantida.evaluation.bounds import at_most
from aplantida.evaluation.decide import Decision, facts_of
from aplantida.evaluation.rule_report import OUTCOMES, apply_rules
from aplantida.evaluation.stranger_candidates import Sample
from aplantida.evaluation.stranger_choice import GateChoice, GateTarget, choose_gate
from aplantida.evaluation.temperatures import CalibrationPart
from aplantida.phases._calibration_parts import Seen
from aplantida.phases._judged_strangers import FILE, NON_PLANT, PART, STRANGER
from aplantida.pipeline.artifact import Artifact

_MOST_KNOWN = 6_000  # photos of each split that scores learn from and are measured on


@dataclass(frozen=True, eq=False)
class Strangers:
    """Samples of val and test: known photos, plants of other species, pictures without a plant."""

    known: tuple[Sample, Sample]
    plants: tuple[Sample, Sample]
    non_plants: tuple[Sample, Sample]


def read_strangers(seen: Seen) -> Strangers | None:
    """The samples; None where the evaluation scored no stranger."""
    evaluation = seen.evaluation
    if FILE not in evaluation.files:
        return None
    rows = pq.read_table(evaluation.file(FILE))
    scores = StoredScores(evaluation.file(f"scores_{PART}.parquet"))
    answers = answers_of(scores, None, seen.temperature, seen.taxonomy)
    features = StoredFeatures(evaluation.file(f"features_{PART}.parquet")).rows(np.arange(len(rows)))
    kinds, halves = (np.asarray(rows[name].to_pylist(), dtype=str) for name in ("kind", "part"))
    whole = Sample(answers, features, np.asarray(rows["group"].to_pylist(), dtype=str))

    def parts(kind: str) -> tuple[Sample, Sample]:
        masks = [(kinds == kind) & (halves == part) for part in ("val", "test")]
        return whole.where(masks[0]), whole.where(masks[1])

    known = (_known(evaluation, "val", seen.val, seen.on_val), _known(evaluation, "test", seen.test, seen.on_test))
    return Strangers(known, parts(STRANGER), parts(NON_PLANT))


def choose_gates(
    strangers: Strangers, ungated: Decision, plant: GateTarget, known: GateTarget
) -> dict[str, GateChoice]:
    """The gate for what is no plant (all plants are known to it), then the one for plants of other species.

    Of a picture without a plant whatever ``ungated``, the rules without gates, say but "unsure" is wrong; a plant of
    another species may be of the genus, the family or the look that it is said to be.
    """
    told = _told(strangers.non_plants[0], ungated)
    plants = tuple(_together(*part) for part in zip(strangers.known, strangers.plants, strict=True))
    return {
        "plant": choose_gate((plants[0], plants[1]), strangers.non_plants, ungated.threshold, plant, told != "unsure"),
        "known": choose_gate(strangers.known, strangers.plants, ungated.threshold, known),
    }


def gates_json(choices: dict[str, GateChoice]) -> dict[str, Any]:
    """For ``decision.json``; nothing is asked of what was not chosen."""
    gates = {name: choices[name].gate if name in choices else None for name in ("plant", "known")}
    return {
        name: None if gate is None else {**gate.score.to_json(), "threshold": gate.threshold}
        for name, gate in gates.items()
    }


def answered(strangers: Strangers | None, decision: Decision) -> dict[str, Any]:
    """What all rules together tell the test strangers: shares of outcomes, and the most that a species is of others."""
    found: dict[str, Any] = {}
    if strangers is None:
        return found
    for kind, (_, sample) in ((STRANGER, strangers.plants), (NON_PLANT, strangers.non_plants)):
        outcomes = _told(sample, decision)
        counts, count = {name: int((outcomes == name).sum()) for name in OUTCOMES}, len(sample)
        found[kind] = {
            "num_photos": count,
            "shares": {name: number / count for name, number in counts.items()} if count else None,
            "species_at_most": at_most(outcomes == "species", sample.groups) if count else None,
        }
    return found


def _told(sample: Sample, decision: Decision) -> npt.NDArray[np.str_]:
    """(N,) outcomes."""
    return apply_rules(facts_of(sample.answers, decision, sample.features), decision)[0]


def _known(evaluation: Artifact, name: str, part: CalibrationPart, answers: Answers) -> Sample:
    features = StoredFeatures(evaluation.file(f"features_{name}.parquet"))
    chosen: npt.NDArray[np.int64] = np.arange(len(answers))
    if len(chosen) > _MOST_KNOWN:
        chosen = np.sort(np.random.default_rng(0).choice(len(answers), _MOST_KNOWN, replace=False))
    mask = np.zeros(len(answers), np.bool_)
    mask[chosen] = True
    groups = part.groups if part.groups is not None else np.arange(len(answers)).astype(str)
    return Sample(answers.where(mask), features.rows(chosen), groups[mask])


def _together(one: Sample, other: Sample) -> Sample:
    names = Answers.__dataclass_fields__
    answers = Answers(
        **{name: np.concatenate([getattr(one.answers, name), getattr(other.answers, name)]) for name in names}
    )
    features = np.concatenate([one.features, other.features])
    return Sample(answers, features, np.concatenate([one.groups, other.groups]))
