from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aplantida.data.batches import BatchPlan
from aplantida.domain.preprocessing import Preprocessing
from aplantida.models.checkpoint import ModelCard
from aplantida.training.objectives import CrossEntropy
from aplantida.training.optimization import Optimization
from aplantida.training.task import TrainTask
from tests.fixtures.artifacts import CLASSES, make_images, make_split

PREPROCESSING = Preprocessing(image_size=32)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sealed ``images`` and ``split``: 36 train, 12 val and 12 test photos of six classes."""
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(folder))
        make_images("images")
        make_split("split", "images")
    return folder


@pytest.fixture(scope="session")
def plan(photos: Path) -> BatchPlan:
    return BatchPlan(
        images=photos / "images/shards",
        split_file=photos / "split/split.parquet",
        class_indices=tuple(range(6)),
        preprocessing=PREPROCESSING,
        augmentation="standard",
        seed=7,
        shuffle_shards=2,
    )


@pytest.fixture(scope="session")
def task(plan: BatchPlan) -> TrainTask:
    """Three epochs of three steps, with everything that has a state."""
    return TrainTask(
        card=ModelCard(
            architecture="test_efficientnet",
            num_classes=6,
            dropout=0.2,
            preprocessing=PREPROCESSING,
            class_ids=CLASSES.class_ids,
        ),
        initial=None,
        batches=plan,
        objective=CrossEntropy(0.1),
        optimization=Optimization(
            learning_rate=3e-3,
            weight_decay=0.01,
            warmup_epochs=0.5,
            gradient_clip=1.0,
            global_batch_size=12,
            micro_batch_size=8,
        ),
        epochs=3,
        seed=7,
        average_decay=0.9,
        mixup_alpha=0.4,
        cutmix_alpha=0.4,
        save_every_steps=2,
    )


def change(task: TrainTask, **changes: Any) -> TrainTask:
    return replace(task, **changes)
