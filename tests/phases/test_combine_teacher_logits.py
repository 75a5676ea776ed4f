from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from aplantida.data.views import views_from_arrow
from aplantida.domain.scores import ScoreTable
from aplantida.phases import combine_teacher_logits, compute_teacher_logits
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.runner import execute
from tests.fixtures import tiny_artifacts
from tests.fixtures.tiny_artifacts import NAMES, REGION

PHASE = combine_teacher_logits.PHASE
CONFIG = "configs/combine_teacher_logits.yaml"
THREE = ["logits a", "logits b", "logits regional"]


def logits(teacher: str, **values: Any) -> Artifact:
    request = {
        "inputs": {"images": "images", "split": "split", "checkpoint": teacher},
        "output": f"logits {teacher}",
        "views": {"num_views": 2},
        "resources": {"device": "cpu", "num_threads": 1},
        **values,
    }
    artifact = execute(compute_teacher_logits.PHASE, values=request).artifact
    assert artifact is not None
    return artifact


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(root))
        rows = tiny_artifacts.photos(5)
        tiny_artifacts.image_shards("images", rows)
        tiny_artifacts.split("split", rows)
        tiny_artifacts.checkpoint("a", seed=1)
        tiny_artifacts.checkpoint("b", seed=2)
        tiny_artifacts.checkpoint("regional", NAMES[3:], seed=3, scope=REGION)
        for teacher in ("a", "b", "regional"):
            logits(teacher)
    return root


@pytest.fixture(autouse=True)
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "root"
    shutil.copytree(made, root)
    monkeypatch.setenv("APLANTIDA_ROOT", str(root))
    return root


def request(output: str = "soft", given: list[str] | None = None, **values: Any) -> dict[str, Any]:
    inputs = {"split": "split", "teacher_logits": THREE if given is None else given}
    return {"inputs": inputs, "output": output, "teachers": [], **values}


def combined(*arguments: Any, **values: Any) -> Artifact:
    artifact = execute(PHASE, files=[CONFIG], values=request(*arguments, **values)).artifact
    assert artifact is not None
    return artifact


def table(artifact: Artifact, folder: str = "scores", shard: int = 0) -> ScoreTable:
    return ScoreTable.from_arrow(pq.read_table(artifact.file(f"{folder}/shard-{shard:05d}.parquet")))


def softmax(scores: ScoreTable) -> npt.NDArray[np.float64]:
    values = np.exp(scores.logits.astype(np.float64))
    return values / values.sum(axis=1, keepdims=True)


def opened(world: Path, name: str) -> ScoreTable:
    return ScoreTable.from_arrow(pq.read_table(world / name / "scores/shard-00000.parquet"))


def test_three_teachers_one_of_them_regional(world: Path) -> None:
    shares = [{"weight": 0.5}, {"weight": 0.25}, {"weight": 0.25, "weight_in_region": 1.25}]
    artifact = combined(teachers=shares)
    a, b, regional = (softmax(opened(world, name)) for name in THREE)
    glob = (0.5 * a + 0.25 * b) / 0.75
    whole = [a, b, np.concatenate([glob[:, :3], regional * glob[:, 3:].sum(axis=1, keepdims=True)], axis=1)]
    split = {row["image_id"]: row for row in pq.read_table(world / "split/split.parquet").to_pylist()}
    got = table(artifact)
    inside = np.array([bool(split[image_id]["regions"]) for image_id in got.image_ids.tolist()])
    assert 0 < inside.sum() < len(inside)
    third = np.where(inside, 1.25, 0.25)[:, None]
    expected = (0.5 * whole[0] + 0.25 * whole[1] + third * whole[2]) / (0.75 + third)
    assert np.exp(got.logits.astype(np.float64)) == pytest.approx(expected, abs=2e-3)
    assert got.class_ids == NAMES
    assert views_from_arrow(pq.read_table(artifact.file("views/shard-00000.parquet"))).keys() >= set(
        zip(got.image_ids.tolist(), got.views.tolist(), strict=True)
    )
    summary = json.loads(artifact.file("summary.json").read_text())
    assert [teacher["region"] for teacher in summary["teachers"]] == [None, None, REGION]
    assert (summary["counts"]["num_train_rows"], summary["counts"]["num_val_photos"]) == (54, 6)


