"""The one training loop. Teachers, distillation and fine-tuning are three :class:`TrainTask`.

A checkpoint holds model, moving average, optimizer, position in the data, sums of the running epoch, and the best model
so far. The schedule is a function of the step, and everything random in a step is seeded by (seed, epoch, batch, rank):
a training killed at any step and continued gives bit-equal weights (at equal ``num_threads``).
"""

from __future__ import annotations

import copy
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tensorboardX import SummaryWriter

from aplantida.data.batch import Batch
from aplantida.data.batches import BatchSource
from aplantida.domain.memory import give_back_freed_memory
from aplantida.models.checkpoint import save_checkpoint
from aplantida.models.devices import autocast, make_repeatable
from aplantida.models.inference import normalize
from aplantida.models.memory import Portions
from aplantida.models.speed import peak_flops, training_flops
from aplantida.models.zoo import PlantModel
from aplantida.training.checkpoints import beside, settle
from aplantida.training.context import TrainContext
from aplantida.training.feed import Feed
from aplantida.training.meters import Meter, Stopwatch
from aplantida.training.optimization import (
    MovingAverage,
    learning_rate_factor,
)
from aplantida.training.step import Stepper
from aplantida.training.task import TrainTask

RESULT = "result"
HISTORY_FILE = "history.json"
SUMMARY_FILE = "summary.json"
_VAL_BATCH = 128
_log = logging.getLogger(__name__)
State = dict[str, torch.Tensor]


@dataclass
class _Best:
    """The best epoch so far; ``state`` lies on the CPU."""

    epoch: int = -1
    top1: float = -1.0
    loss: float = math.inf
    state: State | None = None


def train(task: TrainTask, context: TrainContext) -> Path:
    """Train to the end, from the newest checkpoint if there is one.

    Returns:
        The folder (written by rank 0, complete once it exists) with the checkpoint's files, ``history.json`` and
        ``summary.json`` (speed and best epoch).

    Raises:
        ValueError: when data, model and initial weights do not fit together, or a compiler is wanted and there is none.
        FloatingPointError: when too many gradients are not finite.
        torch.OutOfMemoryError: when not even one photo fits, or several workers train.
    """
    result = context.folder / RESULT
    if not result.exists():
        training = Training(task, context)
        training.run()
        if context.rank == 0:
            training.write(result)
        del training
        give_back_freed_memory()
    return result


