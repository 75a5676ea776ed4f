"""A training runs ahead of its device: it waits for it once a step, and for the step before."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from aplantida.models.inference import normalize
from aplantida.models.memory import Portions, is_out_of_memory
from aplantida.training import feed
from aplantida.training.context import LocalContext
from aplantida.training.loop import Training
from aplantida.training.objectives import Distillation
from aplantida.training.optimization import make_room_for_momentum
from aplantida.training.step import Stepper
from aplantida.training.task import TrainTask
from tests.fixtures.trainings import result_of

CPU = torch.device("cpu")
# on a GPU each of these waits until all that was asked for before is done: reading a value, sizes that depend on values
WAITING = {
    "_local_scalar_dense",
    "is_nonzero",
    "item",
    "equal",
    "nonzero",
    "masked_select",
    "unique_dim",
    "_unique2",
    "repeat_interleave",
}


class Waits(TorchDispatchMode):
    """Counts the calls that would wait for a GPU, whoever makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masked = name in ("index", "index_put_") and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool for index in args[1]
        )
        if name in WAITING or masked:
            self.seen[name] += 1
        return func(*args, **(kwargs or {}))


def waits_of(training: Training) -> Counter[str]:
    """And tensors made from Python's numbers, which a GPU would be waited for to take over."""
    with Waits() as waits, pytest.MonkeyPatch.context() as patch:
        for name in ("tensor", "as_tensor"):
            patch.setattr(torch, name, _after(getattr(torch, name), lambda name=name: waits.seen.update([name])))
        training._train_epoch()
    return waits.seen


@pytest.mark.parametrize("distance", [None, "kd", "dkd", "dist", "js"])
def test_a_step_waits_once(task: TrainTask, tmp_path: Path, distance: Any) -> None:
    if distance is not None:
        objective = Distillation(2.0, 0.5, distance=distance)
        logits = torch.randn(12, 6, generator=torch.Generator().manual_seed(3))
        task = replace(task, objective=_WithTeacher(objective, logits))  # pyright: ignore[reportArgumentType]
    many = replace(task, save_every_steps=None, logit_adjustment=1.0)
    training = Training(many, LocalContext(tmp_path, CPU, num_threads=1))
    waits_of(training)  # constants are made in the first epoch
    training._close_epoch()
    assert waits_of(training) == {"_local_scalar_dense": 3}, "three steps: each reads the norm of the one before"


class _WithTeacher:
    """An objective over soft labels for batches that bring none."""

    def __init__(self, objective: Distillation, logits: torch.Tensor) -> None:
        from aplantida.data.soft_labels import SoftTargets

        values, indices = logits.topk(3, dim=1)
        self._soft = SoftTargets(values, indices, logits[:, 0].clone())
        self._objective = objective

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor, _soft: Any, prior: Any) -> torch.Tensor:
        return self._objective(logits, labels, self._soft.take(slice(0, len(labels))), prior)


def test_the_norm_that_is_read_is_the_step_befores(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the last one's before anything is kept or told."""
    training = Training(task, LocalContext(tmp_path, CPU, num_threads=1))
    steps: list[int] = []
    original = Stepper._count_bad_step

    def count(self: Stepper, norm: float, at: tuple[int, int]) -> None:
        steps.append(at[1])
        original(self, norm, at)

    monkeypatch.setattr(Stepper, "_count_bad_step", count)
    monkeypatch.setattr("aplantida.training.step.normalize", _spoiling(lambda call: call >= 2))
    training._train_epoch()
    assert steps == [1, 2]  # two micro batches a step: the first was good
    assert training._stepper.state()["bad_steps"] == 2
    for value in training._model.state_dict().values():
        assert bool(torch.isfinite(value).all())
    assert training._stepper.meter.num_photos == 12
    assert math.isfinite(training._stepper.meter.means()["loss"])


def _spoiling(when: Callable[[int], bool]) -> Callable[..., torch.Tensor]:
    calls = iter(range(1000))

    def spoiled(pixels: torch.Tensor, preprocessing: Any) -> torch.Tensor:
        photos = normalize(pixels, preprocessing)
        return photos * float("nan") if when(next(calls)) else photos

    return spoiled


SAYINGS = {
    "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    "driver": RuntimeError("CUDA error: out of memory"),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "cuDNN 8": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    "cuDNN 9": RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    "no engine": RuntimeError("GET was unable to find an engine to execute this computation"),
    "cuSOLVER": RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"),
    "cuFFT": RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    "driver's code": RuntimeError("CUDA driver error: CUDA_ERROR_OUT_OF_MEMORY"),
    "HIP": RuntimeError("hipErrorOutOfMemory"),
    "C++": RuntimeError("std::bad_alloc"),
    "host": RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
}


@pytest.mark.parametrize("who", SAYINGS)
def test_whoever_says_that_memory_is_out_is_understood(who: str) -> None:
    assert is_out_of_memory(SAYINGS[who])
    seen: list[int] = []

    def work(rows: slice) -> range:
        seen.append(rows.stop - rows.start)
        if rows.stop - rows.start > 3:
            raise SAYINGS[who]
        return range(rows.start, rows.stop)

    portions = Portions(8)
    assert [row for rows in portions.work(10, work) for row in rows] == list(range(10))
    assert (seen, portions.size) == ([8, 4, 2, 2, 2, 2, 2], 2)
    with pytest.raises(torch.OutOfMemoryError, match="a single photo"):
        Portions(4).work(4, lambda _: (_ for _ in ()).throw(SAYINGS[who]))


def test_another_error_is_not_taken_for_it() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))
    with pytest.raises(RuntimeError, match="shapes"):
        Portions(4).work(4, lambda _: (_ for _ in ()).throw(RuntimeError("shapes")))


