"""One optimizer step: forward, backward, clipping, and what to do when memory or numbers run out."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from aplantida.data.augmentation import apply_mix, draw_mix, recolor
from aplantida.data.batch import Batch
from aplantida.domain.seeds import derive_seed
from aplantida.models.devices import autocast, compiled, has_bfloat16
from aplantida.models.inference import normalize
from aplantida.models.memory import is_out_of_memory
from aplantida.models.zoo import PlantModel
from aplantida.training.buffers import Buffers
from aplantida.training.context import TrainContext
from aplantida.training.depthwise import prefer_float32
from aplantida.training.meters import Meter
from aplantida.training.optimization import (
    create_optimizer,
    forget_half_made,
    make_room_for_momentum,
    set_learning_rate,
)
from aplantida.training.task import TrainTask

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Norm:
    """A gradient's norm on its way to this process.

    Attributes:
        at: epoch and batch of its step, from 0.
        value: in memory of the host.
        arrived: None on a CPU.
    """

    at: tuple[int, int]
    value: torch.Tensor
    arrived: torch.cuda.Event | None

    def read(self) -> float:
        """Wait for it."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return float(self.value)


class Stepper:
    """Moves a model's weights.

    This process runs ahead of the device and waits for it once a step: for the norm of the step before. Whether a
    gradient is finite is decided on the device, where the optimizer can (AdamW's fused kernel).

    Attributes:
        meter: losses and hits of the running epoch.
        bad_steps: steps that were skipped because their gradient was not finite.
        micro_batch_size: photos per forward pass.
    """

    def __init__(
        self, task: TrainTask, context: TrainContext, model: PlantModel, log_prior: torch.Tensor | None
    ) -> None:
        self._task, self._context, self._model, self._log_prior = task, context, model, log_prior
        if context.device.type == "cpu" and task.mixed_precision and has_bfloat16(context.device):
            prefer_float32(model)
        self._buffers = Buffers(model)
        self._wrapped = compiled(context.prepare(model)) if task.compile else context.prepare(model)
        self._optimizer = create_optimizer(model, task.optimization)
        self._decides_on_device = isinstance(self._optimizer, torch.optim.AdamW)
        self._parameters, self._body_parameters = list(model.parameters()), list(model.body.parameters())
        self._at, self._head_only = (0, 0), False
        self._has_room = False
        self._norm: _Norm | None = None
        settings = task.optimization
        self.meter = Meter(context.device)
        self.bad_steps = 0
        self.micro_batch_size = settings.micro_batch_size or settings.global_batch_size // context.world_size

    def train(self) -> None:
        """Dropout and batch norm as in training, after an evaluation."""
        self._wrapped.train()
        self._model.head_only = self._head_only = False

    def settle(self) -> None:
        """Wait for the last step, and see whether its gradient was finite.

        Raises:
            FloatingPointError: when it was one too many that was not.
        """
        last, self._norm = self._norm, None
        if last is not None and not math.isfinite(norm := last.read()):
            self._count_bad_step(norm, last.at)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; asked on every worker."""
        self.settle()
        return {
            "optimizer": self._optimizer.state_dict(),
            "meter": self._context.gathered(self.meter.sums),
            "bad_steps": self.bad_steps,
            "micro_batch_size": self.micro_batch_size,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._optimizer.load_state_dict(state["optimizer"])
        by_rank = state["meter"].reshape(-1, len(self.meter.sums))
        if len(by_rank) == self._context.world_size:
            self.meter.sums.copy_(by_rank[self._context.rank])
        elif self._context.rank == 0:  # another number of workers summed: the first takes all of it over
            self.meter.sums.copy_(by_rank.sum(dim=0))
        self.bad_steps, self.micro_batch_size = state["bad_steps"], state["micro_batch_size"]

    def step(self, batch: Batch, at: tuple[int, int], rate_factor: float, head_only: bool) -> None:
        """One step. A gradient that is not finite is no step; a batch that does not fit is halved until it does.

        Args:
            batch: this worker's part of the global batch, on the device.
            at: epoch and batch, from 0; whatever is drawn is drawn from them.
            rate_factor: part of the peak learning rate.
            head_only: leave the body as it is, its batch norms' statistics too.
        """
        self._at = at
        if head_only != self._head_only:
            self._model.body.train(not head_only)
            self._model.head_only = head_only and self._context.world_size == 1  # several exchange all gradients
            self._head_only, self._has_room = head_only, False
        set_learning_rate(self._optimizer, rate_factor)
        self._buffers.keep()
        sums = self.meter.sums.clone()
        norm: torch.Tensor | None = None
        while norm is None:
            trouble = ""
            try:
                norm = self._gradients(batch, head_only)
                self._make_room()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                norm, trouble = None, str(error)
            if norm is None:  # not in the except clause: while that lasts, its traceback holds the activations
                self._take_back(sums)
                self._halve_micro_batch(trouble)
        good = torch.isfinite(norm)
        self._move(good)
        self._buffers.take_back_unless(good)
        self.meter.take_back_unless(good, sums)
        self.settle()  # the step before this one: the device has this one to do meanwhile
        self._norm = self._sent(norm)

    def _move(self, good: torch.Tensor) -> None:
        """Let the optimizer move the weights where the gradient is finite.

        It has its memory by then (:meth:`_make_room`). Out of memory could not be taken back here: some groups of
        weights would have moved, and to keep all as they were would take their memory once more.
        """
        if self._decides_on_device:
            self._optimizer.found_inf = (~good).float()  # pyright: ignore[reportAttributeAccessIssue]
            self._optimizer.step()
        elif bool(good):
            self._optimizer.step()

    def _make_room(self) -> None:
        """What an optimizer takes in its first step it takes here, and moves nothing, so that it can be tried again."""
        if self._has_room:
            return
        if self._decides_on_device:
            self._move(torch.zeros((), dtype=torch.bool, device=self._context.device))  # a step that moves nothing
        else:
            make_room_for_momentum(self._optimizer)
        self._has_room = True

    def _sent(self, norm: torch.Tensor) -> _Norm:
        """The norm, on its way here."""
        if norm.device.type != "cuda":
            return _Norm(self._at, norm, None)
        value = torch.empty((), dtype=norm.dtype, pin_memory=True)
        value.copy_(norm, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        return _Norm(self._at, value, arrived)

    def _gradients(self, batch: Batch, head_only: bool) -> torch.Tensor:
        """Gradients of the mean loss over the batch, clipped; returns their norm before it was clipped."""
        task, settings = self._task, self._task.optimization
        seed = derive_seed(task.seed, "step", *self._at, self._context.rank)
        torch.manual_seed(seed)
        self._optimizer.zero_grad(set_to_none=True)
        parts = batch.split(self.micro_batch_size)
        for number, part in enumerate(parts):
            waits = number < len(parts) - 1 and hasattr(self._wrapped, "no_sync")
            with self._wrapped.no_sync() if waits else nullcontext():  # pyright: ignore[reportCallIssue]
                loss = self._loss(part, derive_seed(seed, "mix", number))
                (loss * (len(part) / len(batch))).backward()
        if head_only:
            for parameter in self._body_parameters:
                parameter.grad = None
        limit = math.inf if settings.gradient_clip is None else settings.gradient_clip
        return torch.nn.utils.clip_grad_norm_(self._parameters, limit)

    def _take_back(self, sums: torch.Tensor) -> None:
        """Forget a step: what it counted, its gradients, what batch norm learned of it, moments that are half made."""
        self.meter.sums.copy_(sums)
        self._optimizer.zero_grad(set_to_none=True)
        self._buffers.take_back()
        if self._decides_on_device:
            forget_half_made(self._optimizer)

    def _halve_micro_batch(self, trouble: str) -> None:
        """Train on half as many photos at a time; the batch per step, and so the result, stays what it was.

        Args:
            trouble: what torch said of the memory.
        """
        if self.micro_batch_size == 1 or self._context.world_size > 1:
            raise torch.OutOfMemoryError(
                f"out of memory with {self.micro_batch_size} photos at a time on each of {self._context.world_size} "
                f"workers: set training.micro_batch_size lower, or data.image_size ({trouble})"
            )
        self.micro_batch_size = (self.micro_batch_size + 1) // 2
        if self._context.device.type == "cuda":
            torch.cuda.empty_cache()
        _log.warning(
            "out of memory: going on with %d photos at a time, %d a step as before",
            self.micro_batch_size,
            self._task.optimization.global_batch_size,
        )

    def _count_bad_step(self, norm: float, at: tuple[int, int]) -> None:
        self.bad_steps += 1
        _log.warning(
            "epoch %d, step %d: gradient norm %s, step skipped (%d so far, at most %d)",
            *(at[0] + 1, at[1] + 1, norm, self.bad_steps, self._task.max_bad_steps),
        )
        if self.bad_steps > self._task.max_bad_steps:
            raise FloatingPointError(
                f"{self.bad_steps} steps without a finite gradient, the last one in epoch {at[0] + 1}: lower "
                "training.learning_rate or set training.gradient_clip"
            )

    def _loss(self, batch: Batch, seed: int) -> torch.Tensor:
        """The mean loss of a (micro) batch on the device; mixing mixes the losses of the two targets."""
        task, objective = self._task, self._task.objective
        mix = draw_mix(len(batch), mixup_alpha=task.mixup_alpha, cutmix_alpha=task.cutmix_alpha, seed=seed)
        mix = None if mix is None else mix.to(batch.labels.device)
        pixels = batch.pixels if batch.colors is None else recolor(batch.pixels, batch.colors)
        photos = normalize(pixels, task.card.preprocessing)
        with autocast(self._context.device, task.mixed_precision):
            logits = self._wrapped(photos if mix is None else apply_mix(photos, mix))
        logits = logits.float()
        loss = objective(logits, batch.labels, batch.soft, self._log_prior)
        if mix is not None:
            soft = None if batch.soft is None else batch.soft.take(mix.partner)
            other = objective(logits, batch.labels[mix.partner], soft, self._log_prior)
            loss = mix.weight * loss + (1.0 - mix.weight) * other
        self.meter.add(loss, logits, batch.labels)
        return loss
