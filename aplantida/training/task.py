"""What to train: plain values and paths, so that a task travels to any worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from aplantida.data.batches import BatchPlan
from aplantida.domain.seeds import derive_seed
from aplantida.models.checkpoint import ModelCard, load_card, load_weights
from aplantida.models.zoo import PlantModel, create_model
from aplantida.training.objectives import Objective
from aplantida.training.optimization import Optimization


@dataclass(frozen=True, kw_only=True)
class TrainTask:
    """One training.

    Attributes:
        card: the model, its classes and its preprocessing.
        initial: weights to start from: None from scratch, ``hub:`` and a file of timm's hub, a weights file, or a
            checkpoint's folder.
        batches: where photos come from.
        objective: what is minimized.
        optimization: how weights move.
        epochs: at most so many.
        seed: the run's seed.
        patience: stop after so many epochs without a better val top-1; None never stops early.
        keep_best: the result is the best epoch's model; otherwise the last one's.
        average_decay: of an exponential moving average of the weights, which then is evaluated and kept; None for none.
        logit_adjustment: tau, by which rare classes are helped in the cross entropy with the labels; 0 for not at all,
            1 for the balanced softmax.
        mixup_alpha: of Beta(alpha, alpha); 0 for none.
        cutmix_alpha: likewise.
        mixed_precision: bfloat16 autocast where the device has it.
        compile: fuse the training step with ``torch.compile``, which wants a C++ compiler; evaluation stays as it is.
        batch_norm_momentum: of every batch norm; None leaves the architecture's.
        max_bad_steps: steps whose gradient is not finite are skipped; more of them than this end the training.
        save_every_epochs: a checkpoint to resume from after so many epochs.
        save_every_steps: and after so many steps within one; None for epochs only.
    """

    card: ModelCard
    initial: str | Path | None
    batches: BatchPlan
    objective: Objective
    optimization: Optimization
    epochs: int
    seed: int
    patience: int | None = None
    keep_best: bool = True
    average_decay: float | None = None
    logit_adjustment: float = 0.0
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    mixed_precision: bool = True
    compile: bool = False
    batch_norm_momentum: float | None = None
    max_bad_steps: int = 20
    save_every_epochs: int = 1
    save_every_steps: int | None = None

    def build(self) -> PlantModel:
        """The model with its initial weights; what is drawn is drawn from the task's seed.

        Raises:
            ValueError: when the initial weights do not fit the card.
        """
        torch.manual_seed(derive_seed(self.seed, "weights"))
        card = self.card
        from_folder = isinstance(self.initial, Path) and self.initial.is_dir()
        from_hub = isinstance(self.initial, str)
        pretrained = Path(self.initial.removeprefix("hub:")) if isinstance(self.initial, str) else self.initial
        model = create_model(
            card.architecture,
            card.num_classes,
            head_rank=card.head_rank,
            dropout=card.dropout,
            width=card.width,
            pretrained=False if pretrained is None or from_folder else pretrained,
            from_hub=from_hub,
        )
        if from_folder and isinstance(self.initial, Path):
            earlier = load_card(self.initial)
            if earlier.class_ids != card.class_ids:
                raise ValueError(f"checkpoint {self.initial} knows {earlier.num_classes} classes, not the task's")
            model.load_state_dict(load_weights(self.initial, earlier))
        if self.batch_norm_momentum is not None:
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = self.batch_norm_momentum
        return model