@pytest.mark.parametrize("where", ["forward", "backward", "optimizer", "evaluation"])
def test_out_of_memory_anywhere_goes_on_with_less(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    whole = replace(task, optimization=replace(task.optimization, micro_batch_size=None), epochs=1)
    training = Training(whole, LocalContext(tmp_path, CPU, num_threads=1))
    failing = iter([True])

    def once() -> None:
        if next(failing, False):
            raise SAYINGS["cuBLAS"]

    if where == "optimizer":
        step = training._stepper._optimizer.step
        monkeypatch.setattr(training._stepper._optimizer, "step", lambda: (step(), once())[0])
    elif where == "backward":
        monkeypatch.setattr(torch.Tensor, "backward", _after(torch.Tensor.backward, once))
    else:
        name = "aplantida.training.step.normalize" if where == "forward" else "aplantida.training.loop.normalize"
        monkeypatch.setattr(name, _after(normalize, once))
    row = training.run_epoch()
    assert math.isfinite(row["train_loss"])
    if where == "evaluation":
        assert training._portions.size == 6  # of the twelve that were tried
    else:
        assert training._stepper.micro_batch_size == 6
    assert next(failing, None) is None
    moments = {int(state["step"]) for state in training._stepper._optimizer.state.values()}
    assert moments == {3}, "a step that was tried twice counts once"


@pytest.mark.parametrize(("optimizer", "makes"), [("adamw", "zeros_like"), ("sgd", "full_like"), ("sgd", "empty_like")])
def test_moments_that_did_not_fit_are_made_again(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Any, makes: str
) -> None:
    """Memory may run out between the first and the second moment of a weight."""
    settings = replace(task.optimization, optimizer=optimizer, micro_batch_size=6)
    halved = replace(task, optimization=settings, epochs=1)
    small = result_of(halved, tmp_path / "small")
    whole = replace(halved, optimization=replace(settings, micro_batch_size=None))
    made, original = 0, getattr(torch, makes)

    def tight(like: torch.Tensor, *args: Any, **more: Any) -> torch.Tensor:
        nonlocal made
        made += isinstance(like, torch.nn.Parameter)
        if made == 6 and isinstance(like, torch.nn.Parameter):
            raise torch.OutOfMemoryError("no room")
        return original(like, *args, **more)

    monkeypatch.setattr(torch, makes, tight)
    assert result_of(whole, tmp_path / "halved") == small
    assert made > 6


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_momentum_that_has_its_room_already_is_the_same_to_the_bit(momentum: float) -> None:
    draw, states = torch.Generator().manual_seed(5), []
    weights, gradients = torch.randn(2, 8, generator=draw), torch.randn(3, 2, 8, generator=draw)
    gradients[:, 0, :2] = torch.tensor([0.0, -0.0])
    for early in (False, True):
        parameter, idle = torch.nn.Parameter(weights.clone()), torch.nn.Parameter(weights.clone())
        groups = {"params": [parameter, idle]}
        optimizer = torch.optim.SGD([groups], lr=0.1, momentum=momentum, weight_decay=0.1, nesterov=momentum > 0)
        for gradient in gradients:
            parameter.grad = gradient.clone()
            if early:
                make_room_for_momentum(optimizer)
            optimizer.step()
        kept = [parameter, *optimizer.state[parameter].values()]
        states.append([tensor.detach().numpy().tobytes() for tensor in kept if tensor is not None])
        assert not optimizer.state[idle]
    assert states[0] == states[1]


def test_feeds_share_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a batch's memory was freed for is its stream: with another one each time, it would grow epoch by epoch."""
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: [device])
    monkeypatch.setattr(feed, "_copy_stream", cache(feed._copy_stream.__wrapped__))
    first, second = (feed.Feed(iter([]), torch.device("cuda")) for _ in range(2))
    assert first._stream is second._stream is not None
    assert feed.Feed(iter([]), torch.device("cuda", 1))._stream is not first._stream
    assert feed.Feed(iter([]), CPU)._stream is None


def _after(call: Callable[..., Any], first: Callable[[], None]) -> Callable[..., Any]:
    def both(*args: Any, **more: Any) -> Any:
        first()
        return call(*args, **more)

    return both
