"""What goes wrong in a training, and what it says then."""

from __future__ import annotations

import json
import logging
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from aplantida.models.inference import normalize
from aplantida.models.zoo import PlantModel
from aplantida.training.task import TrainTask
from tests.fixtures.trainings import result_of


def test_a_batch_that_does_not_fit_is_halved_to_the_same_result(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = task.optimization
    small = result_of(replace(task, optimization=replace(settings, micro_batch_size=3)), tmp_path / "small")
    forward, too_large = PlantModel.forward, []
    freed: list[bool] = []

    def tight(model: PlantModel, photos: torch.Tensor) -> torch.Tensor:
        logits = forward(model, photos)  # batch norm has seen them when it is too late
        if model.training and len(photos) > 5:
            too_large.append(weakref.ref(logits))
            raise torch.OutOfMemoryError("no room")
        return logits

    def look(record: logging.LogRecord) -> bool:
        if "out of memory" in record.msg:
            freed.append(too_large[-1]() is None)
        return True

    monkeypatch.setattr(PlantModel, "forward", tight)
    caplog.handler.addFilter(look)  # of a handler that all tests share
    try:
        whole = replace(task, optimization=replace(settings, micro_batch_size=None))
        assert result_of(whole, tmp_path / "halved") == small
    finally:
        caplog.handler.removeFilter(look)
    assert [record.args for record in caplog.records if "out of memory" in record.msg] == [(6, 12), (3, 12)]
    assert freed == [True, True], "the batch that did not fit was still held when its memory was to be given back"
    assert json.loads((tmp_path / "halved/result/summary.json").read_text())["micro_batch_size"] == 3


def test_when_not_even_one_photo_fits_it_says_what_to_do(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = PlantModel.forward

    def full(model: PlantModel, photos: torch.Tensor) -> torch.Tensor:
        if photos.is_meta:  # to count operations takes no memory
            return forward(model, photos)
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(PlantModel, "forward", full)
    with pytest.raises(torch.OutOfMemoryError, match=r"with 1 photos .* set training\.micro_batch_size.*\(no room\)"):
        result_of(task, tmp_path)


def test_a_step_without_a_finite_gradient_is_skipped_and_counted(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def spoiled(pixels: torch.Tensor, preprocessing: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        photos = normalize(pixels, preprocessing)
        return photos * float("nan") if calls in (3, 4) else photos  # both halves of the second step

    monkeypatch.setattr("aplantida.training.step.normalize", spoiled)
    result_of(task, tmp_path / "one")
    assert json.loads((tmp_path / "one/result/summary.json").read_text())["skipped_steps"] == 1
    state = load_file(tmp_path / "one/result/model.safetensors")
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    calls = 0
    with pytest.raises(FloatingPointError, match=r"1 steps without a finite gradient.*training\.learning_rate"):
        result_of(replace(task, max_bad_steps=0), tmp_path / "none")


def test_compiling_without_a_compiler_is_refused(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match=r"training\.compile: true wants a C\+\+ compiler, and there is no no-such"):
        result_of(replace(task, compile=True), tmp_path)


def test_a_loss_that_explodes_is_named(task: TrainTask, tmp_path: Path) -> None:
    wild = replace(task.optimization, optimizer="sgd", learning_rate=1e30, gradient_clip=None, warmup_epochs=0.0)
    with pytest.raises(FloatingPointError, match=r"training\.learning_rate"):
        result_of(replace(task, optimization=wild), tmp_path)


def test_a_batch_larger_than_the_split_is_refused(task: TrainTask, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="37 is larger than the 36 train photos"):
        result_of(replace(task, optimization=replace(task.optimization, global_batch_size=37)), tmp_path)
