"""Training on Ray Train: the same loop, another context."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchTrainer, get_device, prepare_model
from torch import distributed, nn

from aplantida.distributed.inspection import wants_gpu
from aplantida.distributed.placement import Share, living_nodes, require_room
from aplantida.distributed.session import ray_session
from aplantida.models.devices import set_threads
from aplantida.pipeline.errors import machine_refusal
from aplantida.training.checkpoints import Checkpoints, SessionCheck, beside
from aplantida.training.context import ProgressCallback, TrainContext
from aplantida.training.loop import RESULT, train
from aplantida.training.task import TrainTask

STORAGE = "ray"
RUN_NAME = "training"
_PROGRESS_FILE = "progress.json"
_PROGRESS_SECONDS = 1.0
_MAX_FAILED_STARTS = 4  # of the group of workers, each given RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S to come up


class RayContext(TrainContext):
    """One worker of a ``TorchTrainer``."""

    def __init__(self, folder: Path, log_path: Path | None, num_threads: int | None, check: SessionCheck) -> None:
        place = ray.train.get_context()
        self.rank, self.world_size = place.get_world_rank(), place.get_world_size()
        self.device = get_device()
        self.folder, self.log_path, self.check = folder, log_path, check
        self.num_threads = set_threads(num_threads, place.get_local_world_size())
        self._checkpoints = Checkpoints(folder, check)
        self._images, self._told, self._postfix = 0, 0.0, dict[str, Any]()

    def prepare(self, model: nn.Module) -> nn.Module:
        """On the device, in ``DistributedDataParallel`` when there are several workers."""
        return prepare_model(model)

    def latest(self) -> Path | None:
        """The newest whole checkpoint, as rank 0 sees it.

        Checkpoints are the training's own, not Ray's: its controller hears of one up to two reports after it was
        written, and what it had not heard of when a worker died would be trained again.
        """
        found = [self._checkpoints.latest() if self.rank == 0 else None]
        if self.world_size > 1:
            distributed.broadcast_object_list(found, src=0, device=self.device)
        return found[0]

    def save(self, state: Mapping[str, Any], number: int, metrics: Mapping[str, float]) -> None:
        """Rank 0 writes the checkpoint; then all report."""
        if self.rank == 0:
            self._checkpoints.save(state, number)
        ray.train.report({**metrics, "step": number})

    def progress(self, images: int, **postfix: Any) -> None:
        """Rank 0 leaves a note for the driver."""
        self._images += images
        self._postfix.update(postfix)
        if self.rank == 0 and time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            self.check()
            temporary = beside(self.folder / _PROGRESS_FILE)
            temporary.write_text(json.dumps({"images": self._images, "postfix": self._postfix}), encoding="utf-8")
            temporary.replace(self.folder / _PROGRESS_FILE)


def run_trainer(
    task: TrainTask,
    *,
    folder: Path,
    log_path: Path | None,
    device: str,
    num_workers: int,
    num_threads: int | None,
    max_failures: int,
    on_progress: ProgressCallback | None,
    check: SessionCheck,
) -> Path:
    """Train on ``num_workers`` Ray workers, which must all see ``folder``; goes on from its newest checkpoint.

    Returns:
        The result's folder, as :func:`aplantida.training.loop.train`.

    Raises:
        BadRequest: when the nodes have no room for the workers, or ``cuda`` is asked for where there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ray_session(), _watching(folder / _PROGRESS_FILE, on_progress):
        nodes = living_nodes()
        use_gpu = wants_gpu(device, nodes)
        require_room(Share(1, int(use_gpu)), num_workers, nodes, key="resources.num_workers", why="training")
        trainer = TorchTrainer(
            _work,
            train_loop_config={
                "task": task,
                "place": {"folder": folder, "log_path": log_path, "num_threads": num_threads, "check": check},
            },
            scaling_config=ScalingConfig(num_workers=num_workers, use_gpu=use_gpu),
            run_config=RunConfig(
                name=RUN_NAME,
                storage_path=str(folder / STORAGE),
                failure_config=FailureConfig(max_failures, controller_failure_limit=_MAX_FAILED_STARTS),
            ),
        )
        try:
            trainer.fit()
        except WorkerGroupError as error:  # when one is refused something, the others fail of its absence
            refused = (failure for failure in error.worker_failures.values() if machine_refusal(failure))
            raise error from next(refused, None)
    return folder / RESULT


def _work(settings: dict[str, Any]) -> None:
    train(settings["task"], RayContext(**settings["place"]))


@contextmanager
def _watching(path: Path, on_progress: ProgressCallback | None) -> Iterator[None]:
    """Pass on what rank 0 notes in ``path``."""
    path.unlink(missing_ok=True)
    stop = threading.Event()

    def watch() -> None:
        seen = 0
        while not stop.wait(_PROGRESS_SECONDS):
            if on_progress is not None and path.exists():
                note = json.loads(path.read_text(encoding="utf-8"))
                if note["images"] > seen:
                    on_progress(note["images"] - seen, **note["postfix"])
                    seen = note["images"]

    watcher = threading.Thread(target=watch, name="training-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
