from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from aplantida.data.batches import BatchSource
from aplantida.models.devices import compiler_trouble
from aplantida.training.context import LocalContext
from aplantida.training.loop import train
from aplantida.training.objectives import CrossEntropy
from aplantida.training.optimization import create_optimizer
from aplantida.training.task import TrainTask
from tests.fixtures.trainings import Killed, kill_after, result_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def undisturbed(task: TrainTask, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return result_of(task, tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_killed_after_any_step_it_goes_on_to_the_same_bytes(
    task: TrainTask, undisturbed: dict[str, bytes], tmp_path: Path, steps: int
) -> None:
    with pytest.raises(Killed):
        result_of(task, tmp_path, on_progress=kill_after(steps))
    assert not (tmp_path / "result").exists()
    kept = [int(folder.name) for folder in (tmp_path / "checkpoints").glob("[0-9]*")]
    assert result_of(task, tmp_path) == undisturbed
    summary = json.loads((tmp_path / "result/summary.json").read_text(encoding="utf-8"))
    assert summary["resumed_at_steps"] == ([max(kept)] if kept else [])


def test_a_resumed_training_does_not_start_again(task: TrainTask, tmp_path: Path) -> None:
    images: list[int] = []

    def stop(count: int, **_: Any) -> None:
        images.append(count)
        if len(images) == 8:
            raise Killed

    with pytest.raises(Killed):
        result_of(task, tmp_path, on_progress=stop)
    images.clear()
    result_of(task, tmp_path, on_progress=lambda count, **_: images.append(count))
    assert images[0] == 12 * 4  # the earlier session's: killed before epoch 2 was saved, so the checkpoint is of step 4
    assert sum(images[1:]) == 12 * (9 - 4)


def test_going_on_with_other_threads_is_said_and_noted(
    task: TrainTask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop_then_go_on(folder: Path, num_threads: int) -> dict[str, Any]:
        with pytest.raises(Killed):
            result_of(task, folder, on_progress=kill_after(5))
        train(task, LocalContext(folder, CPU, num_threads=num_threads))
        return json.loads((folder / "result/summary.json").read_text(encoding="utf-8"))

    threads = torch.get_num_threads()
    try:
        same = stop_then_go_on(tmp_path / "same", 1)
        assert (same["num_threads"], same["moved_at_steps"]) == (1, [])
        assert "equality to the bit" not in caplog.text
        other = stop_then_go_on(tmp_path / "other", 2)
    finally:
        torch.set_num_threads(threads)
    assert (other["num_threads"], other["resumed_at_steps"], other["moved_at_steps"]) == (2, [4], [4])
    said = re.search(
        r"'num_threads': 2.* from here on, .*'num_threads': 1.* equality to the bit ends after step 4", caplog.text
    )
    assert said is not None


def test_loader_threads_change_nothing(task: TrainTask, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    for workers, cache in ((2, False), (0, True)):
        plan = replace(task.batches, num_loader_workers=workers, cache_images=cache)
        assert result_of(replace(task, batches=plan), tmp_path / str(workers)) == undisturbed


def test_another_seed_gives_another_model(task: TrainTask, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    assert result_of(replace(task, seed=8), tmp_path)["model.safetensors"] != undisturbed["model.safetensors"]


def test_logit_adjustment_reaches_the_loss(task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = replace(task, epochs=1)
    plain = result_of(once, tmp_path / "plain")["model.safetensors"]
    monkeypatch.setattr(BatchSource, "log_prior", lambda _self: torch.arange(6.0))
    assert result_of(replace(once, logit_adjustment=0.0), tmp_path / "off")["model.safetensors"] == plain
    assert result_of(replace(once, logit_adjustment=1.0), tmp_path / "on")["model.safetensors"] != plain


def test_it_learns(task: TrainTask, tmp_path: Path) -> None:
    learning = replace(
        task, epochs=12, objective=CrossEntropy(), mixup_alpha=0.0, cutmix_alpha=0.0, average_decay=None,
        batches=replace(task.batches, augmentation="light"),
    )  # fmt: skip
    history = json.loads(result_of(learning, tmp_path)["history.json"])
    assert history[-1]["train_loss"] < 0.6 * history[0]["train_loss"]
    assert max(row["val_top1"] for row in history) > 2 / 6


def test_gradient_accumulation_is_the_same_gradient(task: TrainTask, tmp_path: Path) -> None:
    """Without batch norm's batch statistics, micro batches must not change the result."""
    plain = replace(
        task,
        epochs=1,
        mixup_alpha=0.0,
        cutmix_alpha=0.0,
        mixed_precision=False,
        average_decay=None,
        card=replace(task.card, architecture="test_vit", dropout=0.0),
    )
    whole = replace(plain, optimization=replace(plain.optimization, micro_batch_size=None))
    rows = [json.loads(result_of(item, tmp_path / name)["history.json"])[0] for name, item in
            {"parts": plain, "whole": whole}.items()]  # fmt: skip
    assert rows[0]["train_loss"] == pytest.approx(rows[1]["train_loss"], rel=1e-4)
    assert rows[0]["val_loss"] == pytest.approx(rows[1]["val_loss"], rel=1e-3)


def test_a_compiled_step_gives_the_same_loss_and_resumes_to_the_same_bytes(task: TrainTask, tmp_path: Path) -> None:
    plain = replace(
        task, epochs=2, average_decay=None, mixed_precision=False,
        optimization=replace(task.optimization, micro_batch_size=None),
        card=replace(task.card, dropout=0.0),  # compiled dropout draws its own numbers
    )  # fmt: skip
    fused = replace(plain, compile=True)
    trouble = compiler_trouble()
    if trouble is not None:
        with pytest.raises(ValueError, match=re.escape(trouble)):
            result_of(fused, tmp_path)
        return
    loss = {}
    for name, item in {"plain": plain, "fused": fused}.items():
        loss[name] = json.loads(result_of(item, tmp_path / name)["history.json"])[0]["train_loss"]
    assert loss["fused"] == pytest.approx(loss["plain"], rel=1e-4)

    with pytest.raises(Killed):
        result_of(fused, tmp_path / "killed", on_progress=kill_after(1))
    assert result_of(fused, tmp_path / "killed") == result_of(fused, tmp_path / "again")


def test_the_head_can_learn_alone_first(task: TrainTask, tmp_path: Path) -> None:
    settings = replace(task.optimization, head_only_epochs=1.0)
    alone = replace(task, epochs=1, average_decay=None, optimization=settings)
    before = alone.build().state_dict()
    result_of(alone, tmp_path)
    after = load_file(tmp_path / "result/model.safetensors")
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_lower_layers_can_learn_more_slowly(task: TrainTask) -> None:
    model = replace(task, card=replace(task.card, architecture="test_vit")).build()
    settings = replace(task.optimization, learning_rate=1.0, layer_decay=0.5, head_learning_rate_factor=10.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    peaks = {names[id(p)]: g["peak"] for g in create_optimizer(model, settings).param_groups for p in g["params"]}
    assert len(peaks) == len(names)
    assert peaks["head.weight"] == 10.0
    assert peaks["body.norm.weight"] == 1.0
    last = max(int(name.split(".")[2]) for name in peaks if name.startswith("body.blocks."))
    blocks = [peaks[f"body.blocks.{number}.attn.qkv.weight"] for number in range(last + 1)]
    assert all(low == 0.5 * high for low, high in pairwise(blocks))
    assert peaks["body.patch_embed.proj.weight"] == 0.5 * blocks[0]


def test_patience_ends_a_training_that_does_not_improve(task: TrainTask, tmp_path: Path) -> None:
    frozen = replace(task.optimization, learning_rate=1e-12)
    still = replace(task, epochs=9, patience=2, optimization=frozen, average_decay=0.5)
    history = json.loads(result_of(still, tmp_path)["history.json"])
    assert 3 <= len(history) < 9


def test_fine_tuning_starts_from_the_checkpoint(task: TrainTask, tmp_path: Path) -> None:
    result_of(task, tmp_path / "first")
    still = replace(task.optimization, learning_rate=1e-12)
    again = replace(task, initial=tmp_path / "first/result", optimization=still, epochs=1, seed=99)
    first = torch.nn.utils.parameters_to_vector(again.build().parameters())
    fresh = torch.nn.utils.parameters_to_vector(replace(again, initial=None).build().parameters())
    result_of(again, tmp_path / "second")
    second = replace(task, initial=tmp_path / "second/result").build()
    assert torch.allclose(first, torch.nn.utils.parameters_to_vector(second.parameters()), atol=1e-6)
    assert not torch.allclose(first, fresh, atol=1e-3)


def test_curves_go_to_tensorboard(task: TrainTask, tmp_path: Path) -> None:
    result_of(replace(task, epochs=1), tmp_path / "run", log_path=tmp_path / "log")
    assert next((tmp_path / "log/tensorboard").iterdir()).name.startswith("events.out.tfevents")


def test_a_bare_training_never_imports_ray_or_tensorflow() -> None:
    code = (
        "import sys, aplantida.distributed.launch, aplantida.training.loop\n"
        "print(sorted({'ray', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
