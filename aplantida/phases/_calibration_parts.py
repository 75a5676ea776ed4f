"""What calibrate_model reads of an evaluation."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.domain.class_index import ClassIndex, class_index_digest
from aplantida.domain.stored_scores import StoredFeatures, StoredScores
from aplantida.evaluation.answers import Answers, answers_of
from aplantida.evaluation.bounds import at_least
from aplantida.evaluation.conformal import SetRule, set_sizes
from aplantida.evaluation.decide import Decision, Facts, facts_of
from aplantida.evaluation.region_prior import prior_report
from aplantida.evaluation.roll_up import fit_roll_up
from aplantida.evaluation.rule_report import apply_rules, rule_report
from aplantida.evaluation.taxa import Taxonomy
from aplantida.evaluation.temperatures import CalibrationPart
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest


@dataclass(frozen=True, eq=False)
class ClassFacts:
    """Of the C classes of an evaluation: the index, (C,) frequency bands and (C,) training photos."""

    index: ClassIndex
    bands: npt.NDArray[np.str_]
    train_photos: npt.NDArray[np.int64]

    @property
    def prevalence(self) -> npt.NDArray[np.float64]:
        """(C,) share of the training photos, each class with one more than it has."""
        return (self.train_photos + 1.0) / (self.train_photos + 1.0).sum()


def read_classes(evaluation: Artifact) -> ClassFacts:
    """The classes of an evaluation and what training had of them."""
    index = ClassIndex.load(evaluation.file("class_index.json"))
    with evaluation.file("per_species.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["class_id"]: row for row in csv.DictReader(stream)}
    found = [rows[class_id] for class_id in index.class_ids]
    bands = np.asarray([row["frequency_band"] for row in found], dtype=str)
    return ClassFacts(index, bands, np.array([int(row["train_photos"]) for row in found], np.int64))


def read_part(evaluation: Artifact, split: str, classes: ClassFacts) -> CalibrationPart:
    """The scored photos of val or test.

    Raises:
        BadRequest: when there is none, or scores, labels and classes do not fit each other.
    """
    scores = StoredScores(evaluation.file(f"scores_{split}.parquet"))
    columns = ["image_id", "class_index", "split", "regions", "regions_by_country", "group"]
    labels = pq.read_table(evaluation.file("labels.parquet"), columns=columns).filter(pc.field("split") == split)
    if len(scores) == 0:
        raise BadRequest(f"{evaluation.path}: holds no scored {split} photo, so nothing can be calibrated on it")
    if labels["image_id"].to_pylist() != scores.image_ids.tolist():
        raise BadRequest(f"{evaluation.path}: labels and {split} scores are of different photos")
    found = class_index_digest(scores.class_ids)
    if found != classes.index.digest:
        raise BadRequest(
            f"{evaluation.path}: scores_{split}.parquet speaks of {len(scores.class_ids)} classes (class index "
            f"{found[:12]}), class_index.json of {len(classes.index)} ({classes.index.digest[:12]})"
        )
    positions = labels["class_index"].to_numpy().astype(np.int64)
    regions = [row or [] for row in labels["regions"].to_pylist()]
    groups = np.asarray(labels["group"].to_pylist(), dtype=str)
    countries = [row or [] for row in labels["regions_by_country"].to_pylist()]
    return CalibrationPart(scores, positions, regions, classes.bands[positions], groups, countries)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the calibrated model says of the val and test photos."""

    evaluation: Artifact
    classes: ClassFacts
    taxonomy: Taxonomy
    temperature: float
    val: CalibrationPart
    test: CalibrationPart
    on_val: Answers
    on_test: Answers

    @property
    def val_groups(self) -> npt.NDArray[Any]:
        """(N,) which val photos belong together; each by itself where nothing is known."""
        return np.arange(len(self.on_val)) if self.val.groups is None else self.val.groups

    def roll_up(self, threshold: float, **limits: Any) -> dict[str, dict[str, Any]]:
        """Genus and family behind the species' ``threshold``; ``limits``: of :func:`~.roll_up.fit_roll_up`."""
        return fit_roll_up(self.on_val, self.on_test, self.taxonomy, threshold, groups=self.val_groups, **limits)

    def precision_at_least(self, threshold: float, level: float) -> float:
        """What the val photos that ``threshold`` names speak for, at the one-sided ``level``, by their groups."""
        named = self.on_val.confidences >= threshold
        return at_least(self.on_val.correct[named], self.val_groups[named], level)

    def set_sizes(self, rules: list[SetRule]) -> npt.NDArray[np.int64]:
        """(R, N) sizes of the test photos' sets."""
        return set_sizes(self.test.scores, self.temperature, rules, self.classes.prevalence)

    def rules(self, decision: Decision) -> dict[str, Any]:
        """What the rules do to the test photos."""
        return rule_report(self.on_test, self._facts(decision), decision, self.taxonomy)

    def region_prior(self, decision: Decision) -> dict[str, Any]:
        """What a visitor's word for the region does to the test photos taken there."""
        outcomes = apply_rules(self._facts(decision), decision)[0]
        own = dict(decision.temperatures)
        regions = {name for row in self.test.regions_by_country for name in row}
        return prior_report(
            self.test.scores,
            self.on_test,
            self.test.regions_by_country,
            self.classes.index,
            decision.floor,
            temperatures={name: own.get(name, decision.temperature) for name in regions},
            threshold=decision.threshold,
            passed=~np.isin(outcomes, ("not_a_plant", "unknown")),
        )

    def _facts(self, decision: Decision) -> list[Facts]:
        """Of the test photos; gates that look at features see them a row group at a time."""
        name = "features_test.parquet"
        if name not in self.evaluation.files:
            return facts_of(self.on_test, decision)
        facts: list[Facts] = []
        for at, features in StoredFeatures(self.evaluation.file(name)).blocks():
            facts += facts_of(self.on_test.where(at), decision, features)
        return facts


def look(
    evaluation: Artifact, classes: ClassFacts, val: CalibrationPart, test: CalibrationPart, temperature: float
) -> Seen:
    """At the scores of both, at one temperature."""
    taxonomy = Taxonomy.of(classes.index)
    on_val, on_test = (answers_of(part.scores, part.labels, temperature, taxonomy) for part in (val, test))
    return Seen(evaluation, classes, taxonomy, temperature, val, test, on_val, on_test)