class Training:
    """A training in progress."""

    def __init__(self, task: TrainTask, context: TrainContext) -> None:
        make_repeatable()
        self._task = task
        self._context = context
        self._source = BatchSource(task.batches)
        batch_size = task.optimization.global_batch_size
        if batch_size % context.world_size:
            raise ValueError(f"batch size {batch_size} cannot be shared by {context.world_size} workers")
        self._num_batches = self._source.batches_per_epoch(batch_size)
        self._model: PlantModel = task.build().to(context.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        tau = task.logit_adjustment
        log_prior = tau * self._source.log_prior().to(context.device) if tau else None
        self._stepper = Stepper(task, context, self._model, log_prior)
        self._average = None if task.average_decay is None else MovingAverage(self._model, task.average_decay)
        self._evaluated = self._model if self._average is None else copy.deepcopy(self._model)
        self._epoch, self._batch = 0, 0
        self._best = _Best()
        self._portions = Portions(_VAL_BATCH)
        self._history: list[dict[str, float]] = []
        self._resumed_at: list[int] = []
        self._moved_at: list[int] = []
        size = task.batches.train_image_size or task.card.preprocessing.image_size
        flops = training_flops(self._model, size)
        peak = peak_flops(context.device, task.mixed_precision, context.num_threads)
        self._watch = Stopwatch(context.device, flops, peak, context.world_size)
        latest = context.latest()
        if latest is not None:
            self._restore(torch.load(latest, map_location="cpu", weights_only=True))

    def run(self) -> None:
        """Train until the last epoch or until patience ends."""
        writer = None
        if self._context.rank == 0 and self._context.log_path is not None:
            writer = SummaryWriter(str(self._context.log_path / "tensorboard"))
        if self._step:  # an earlier session's work, so that what is left is known
            self._context.progress(self._step * self._task.optimization.global_batch_size)
        while not self._finished:
            row = self.run_epoch()
            if writer is not None:
                for name, value in row.items():
                    writer.add_scalar(name, value, len(self._history))
                for name, value in asdict(self._watch.epochs[-1]).items():
                    writer.add_scalar(f"speed/{name}", value, len(self._history))
                writer.flush()
            if self._epoch % self._task.save_every_epochs == 0 or self._finished:
                self._context.save(self._state(), self._step, row)
        if writer is not None:
            writer.close()

    def run_epoch(self) -> dict[str, float]:
        """Train to the end of the epoch that has begun, and evaluate; returns the history's row of it."""
        self._train_epoch()
        return self._close_epoch()

    def write(self, folder: Path) -> None:
        """Write the result beside, then put it in its place."""
        temporary = beside(folder)
        state = self._best.state if self._task.keep_best else None
        save_checkpoint(temporary, state or self._kept_state(), self._task.card)
        _write_json(temporary / HISTORY_FILE, self._history)
        summary = {
            "best_epoch": self._best.epoch + 1,
            "epochs": len(self._history),
            "val_top1": self._best.top1 if self._task.keep_best else self._history[-1]["val_top1"],
            "train_photos": len(self._source.train_photos),
            "val_photos": len(self._source.val_photos),
            **asdict(self._watch.whole),
            "speed_by_epoch": [asdict(speed) for speed in self._watch.epochs],
            "skipped_steps": self._stepper.bad_steps,
            "resumed_at_steps": self._resumed_at,
            "moved_at_steps": self._moved_at,
            "micro_batch_size": self._stepper.micro_batch_size,
            "num_threads": self._context.num_threads,
            "device": self._context.device.type,
        }
        _write_json(temporary / SUMMARY_FILE, summary)
        settle(temporary, folder, self._context.check)

    @property
    def _finished(self) -> bool:
        patience = self._task.patience
        stale = patience is not None and self._best.epoch >= 0 and self._epoch - 1 - self._best.epoch >= patience
        return self._batch == 0 and (self._epoch >= self._task.epochs or stale)

    @property
    def _step(self) -> int:
        return self._epoch * self._num_batches + self._batch

    def _train_epoch(self) -> None:
        context, task = self._context, self._task
        self._stepper.train()
        stream = self._source.train(
            self._epoch,
            global_batch_size=task.optimization.global_batch_size,
            start=self._batch,
            rank=context.rank,
            world_size=context.world_size,
            pin=context.device.type == "cuda",
        )
        feed = Feed(stream, context.device)
        self._watch.begin()
        for batch in feed:
            epochs = (self._step + 0.5) / self._num_batches
            head_only = epochs < task.optimization.head_only_epochs
            self._stepper.step(batch, (self._epoch, self._batch), self._rate_factor(self._step), head_only)
            if self._average is not None:
                self._average.update(self._step)
            self._batch += 1
            self._watch.add(task.optimization.global_batch_size, feed.waited)
            context.progress(
                task.optimization.global_batch_size, epoch=f"{self._epoch + 1}/{task.epochs}", **self._watch.now.told()
            )
            every = task.save_every_steps
            if every and self._step % every == 0 and self._batch < self._num_batches:
                context.save(self._state(), self._step, {"epoch": self._epoch})
        self._stepper.settle()
        self._watch.end()

    def _rate_factor(self, step: int) -> float:
        settings = self._task.optimization
        return learning_rate_factor(
            step,
            num_steps=self._task.epochs * self._num_batches,
            warmup_steps=round(settings.warmup_epochs * self._num_batches),
            final_fraction=settings.final_learning_rate_fraction,
        )

    def _close_epoch(self) -> dict[str, float]:
        """Evaluate, note the epoch, remember the best model, and step on."""
        self._context.total(self._stepper.meter.sums)
        if self._stepper.meter.num_photos == 0:
            raise FloatingPointError(
                f"no step of epoch {self._epoch + 1} had a finite gradient: lower training.learning_rate "
                "or set training.gradient_clip"
            )
        trained = self._stepper.meter.means()
        measured = self._evaluate()
        row = {
            "epoch": self._epoch + 1,
            "learning_rate": self._task.optimization.learning_rate * self._rate_factor(self._step - 1),
            **{f"train_{name}": value for name, value in trained.items()},
            **{f"val_{name}": value for name, value in measured.items()},
        }
        self._history.append(row)
        if (measured["top1"], -measured["loss"]) > (self._best.top1, -self._best.loss):
            self._best = _Best(self._epoch, measured["top1"], measured["loss"], self._kept_state())
        self._epoch, self._batch = self._epoch + 1, 0
        self._stepper.meter = Meter(self._context.device)
        self._context.progress(
            0, val_top1=f"{measured['top1']:.3f}", loss=f"{trained['loss']:.3f}", best=f"{self._best.top1:.3f}"
        )
        return row

    @torch.no_grad()
    def _evaluate(self) -> dict[str, float]:
        if self._average is not None:
            self._evaluated.load_state_dict(self._average.state)
        self._context.share_buffers(self._evaluated)
        self._evaluated.eval()
        meter = Meter(self._context.device)
        pin = self._context.device.type == "cuda"
        stream = self._source.val(_VAL_BATCH, rank=self._context.rank, world_size=self._context.world_size, pin=pin)
        for batch in Feed(stream, self._context.device):
            logits = torch.cat(self._portions.work(len(batch), partial(self._scored, batch)))
            meter.add(torch.nn.functional.cross_entropy(logits, batch.labels), logits, batch.labels)
        self._context.total(meter.sums)
        return meter.means()

    def _scored(self, batch: Batch, rows: slice) -> torch.Tensor:
        with autocast(self._context.device, self._task.mixed_precision):
            logits = self._evaluated(normalize(batch.pixels[rows], self._task.card.preprocessing))
        return logits.float()

    def _kept_state(self) -> State:
        state = self._model.state_dict() if self._average is None else self._average.state
        return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}

    def _state(self) -> dict[str, Any]:
        return {
            "epoch": self._epoch,
            "batch": self._batch,
            "model": self._model.state_dict(),
            "average": None if self._average is None else self._average.state,
            "step": self._stepper.state(),
            "best": vars(self._best),
            "history": self._history,
            "resumed_at": self._resumed_at,
            "moved_at": self._moved_at,
            "place": self._context.place,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._epoch, self._batch = state["epoch"], state["batch"]
        self._model.load_state_dict(state["model"])
        if self._average is not None:
            for name, value in state["average"].items():
                self._average.state[name].copy_(value)
        self._stepper.restore(state["step"])
        self._best = _Best(**state["best"])
        self._history = state["history"]
        self._resumed_at = [*state["resumed_at"], self._step]
        _log.info("going on after step %d of %d", self._step, self._task.epochs * self._num_batches)
        self._moved_at = state.get("moved_at", [])
        now, before = self._context.place, state.get("place", self._context.place)
        if now != before:
            self._moved_at.append(self._step)
            _log.warning("%s from here on, %s before: equality to the bit ends after step %d", now, before, self._step)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
