"""One optimizer step: forward, backward, clipping, and what to do when memory or numbers run out."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch

from aplantida.data.augmentation import apply_mix, draw_mix, recolor
from aplantida.data.batch import Batch
from aplantida.domain.seeds import derive_seed
from aplantida.models.devices import autocast, compiled, has_bfloat16
from aplantida.models.inference import normalize
from aplantida.models.zoo import PlantModel
from aplantida.training.context import TrainContext
from aplantida.training.depthwise import prefer_float32
from aplantida.training.meters import Meter
from aplantida.training.optimization import create_optimizer, set_learning_rate
from aplantida.training.task import TrainTask

_log = logging.getLogger(__name__)


class Stepper:
    """Moves a model's weights.

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
        self._wrapped = compiled(context.prepare(model)) if task.compile else context.prepare(model)
        self._optimizer = create_optimizer(model, task.optimization)
        self._buffers = list(model.buffers())
        self._buffers_before = [value.clone() for value in self._buffers]
        self._at = (0, 0)
        settings = task.optimization
        self.meter = Meter(context.device)
        self.bad_steps = 0
        self.micro_batch_size = settings.micro_batch_size or settings.global_batch_size // context.world_size

    def train(self) -> None:
        """Dropout and batch norm as in training, after an evaluation."""
        self._wrapped.train()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; asked on every worker."""
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
            batch: this worker's part of the global batch.
            at: epoch and batch, from 0; whatever is drawn is drawn from them.
            rate_factor: part of the peak learning rate.
            head_only: leave the body as it is, its batch norms' statistics too.
        """
        self._at = at
        self._model.body.train(not head_only)
        self._model.head_only = head_only and self._context.world_size == 1  # several exchange all gradients
        set_learning_rate(self._optimizer, rate_factor)
        if self._buffers:
            torch._foreach_copy_(self._buffers_before, self._buffers)
        sums = self.meter.sums.clone()
        on_device = batch.to(self._context.device)
        norm: torch.Tensor | None = None
        while norm is None:
            trouble = ""
            try:
                norm = self._gradients(on_device, head_only)
            except torch.OutOfMemoryError as error:
                trouble = str(error)
            if norm is None:  # not in the except clause: while that lasts, its traceback holds the activations
                self._take_back(sums)
                self._halve_micro_batch(trouble)
        if torch.isfinite(norm):
            self._optimizer.step()
        else:
            self._take_back(sums)
            self._count_bad_step(float(norm))

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
            for parameter in self._model.body.parameters():
                parameter.grad = None
        limit = math.inf if settings.gradient_clip is None else settings.gradient_clip
        return torch.nn.utils.clip_grad_norm_(self._model.parameters(), limit)

    def _take_back(self, sums: torch.Tensor) -> None:
        """Forget a step: what it counted, its gradients, and what batch norm learned of it."""
        self.meter.sums.copy_(sums)
        self._optimizer.zero_grad(set_to_none=True)
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._buffers_before)

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

    def _count_bad_step(self, norm: float) -> None:
        self.bad_steps += 1
        _log.warning(
            "epoch %d, step %d: gradient norm %s, step skipped (%d so far, at most %d)",
            *(self._at[0] + 1, self._at[1] + 1, norm, self.bad_steps, self._task.max_bad_steps),
        )
        if self.bad_steps > self._task.max_bad_steps:
            raise FloatingPointError(
                f"{self.bad_steps} steps without a finite gradient, the last one in epoch {self._at[0] + 1}: lower "
                "training.learning_rate or set training.gradient_clip"
            )

    def _loss(self, batch: Batch, seed: int) -> torch.Tensor:
        """The mean loss of a (micro) batch on the device; mixing mixes the losses of the two targets."""
        task, objective = self._task, self._task.objective
        mix = draw_mix(len(batch), mixup_alpha=task.mixup_alpha, cutmix_alpha=task.cutmix_alpha, seed=seed)
        pixels = batch.pixels if batch.colors is None else recolor(batch.pixels, batch.colors)
        photos = normalize(pixels, task.card.preprocessing)
        with autocast(self._context.device, task.mixed_precision):
            logits = self._wrapped(photos if mix is None else apply_mix(photos, mix))
        logits = logits.float()
        loss = objective(logits, batch.labels, batch.soft, self._log_prior)
        if mix is not None:
            partner = mix.partner.to(batch.labels.device)
            soft = None if batch.soft is None else batch.soft.take(partner)
            other = objective(logits, batch.labels[partner], soft, self._log_prior)
            loss = mix.weight * loss + (1.0 - mix.weight) * other
        self.meter.add(loss, logits, batch.labels)
        return loss