def test_the_accuracy_of_the_combined_teachers_is_counted(world: Path) -> None:
    artifact = combined()
    split = {row["image_id"]: row for row in pq.read_table(world / "split/split.parquet").to_pylist()}
    right = 0
    for shard in range(tiny_artifacts.NUM_SHARDS):
        rows = table(artifact, "heldout", shard)
        for image_id, best in zip(rows.image_ids.tolist(), rows.logits.argmax(axis=1).tolist(), strict=True):
            right += split[image_id]["split"] == "val" and split[image_id]["class_index"] == best
    assert artifact.metrics["top1_val"] == pytest.approx(right / 6, abs=1e-6)
    sizes = [path.stat().st_size for folder in ("scores", "views") for path in artifact.files_under(folder)]
    num_photos = artifact.metrics["num_train_rows"] / 3
    assert artifact.metrics["bytes_per_train_photo"] == round(sum(sizes) / num_photos)


def test_top_k_is_taken_after_combining() -> None:
    whole, top = table(combined("whole")), table(combined("top", top_k=1, dense_up_to_classes=5))
    assert top.tail_count == 5
    assert np.array_equal(top.logits[:, 0], whole.logits.max(axis=1))
    assert table(combined("top", top_k=1, dense_up_to_classes=5), "heldout").is_dense


def test_the_same_request_gives_the_same_digest_however_many_threads() -> None:
    one, three = combined("one"), combined("three", resources={"num_threads": 3})
    assert one.digest == three.digest


def test_a_killed_run_combines_only_what_was_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = combined("whole")
    calls: list[str] = []
    original = combine_teacher_logits._combine_shard

    def fail_on_the_second(ctx: Any, name: str, *arguments: Any) -> Any:
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(ctx, name, *arguments)

    monkeypatch.setattr(combine_teacher_logits, "_combine_shard", fail_on_the_second)
    with pytest.raises(KeyboardInterrupt):
        combined(resources={"num_threads": 1})
    monkeypatch.setattr(combine_teacher_logits, "_combine_shard", original)
    outcome = execute(PHASE, files=[CONFIG], values=request())
    assert outcome.status == "resumed"
    assert outcome.metrics["num_shards_combined"] < tiny_artifacts.NUM_SHARDS
    assert outcome.artifact is not None
    assert outcome.artifact.digest == whole.digest


def test_unchanged_shards_are_reused(world: Path) -> None:
    first = combined("first")
    outcome = execute(PHASE, files=[CONFIG], values=request("second", reuse=["first"]))
    assert outcome.metrics["num_shards_combined"] == 0
    outcome = execute(PHASE, files=[CONFIG], values=request("third", given=THREE[:2], reuse=["first"]))
    assert outcome.metrics["num_shards_combined"] == tiny_artifacts.NUM_SHARDS
    assert outcome.artifact is not None
    assert outcome.artifact.digest != first.digest


def test_bad_requests_are_named() -> None:
    with pytest.raises(BadRequest, match="teachers: 1 entries for 3 inputs"):
        combined("few", teachers=[{"weight": 1}])
    with pytest.raises(BadRequest, match=r"teachers\.0\.weight_in_region = 2.0: .*global teacher"):
        combined("misplaced", teachers=[{"weight": 1, "weight_in_region": 2.0}, {}, {}])
    with pytest.raises(BadRequest, match=r"teachers\.0\.weight = -1"):
        combined("negative", teachers=[{"weight": -1}, {}, {}])
    with pytest.raises(BadRequest, match="no teacher is global"):
        combined("regional only", given=["logits regional"])
    logits("a", seed=7, output="logits other views")
    with pytest.raises(BadRequest, match="combined over the same views"):
        combined("mixed", given=["logits a", "logits other views"])
    logits("b", top_k=2, dense_up_to_classes=1, output="logits shallow")
    with pytest.raises(BadRequest, match="top-2: a combined top-1 wants at least top-4"):
        combined("shallow", given=["logits a", "logits shallow"], top_k=1, dense_up_to_classes=1)
    tiny_artifacts.checkpoint("older", NAMES[:5], seed=4)
    logits("older")
    with pytest.raises(BadRequest, match=r"logits older .*does not fit .*split .*global teacher knows all classes"):
        combined("two splits", given=["logits a", "logits older"])
    combined("done")
    with pytest.raises(RecipeChanged, match="top_k: 40 -> 32"):
        combined("done", top_k=32)


def test_logits_of_another_split_are_refused(world: Path) -> None:
    rows = tiny_artifacts.photos(5)
    for row in rows:
        row["number"] += 1
    tiny_artifacts.split("other split", rows)
    with pytest.raises(BadRequest, match=r"photo .* is val in this split, want train"):
        combined(inputs={"split": "other split", "teacher_logits": THREE})


def test_the_summary_carries_the_digest_of_the_classes() -> None:
    summary = json.loads(combined().file("summary.json").read_text())
    assert summary["class_index_digest"] == tiny_artifacts.class_index().digest
