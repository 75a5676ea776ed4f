from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from aplantida.data.views import views_from_arrow
from aplantida.domain.scores import ScoreTable
from aplantida.phases.compute_teacher_logits import PHASE, ComputeTeacherLogitsConfig, judge
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest, GateFailed, RecipeChanged
from aplantida.pipeline.runner import execute
from tests.fixtures import tiny_artifacts

CONFIG = "configs/compute_teacher_logits.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(root))
        rows = tiny_artifacts.photos(5)
        tiny_artifacts.image_shards("images", rows)
        tiny_artifacts.split("split", rows)
        tiny_artifacts.checkpoint("teacher")
    return root


@pytest.fixture(autouse=True)
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "root"
    shutil.copytree(made, root)
    monkeypatch.setenv("APLANTIDA_ROOT", str(root))
    return root


def request(output: str = "logits", **values: Any) -> dict[str, Any]:
    return {
        "inputs": {"images": "images", "split": "split", "checkpoint": "teacher"},
        "output": output,
        "views": {"num_views": 2},
        "resources": {"device": "cpu", "num_threads": 1},
        **values,
    }


def compute(**values: Any) -> Artifact:
    artifact = execute(PHASE, files=[CONFIG], values=request(**values)).artifact
    assert artifact is not None
    return artifact


def test_every_training_photo_has_its_views_and_every_other_its_centre() -> None:
    artifact = compute()
    rows: set[tuple[str, int]] = set()
    heldout: set[str] = set()
    views: dict[tuple[str, int], Any] = {}
    for scores, others, boxes in zip(*(artifact.files_under(n) for n in ("scores", "heldout", "views")), strict=True):
        table, rest = (ScoreTable.from_arrow(pq.read_table(path)) for path in (scores, others))
        assert table.class_ids == tiny_artifacts.NAMES
        assert table.is_dense
        rows |= set(zip(table.image_ids.tolist(), table.views.tolist(), strict=True))
        heldout |= set(rest.image_ids.tolist())
        views |= views_from_arrow(pq.read_table(boxes))
    split = pq.read_table(artifact.path.parent / "split/split.parquet").to_pylist()
    train = {row["image_id"] for row in split if row["split"] == "train"}
    assert rows == {(image_id, view) for image_id in train for view in range(3)}
    assert heldout == {row["image_id"] for row in split} - train
    assert set(views) == rows | {(image_id, 0) for image_id in heldout}
    teacher = json.loads(artifact.file("teacher.json").read_text())
    assert (teacher["region"], teacher["top_k"], teacher["views"]["seed"]) == (None, None, 42)


