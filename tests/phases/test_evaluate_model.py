from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.scores import ScoreTable
from aplantida.domain.stored_scores import StoredFeatures
from aplantida.models.inference import Scorer
from aplantida.phases.evaluate_model import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from tests.fixtures.artifacts import CLASSES, drawn_jpeg, make_checkpoint, make_images, make_split, photo_row

BASE = "configs/evaluate_model.yaml"
VALUES = {"inputs": {"images": "images", "split": "split", "checkpoint": "model"}, "resources": {"num_threads": 1}}


@pytest.fixture(autouse=True)
def inputs(root: Path) -> None:
    make_images("images")
    make_split("split", "images")


def judge(output: str = "evaluation", **values: Any) -> Artifact:
    artifact = execute(PHASE, files=[BASE], values={**VALUES, "output": output, **values}).artifact
    assert artifact is not None
    return artifact


def test_scores_labels_and_metrics_agree_with_the_scorer() -> None:
    checkpoint = make_checkpoint("model", {"images": "images", "split": "split"})
    artifact = judge()
    labels = pq.read_table(artifact.file("labels.parquet")).to_pylist()
    assert [row["image_id"] for row in labels] == sorted(row["image_id"] for row in labels)
    assert [row["split"] for row in labels].count("test") == 12
    scores = ScoreTable.from_arrow(pq.read_table(artifact.file("scores_test.parquet")))
    true = {row["image_id"]: row["class_index"] for row in labels}
    photos = {photo_row(index, number)["image_id"]: (index, number) for index in range(6) for number in (8, 9)}
    assert set(scores.image_ids) == set(photos)
    assert all(true[image_id] == photos[image_id][0] for image_id in photos)
    direct = Scorer(checkpoint.path, "cpu", 1).score(
        scores.image_ids, [drawn_jpeg(*photos[i]) for i in scores.image_ids]
    )
    np.testing.assert_allclose(scores.logits, direct.logits, atol=2e-3)
    metrics = json.loads(artifact.file("metrics.json").read_text())
    hits = [int(scores.logits[row].argmax()) == true[image_id] for row, image_id in enumerate(scores.image_ids)]
    assert metrics["test"]["top1"] == pytest.approx(sum(hits) / 12)
    assert metrics["val"]["num_photos"] == 12
    assert metrics["test"]["frequency_bands"]["0-9"]["num_photos"] == 12
    assert metrics["coverage"]["test"] == {"num_photos": 12, "num_scored": 12, "share": 1.0}
    # photo 8 is from the US, photo 9 from Spain: nobody is in Spain by distribution
    assert metrics["test"]["regions"]["spain"]["by_country"]["num_photos"] == 6
    assert metrics["test"]["regions"]["spain"]["by_distribution"]["num_photos"] == 0


def test_a_regional_model_is_judged_on_its_own_classes_with_its_coverage() -> None:
    names = [item.class_id for item in CLASSES.classes if "spain" in item.regions]
    make_checkpoint("model", {"images": "images", "split": "split"}, CLASSES.subset(names))
    artifact = judge()
    metrics = json.loads(artifact.file("metrics.json").read_text())
    assert metrics["coverage"]["test"] == {"num_photos": 12, "num_scored": 8, "share": pytest.approx(2 / 3)}
    assert metrics["num_classes"] == 4
    index = ClassIndex.load(artifact.file("class_index.json"))
    assert list(index.class_ids) == names
    photos = {photo_row(at, number)["image_id"]: CLASSES.class_ids[at] for at in range(6) for number in range(10)}
    for row in pq.read_table(artifact.file("labels.parquet")).to_pylist():
        assert index.class_ids[row["class_index"]] == photos[row["image_id"]]
    with artifact.file("per_species.csv").open() as stream:
        assert [row["class_id"] for row in csv.DictReader(stream)] == names


