"""An evaluation of a region's species alone: the same scores with fewer columns, on the photos of the region."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.domain.stored_scores import StoredFeatures
from aplantida.evaluation.non_plants import non_plants
from aplantida.phases._narrowed_scores import of_elsewhere
from aplantida.phases.evaluate_model import LABELS_SCHEMA
from aplantida.phases.evaluate_model import PHASE as EVALUATE
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.errors import BadRequest
from tests.fixtures.artifacts import CLASSES, make_checkpoint
from tests.fixtures.exported import DATA, run_phase
from tests.fixtures.packs import REGION, copied, narrow

LIVING = [item.class_id for item in CLASSES.classes if REGION in item.regions]


@pytest.fixture(scope="module", autouse=True)
def root(exported_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with copied(exported_root, tmp_path_factory.mktemp("narrow") / "root") as folder:
        run_phase(EVALUATE, "evaluation_with_pictures", {**DATA, "checkpoint": "quantized"}, num_non_plants=20)
        narrow()
        yield folder


def table(name: str, file: str) -> ScoreTable:
    return ScoreTable.from_arrow(pq.read_table(open_artifact(Path(name)).file(file)))


def test_scores_are_the_same_with_fewer_columns_and_the_regions_photos(root: Path) -> None:
    artifact, wide = open_artifact(root / "evaluation_spain"), open_artifact(root / "evaluation")
    assert ClassIndex.load(artifact.file("class_index.json")).class_ids == tuple(LIVING)
    before = {row["image_id"]: row for row in pq.read_table(wide.file("labels.parquet")).to_pylist()}
    rows = pq.read_table(artifact.file("labels.parquet"))
    assert rows.schema.remove_metadata() == LABELS_SCHEMA
    for row in rows.to_pylist():
        assert CLASSES.class_ids[before[row["image_id"]]["class_index"]] == LIVING[row["class_index"]]
        assert REGION in row["regions"]
    wanted = [
        key
        for key, row in before.items()
        if REGION in row["regions"] and CLASSES.class_ids[row["class_index"]] in LIVING
    ]
    assert rows["image_id"].to_pylist() == wanted
    columns = CLASSES.indices_of(LIVING)
    for part in ("val", "test"):
        one, other = (table(str(item.path), f"scores_{part}.parquet") for item in (artifact, wide))
        at = [other.image_ids.tolist().index(name) for name in one.image_ids]
        assert set(one.image_ids) == {key for key in wanted if before[key]["split"] == part}
        np.testing.assert_array_equal(one.logits, other.logits[at][:, columns])
        features = [StoredFeatures(item.file(f"features_{part}.parquet")) for item in (artifact, wide)]
        np.testing.assert_array_equal(features[0].rows(np.arange(len(one))), features[1].rows(np.array(sorted(at))))


def test_it_is_judged_as_any_evaluation_and_says_its_region(root: Path) -> None:
    artifact = open_artifact(root / "evaluation_spain")
    metrics = json.loads(artifact.file("metrics.json").read_text())
    scores = table(str(artifact.path), "scores_test.parquet")
    labels = {row["image_id"]: row["class_index"] for row in pq.read_table(artifact.file("labels.parquet")).to_pylist()}
    hits = [int(row.argmax()) == labels[name] for row, name in zip(scores.logits, scores.image_ids, strict=True)]
    assert metrics["test"]["top1"] == pytest.approx(np.mean(hits))
    assert (metrics["region"], metrics["num_classes"]) == (REGION, 4)
    assert metrics["test"]["regions"][REGION]["num_photos"] == len(hits) == metrics["test"]["num_photos"]
    assert set(metrics["test"]["regions"]) == {"europe", "spain"}
    # photos taken in Spain of species that are not said to live there are strangers, and say so in the coverage
    assert metrics["coverage"]["test"] == {"num_photos": 6, "num_scored": 4, "share": pytest.approx(2 / 3)}
    with artifact.file("per_species.csv").open() as stream:
        species = list(csv.DictReader(stream))
    assert [(row["class_id"], row["train_photos"]) for row in species] == [(name, "6") for name in LIVING]
    assert (artifact.metrics["num_left_out"], artifact.metrics["num_unknown"]) == (2, 0)
    again = narrow("again")
    assert again.digest == artifact.digest


def test_species_that_are_left_out_are_strangers_beside_those_there_were(root: Path) -> None:
    artifact = narrow("with_pictures", folder="", max_elsewhere=6000)
    strangers = pq.read_table(artifact.file("strangers.parquet")).to_pylist()
    assert {row["group"]: row["part"] for row in strangers}.keys() == {"Lupinus bicolor", "Quercus agrifolia"}
    assert {row["part"] for row in strangers} == {"val", "test"}  # a species is of one part
    assert len(strangers) == 4
    inputs = {"evaluation": "evaluation_with_pictures", "checkpoint": "quantized"}
    from aplantida.phases.narrow_evaluation import PHASE

    both = run_phase(PHASE, "both", inputs, region=REGION)
    rows = pq.read_table(both.file("strangers.parquet")).to_pylist()
    count = len(list(non_plants(20)))
    assert Counter(row["kind"] for row in rows) == {"non_plant": count, "stranger": 4}
    scores = table(str(both.path), "scores_strangers.parquet")
    wide = table(str(root / "evaluation_with_pictures"), "scores_strangers.parquet")
    assert scores.image_ids.tolist() == [row["image_id"] for row in rows]
    np.testing.assert_array_equal(scores.logits[:count], wide.logits[:, CLASSES.indices_of(LIVING)])
    of_val = table(str(root / "evaluation"), "scores_val.parquet")
    for row, logits in zip(rows[count:], scores.logits[count:], strict=True):
        if row["part"] == "val":
            at = of_val.image_ids.tolist().index(row["image_id"])
            np.testing.assert_array_equal(logits, of_val.logits[at][CLASSES.indices_of(LIVING)])
    assert len(StoredFeatures(both.file("features_strangers.parquet"))) == len(rows)
    none = narrow("none", max_elsewhere=0)
    assert "strangers.parquet" not in none.files


def test_of_many_photos_from_elsewhere_a_few_are_drawn_by_hash(root: Path) -> None:
    labels = pq.read_table(root / "evaluation/labels.parquet")
    left_out = np.array([name not in LIVING for name in CLASSES.class_ids])
    four, three, one = (of_elsewhere(labels, CLASSES, left_out, most)["image_id"].to_pylist() for most in (6000, 3, 1))
    assert (len(four), len(three), len(one)) == (4, 3, 1)
    assert set(one) < set(three) < set(four)
    assert three == sorted(three)


def test_a_region_that_is_none_is_refused_with_the_names_there_are() -> None:
    for region in ("mars", "", "ES"):
        with pytest.raises(BadRequest, match=r"no class is known to live in '.*'; want one of \['europe', 'spain'\]"):
            narrow("nowhere", region=region)


def test_what_nothing_is_known_of_and_a_single_species_make_no_region() -> None:
    index = ClassIndex.of(
        PlantClass(class_id=name, distribution=countries, regions=regions)
        for name, countries, regions in (
            ("Abies alba", ("ES",), ("spain", "alone")),
            ("Acer opalus", (), ()),
            ("Cistus albidus", ("ES",), ("spain",)),
            ("Zea mays", ("MX",), ()),
        )
    )
    assert index.of_region("spain").class_ids == ("Abies alba", "Cistus albidus")
    with pytest.raises(ValueError, match=r"only Abies alba is known to live in 'alone'; want one of \['spain'\]"):
        index.of_region("alone")


def test_only_its_own_model_and_only_once() -> None:
    make_checkpoint("other", DATA)
    from aplantida.phases.narrow_evaluation import PHASE

    with pytest.raises(BadRequest, match=r"evaluation: this evaluation was not made from .*other"):
        run_phase(PHASE, "x", {"evaluation": "evaluation", "checkpoint": "other"}, region=REGION)
    with pytest.raises(BadRequest, match="was narrowed to spain already"):
        run_phase(PHASE, "x", {"evaluation": "evaluation_spain", "checkpoint": "quantized"}, region="europe")