def compute_one_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the first."""
    from aplantida.distributed import scoring

    def stop_after_one(job: scoring.LabelJob, shards: list[int], num_actors: int) -> Any:
        yield next(original(job, shards, num_actors))
        raise KeyboardInterrupt

    original = scoring.label_shards
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "label_shards", stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            compute()


def test_going_on_with_other_threads_is_said_and_recorded(
    world: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compute_one_shard(monkeypatch)
    threads = torch.get_num_threads()
    try:
        outcome = execute(PHASE, files=[CONFIG], values=request(resources={"device": "cpu", "num_threads": 2}))
    finally:
        torch.set_num_threads(threads)
    assert outcome.metrics["num_threads"] == [1, 2]
    assert "scored with [1, 2] threads" in caplog.text


def test_a_killed_run_scores_only_the_shards_that_were_not_done(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compute(output="whole")
    compute_one_shard(monkeypatch)
    outcome = execute(PHASE, files=[CONFIG], values=request())
    assert outcome.status == "resumed"
    assert outcome.metrics["num_shards_scored"] == tiny_artifacts.NUM_SHARDS - 1
    assert outcome.metrics["num_threads"] == [1]
    assert outcome.artifact is not None
    assert outcome.artifact.digest == whole.digest


def test_new_photos_touch_only_their_shards(world: Path) -> None:
    compute(output="first")
    rows = tiny_artifacts.photos(5)
    added = [row for row in tiny_artifacts.photos(6) if row["number"] == 5][:1]
    grown = sorted([*rows, *added], key=lambda row: row["image_id"])
    tiny_artifacts.image_shards("grown images", grown)
    tiny_artifacts.split("grown split", grown)
    inputs = {"images": "grown images", "split": "grown split", "checkpoint": "teacher"}
    outcome = execute(PHASE, files=[CONFIG], values=request("second", inputs=inputs, reuse=["first"]))
    assert outcome.metrics["num_shards_reused"] == tiny_artifacts.NUM_SHARDS - 1
    assert outcome.metrics["num_train_rows"] == 3 * 19
    alone = compute(output="third", inputs=inputs)
    assert outcome.artifact is not None
    assert outcome.artifact.digest == alone.digest


def test_a_teacher_of_many_classes_is_stored_as_top_k() -> None:
    artifact = compute(top_k=2, dense_up_to_classes=5)
    table = ScoreTable.from_arrow(pq.read_table(artifact.file("scores/shard-00000.parquet")))
    assert table.logits.shape[1] == 2
    assert table.tail_count == 4
    rest = ScoreTable.from_arrow(pq.read_table(artifact.file("heldout/shard-00000.parquet")))
    assert rest.is_dense


@pytest.mark.parametrize("top_k", [2, 256])
def test_labels_that_are_not_what_the_teacher_says_are_found(monkeypatch: pytest.MonkeyPatch, top_k: int) -> None:
    from aplantida.distributed import scoring

    values = request(top_k=top_k, dense_up_to_classes=5)
    outcome = execute(PHASE, files=[CONFIG], values=values)
    assert outcome.metrics["num_verified_rows"] == 4 * 3
    assert 0 <= outcome.metrics["largest_difference"] < 0.02
    original = scoring.label_shard

    def mixed_up(*arguments: Any) -> Any:
        labels = original(*arguments)
        return replace(labels, train=replace(labels.train, logits=np.roll(labels.train.logits, 1, axis=0)))

    monkeypatch.setattr(scoring, "label_shard", mixed_up)
    with pytest.raises(GateFailed, match=r"photo .* differs by .* gates.verify.max_difference is 0.05"):
        execute(PHASE, files=[CONFIG], values={**values, "output": "mixed up"})


def test_only_what_was_scored_in_the_same_precision_is_scored_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when a driver without a GPU verifies what one had scored, or a later session goes on on a CPU."""
    from aplantida.distributed import scoring

    original = scoring.label_shards

    def one_on_a_gpu(*arguments: Any) -> Any:
        for done in original(*arguments):
            yield replace(done, precision="bfloat16") if done.shard in reduced else done

    def doubled(*arguments: Any) -> Any:
        labels = label_shard(*arguments)
        if arguments[1].name not in {f"shard-{shard:05d}.parquet" for shard in reduced}:
            return labels
        return replace(labels, train=replace(labels.train, logits=labels.train.logits * 2))

    label_shard = scoring.label_shard
    monkeypatch.setattr(scoring, "label_shards", one_on_a_gpu)
    monkeypatch.setattr(scoring, "label_shard", doubled)
    all_photos = {"verify": {"num_photos": 1000}}
    reduced = {0}
    metrics = compute(gates=all_photos).metrics
    assert 0 < metrics["num_verified_rows"] < metrics["num_train_rows"]
    assert (metrics["num_shards_not_verified"], metrics["verified_precision"]) == (1, "float32")
    assert f"1 of {tiny_artifacts.NUM_SHARDS} shards are not verified: they were not scored in float32" in caplog.text
    reduced = set(range(tiny_artifacts.NUM_SHARDS))
    metrics = compute(output="all of them", gates=all_photos).metrics
    assert (metrics["num_verified_rows"], metrics["num_shards_not_verified"]) == (0, tiny_artifacts.NUM_SHARDS)


@pytest.mark.parametrize(
    ("precision", "found", "key"),
    [
        ("float32", 0.04, None),
        ("float32", 0.1, "max_difference"),
        ("bfloat16", 0.1, None),
        ("bfloat16", 0.3, "max_difference_bfloat16"),
    ],
)
def test_bfloat16_is_judged_by_its_own_bound(precision: str, found: float, key: str | None) -> None:
    metrics = {"largest_difference": found, "largest_difference_at": "photo a, view 1", "verified_precision": precision}
    said = judge(ComputeTeacherLogitsConfig.model_validate(request()), metrics)
    assert [line.split(" is ")[0].rpartition(".")[2] for line in said] == ([] if key is None else [key])


def test_a_driver_that_cannot_verify_is_refused_before_anything_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    from aplantida.distributed import scoring

    def score(*_: Any) -> Any:
        raise AssertionError("scored for nothing")

    monkeypatch.setattr(scoring, "label_shards", score)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadRequest, match=r"resources\.device: .*(torch sees no|the driver sees)"):
        compute(resources={"device": "cuda", "num_actors": 2})
    with pytest.raises(AssertionError, match="scored for nothing"):  # nothing to verify: the driver needs no card
        compute(resources={"device": "cuda", "num_actors": 2}, gates={"verify": {"num_photos": 0}})


def test_a_regional_teacher_says_so(world: Path) -> None:
    tiny_artifacts.checkpoint("regional", tiny_artifacts.NAMES[3:], scope=tiny_artifacts.REGION)
    artifact = compute(inputs={"images": "images", "split": "split", "checkpoint": "regional"})
    teacher = json.loads(artifact.file("teacher.json").read_text())
    assert (teacher["region"], teacher["class_ids"]) == (tiny_artifacts.REGION, list(tiny_artifacts.NAMES[3:]))


def test_bad_requests_are_named(world: Path) -> None:
    with pytest.raises(BadRequest, match=r"views\.scale"):
        compute(views={"scale": [0.5, 1.5]})
    with pytest.raises(BadRequest, match=r"views\.num_views"):
        compute(views={"num_views": -1})
    compute()
    with pytest.raises(RecipeChanged, match=r"views\.num_views: 2 -> 3"):
        compute(views={"num_views": 3})


def test_the_same_request_gives_the_same_digest_and_another_seed_other_views() -> None:
    assert compute(output="a").digest == compute(output="b").digest
    a, c = compute(output="a"), compute(output="c", seed=1)
    assert a.files["views/shard-00000.parquet"] != c.files["views/shard-00000.parquet"]
