"""What decision.json and classes.json may hold: Python and the page refuse the same and read the rest alike."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aplantida.domain.class_index import ClassIndex
from aplantida.evaluation.conformal import SetRule, set_size
from aplantida.evaluation.decide import decide, load_decision, read_decision
from aplantida.evaluation.taxa import Taxonomy
from aplantida.export.node import NodeClassifier, NodeError
from tests.export.test_decide_twin import centers, decision, head
from tests.fixtures.bundle import write_bundle, write_manifest

NONE = np.zeros(0, np.float32)
SIZE = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("twin") / "bundle", num_classes=SIZE)


def written(folder: Path, value: Any, classes: list[dict[str, Any]] | None = None) -> Path:
    (folder / "decision.json").write_text(json.dumps(value))
    if classes is not None:
        index = json.loads((folder / "classes.json").read_text())
        (folder / "classes.json").write_text(json.dumps({**index, "classes": classes}))
    write_manifest(folder)
    return folder


def whole() -> dict[str, Any]:
    random = np.random.default_rng(5)
    return decision("raps", head(random), centers(random))


def changed(key: str, new: Any) -> dict[str, Any]:
    """``whole()`` with another value at ``a.b.0.c``; ``...`` takes the key away."""
    value = whole()
    *way, last = [int(step) if step.isdigit() else step for step in key.split(".")]
    place: Any = value
    for step in way:
        place = place[step]
    if new is ...:
        del place[last]
    else:
        place[last] = copy.deepcopy(new)
    return value


@pytest.mark.parametrize(
    ("key", "new", "named"),
    [
        ("format", "aplantida.decision/3", "format"),
        ("temperature", 0, "temperature"),
        ("temperature", True, "temperature"),
        ("threshold", "0.6", "threshold"),
        ("threshold", 2, "threshold"),  # and nobody said why
        ("coverage", 1.5, "coverage"),
        ("fusion", ..., "fusion"),
        ("fusion", "mean", "fusion"),
        ("surprise", 1, "surprise"),
        ("temperatures.EU_SW", -1, "temperatures.EU_SW"),
        ("roll_up.genus.threshold", "often", "roll_up.genus.threshold"),
        ("roll_up.family", ..., "roll_up.family"),
        ("sets.method", "prevalence", "sets.method"),
        ("sets.penalty", ..., "sets.penalty"),
        ("sets.penalty", -0.1, "sets.penalty"),
        ("sets.max_size", 10, "sets.max_size"),
        ("sets.max_size", 2.5, "sets.max_size"),
        ("sets.levels.1.threshold", None, "sets.levels[1].threshold"),
        ("sets.levels.1.level", 0.9, "sets.levels[1].level"),
        ("sets.levels.0.level", 0.9000001, "sets.levels[0].level"),
        ("sets.levels.0.level", 0.1015625, "sets.levels[0].level"),  # halfway between two of six decimals
        ("strangers.plant.score", "knn", "strangers.plant.score"),
        ("strangers.plant.weights", ..., "strangers.plant.weights"),
        ("strangers.plant.weights", "no base64!", "strangers.plant.weights"),
        ("strangers.plant.weights", "AAAA", "strangers.plant.weights"),
        ("strangers.plant.weights", "AACAPwAAAEAAAEBAAACAQA", "strangers.plant.weights"),  # without its padding
        ("strangers.plant.weights", "AACAPwAAAEAAAEBAAACAQA=", "strangers.plant.weights"),
        ("strangers.plant.weights", "AACAPwAAAEAAAEBAAACAQA==    ", "strangers.plant.weights"),
        ("strangers.plant.weights", "AACAPwAA\nAEAAAEBAAACAQA==\n\n\n", "strangers.plant.weights"),
        ("strangers.plant.weights", "AACAPwAAAEAAAEBAAACAQA======", "strangers.plant.weights"),
        ("strangers.plant.weights", "AACAfw==", "strangers.plant.weights"),
        ("strangers.known.centers", "AAAA", "strangers.known.centers"),
        ("region_prior.floor", 0, "region_prior.floor"),
        ("temperature", 10**400, "temperature"),
        ("sets.levels.0.threshold", 10**400, "sets.levels[0].threshold"),
        ("strangers.plant.bias", -(10**400), "strangers.plant.bias"),
    ],
)
def test_what_one_refuses_the_other_refuses_by_the_same_key(folder: Path, key: str, new: Any, named: str) -> None:
    bundle = written(folder, changed(key, new))
    for refusing, of in (
        (ValueError, lambda: load_decision(bundle / "decision.json")),
        (NodeError, lambda: open_(bundle)),
    ):
        with pytest.raises(refusing) as refusal:
            of()
        assert f"decision.json: {named} " in str(refusal.value) or f"decision.json: {named}," in str(refusal.value)
        assert "\n" not in str(refusal.value)


def open_(bundle: Path) -> None:
    with NodeClassifier(bundle):
        pass


@pytest.mark.parametrize("text", ["1e999", "NaN"])
def test_a_number_is_finite(folder: Path, text: str) -> None:
    written(folder, whole())
    file = folder / "decision.json"
    file.write_text(file.read_text().replace('"bias": 0.3', f'"bias": {text}'))
    write_manifest(folder)
    with pytest.raises(ValueError, match=r"strangers\.plant\.bias"):
        load_decision(file)
    with pytest.raises(NodeError, match=r"strangers\.plant\.bias|not JSON"):
        open_(folder)


@pytest.mark.parametrize(
    "value",
    [whole(), changed("strangers.plant.bias", 10**300), changed("sets.levels", []),
     changed("strangers", {"plant": None, "known": None}),
     {"format": "aplantida.decision/1", "temperature": 1.5, "threshold": 0.4, "target_precision": 0.9}],
)  # fmt: skip
def test_what_one_takes_the_other_takes(folder: Path, value: dict[str, Any]) -> None:
    open_(written(folder, value))
    assert load_decision(folder / "decision.json") == value


TAXA = {
    "all": lambda at: {"genus": f"G{at % 6}", "family": f"F{at % 4}"},
    "some": lambda at: {"genus": f"G{at % 6}" if at % 2 else None, "family": f"F{at % 4}" if at % 3 else ""},
    "no family": lambda at: {"genus": "", "family": None},
    "no keys": lambda at: {},
}


@pytest.mark.parametrize("given", TAXA)
@pytest.mark.parametrize("threshold", [0, 0.5])
def test_no_taxon_is_named_where_none_is_known(tmp_path: Path, given: str, threshold: float) -> None:
    bundle = write_bundle(tmp_path / "bundle", num_classes=SIZE)
    rows = json.loads((bundle / "classes.json").read_text())["classes"]
    bare = [{key: row[key] for key in row if key not in ("genus", "family")} for row in rows]
    value: dict[str, Any] = whole() | {"strangers": {"plant": None, "known": None}}
    for at in range(2):  # genus first; then the family decides
        value["roll_up"]["genus"]["threshold"] = (threshold, None)[at]
        value["roll_up"]["family"]["threshold"] = threshold
        written(bundle, value, [row | TAXA[given](number) for number, row in enumerate(bare)])
        classes, rules = ClassIndex.load(bundle / "classes.json"), read_decision(value)
        taxonomy, random = Taxonomy.of(classes), np.random.default_rng(3)
        with NodeClassifier(bundle) as node:
            for _ in range(40):
                logits = random.normal(scale=random.choice([0.3, 3.0]), size=SIZE).astype(np.float32)
                wanted, found = decide(logits, classes.class_ids, taxonomy, rules), node.decide([(logits, NONE)])
                got = [found[key] for key in ("decision", "rule", "taxon", "set_size")]
                assert got == [wanted.decision, wanted.rule, wanted.taxon, wanted.set_size]
                assert wanted.decision not in ("genus", "family") or wanted.taxon


@pytest.mark.parametrize("level", [0.5, 0.95, 0.987654, 0.00002, 0.000001])
def test_a_level_is_written_alike(folder: Path, level: float) -> None:
    value = changed("sets.levels", [{"level": level, "threshold": 5.0}])
    value.update({"strangers": {"plant": None, "known": None}, "threshold": 1.0})
    value["sets"] |= {"method": "lac", "max_size": 9}
    value["roll_up"] = {rank: {"threshold": None, "precision": None} for rank in ("genus", "family")}
    value["sets"]["levels"][0]["threshold"] = 0.9  # the species of at least 0.1
    logits = np.zeros(SIZE, np.float32)
    logits[3] = 3.0
    with NodeClassifier(written(folder, value)) as node:
        found = node.decide([(logits, NONE)])
    classes = ClassIndex.load(folder / "classes.json")
    wanted = decide(logits, classes.class_ids, Taxonomy.of(classes), read_decision(value))
    assert (found["rule"], found["set_size"]) == (wanted.rule, wanted.set_size)
    assert float(found["rule"].removeprefix("set_")) == level


def test_a_penalty_shrinks_sets_beyond_the_fifth_rank() -> None:
    shares = np.full(10, 0.08)
    sizes = [set_size(shares, SetRule("raps", 0.9, 0.75, penalty)) for penalty in (0.0, 0.05, 1.0)]
    assert sizes == [9, 7, 5]