def test_a_killed_run_goes_on_and_ends_in_the_same_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkpoint("model", {"images": "images", "split": "split"})
    whole = judge("whole")
    score, calls = Scorer.score_and_pool, []

    def dying(self: Scorer, ids: list[str], jpegs: list[bytes], *rest: Any) -> Any:
        calls.append(len(ids))
        if len([count for count in calls if count]) == 3:
            raise KeyboardInterrupt
        return score(self, ids, jpegs, *rest)

    monkeypatch.setattr(Scorer, "score_and_pool", dying)
    with pytest.raises(KeyboardInterrupt):
        judge("killed")
    again: list[int] = []

    def counting(self: Scorer, ids: list[str], jpegs: list[bytes], *rest: Any) -> Any:
        again.append(len(ids))
        return score(self, ids, jpegs, *rest)

    monkeypatch.setattr(Scorer, "score_and_pool", counting)
    resumed = judge("killed")
    assert resumed.digest == whole.digest
    assert [count for count in again if count] == [calls[-1]]  # only the shard that was not done


def test_a_stranger_class_is_refused() -> None:
    make_checkpoint("model", {"images": "images", "split": "split"}, ClassIndex.of([*CLASSES.classes[:2], _stranger()]))
    with pytest.raises(BadRequest, match="Zea mays"):
        judge()


def _stranger() -> Any:
    from aplantida.domain.class_index import PlantClass

    return PlantClass(class_id="Zea mays")


def test_a_split_of_other_photos_is_refused() -> None:
    make_checkpoint("model", {"images": "images", "split": "split"})
    make_images("others", per_class=9)
    with pytest.raises(BadRequest, match="other image_shards"):
        judge(inputs={**VALUES["inputs"], "images": "others"})


def test_features_and_class_means_lie_beside_the_scores() -> None:
    make_checkpoint("model", {"images": "images", "split": "split"})
    artifact = judge()
    labels = pq.read_table(artifact.file("labels.parquet")).to_pylist()
    assert {row["license_id"] for row in labels} == {"CC-BY-4.0", "CC0-1.0"}
    assert {row["source"] for row in labels} == {"herbarium"}
    wanted = {
        photo_row(at, number)["image_id"]: photo_row(at, number)["observation_id"]
        for at in range(6)
        for number in range(10)
    }
    assert all(row["observation_id"] == wanted[row["image_id"]] for row in labels)
    for name in ("val", "test"):
        stored = StoredFeatures(artifact.file(f"features_{name}.parquet"))
        scores = ScoreTable.from_arrow(pq.read_table(artifact.file(f"scores_{name}.parquet")))
        assert stored.image_ids.tolist() == scores.image_ids.tolist()
        assert stored.num_features == 1280
        rows = stored.rows(np.array([1, 3, 11]))
        np.testing.assert_array_equal(rows, np.concatenate([values for _, values in stored.blocks()])[[1, 3, 11]])
    stored = StoredFeatures(artifact.file("features_val.parquet"))
    means = pq.read_table(artifact.file("class_means.parquet"))
    of_val = [row["class_index"] for row in labels if row["split"] == "val"]
    values = stored.rows(np.flatnonzero(np.array(of_val) == 2)).astype(np.float32).mean(axis=0)
    np.testing.assert_allclose(means["features"][2].as_py(), values, atol=2e-3)
    assert means["num_photos"].to_pylist() == [2] * 6


def test_intervals_and_parts_are_in_the_metrics() -> None:
    make_checkpoint("model", {"images": "images", "split": "split"})
    artifact = judge()
    test = json.loads(artifact.file("metrics.json").read_text())["test"]
    assert set(test["intervals"]) >= {"top1", "top3", "top5", "macro_top1", "nll", "brier"}
    assert test["intervals"]["top1"][0] <= test["top1"] <= test["intervals"]["top1"][1]
    assert {name: row["num_photos"] for name, row in test["licenses"].items()} == {"CC-BY-4.0": 6, "CC0-1.0": 6}
    assert test["sources"]["herbarium"]["num_photos"] == 12
    assert test["regions"]["spain"]["ece"] is not None
    with artifact.file("per_genus.csv").open() as stream:
        assert sum(int(row["test_photos"]) for row in csv.DictReader(stream)) == 12
