"""A training step of ours against the same step put together from timm's own pieces, as its train script does.

Both train MobileNetV2 on the same drawn photos, at the same size, batch and precision, with AdamW, mixup, label
smoothing and a moving average of the weights, on the device there is; data loading included on both sides, and on
ours the evaluation of one photo. Each side has a process of its own, since ours changes how memory is kept. The peak,
of which a step's share is told, is that of multiplying two large matrices in the same precision in the same run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from timm.data.dataset import ImageDataset
from timm.data.loader import create_loader
from timm.data.mixup import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils.model_ema import ModelEmaV2

from aplantida.demo.species import SPECIES
from aplantida.models.checkpoint import ModelCard
from aplantida.models.devices import autocast, has_bfloat16, set_threads
from aplantida.models.speed import training_flops
from aplantida.training.context import LocalContext
from aplantida.training.loop import Training
from aplantida.training.objectives import CrossEntropy
from aplantida.training.optimization import Optimization
from aplantida.training.task import TrainTask
from benchmarks.apart import Apart
from benchmarks.card.sizes import wait
from benchmarks.photos import draw_jpegs, write_folder, write_shard
from benchmarks.report import Row, interleaved, read_flags, show

IMAGE_SIZE, BATCH_SIZE, NUM_BATCHES = 160, 32, 4
MIXUP, SMOOTHING, DECAY = 0.2, 0.1, 0.999


class Peer:
    """The step as timm's train.py writes it."""

    def __init__(self, folder: Path, device: torch.device, compiled: bool) -> None:
        self._device = device
        self._model = timm.create_model("mobilenetv2_100", num_classes=len(SPECIES))
        self._model.to(device, memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
        self._forward = torch.compile(self._model) if compiled else self._model
        self._optimizer = create_optimizer_v2(self._model, opt="adamw", lr=1e-4, weight_decay=0.01)
        self._average = ModelEmaV2(self._model, decay=DECAY)
        self._mixup = Mixup(mixup_alpha=MIXUP, label_smoothing=SMOOTHING, num_classes=len(SPECIES))
        self._loss = SoftTargetCrossEntropy()
        self._loader = create_loader(
            ImageDataset(str(folder)),
            input_size=(3, IMAGE_SIZE, IMAGE_SIZE),
            batch_size=BATCH_SIZE,
            is_training=True,
            use_prefetcher=device.type == "cuda",
            scale=(0.6, 1.0),
            color_jitter=0.0,
            interpolation="bilinear",
            num_workers=0,
            device=device,
        )

    def epoch(self) -> None:
        """Once over the photos."""
        for photos, labels in self._loader:
            photos, labels = photos.to(self._device, memory_format=torch.channels_last), labels.to(self._device)
            photos, targets = self._mixup(photos, labels)
            with autocast(self._device, enabled=True):
                loss = self._loss(self._forward(photos).float(), targets)
            self._optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
            self._optimizer.step()
            self._average.update(self._model)
        wait(self._device)


def ours(folder: Path, jpegs: list[bytes], device: torch.device, threads: int, compiled: bool) -> Training:
    """Our loop, set up to do the same."""
    plan = write_shard(jpegs, folder / "shard", IMAGE_SIZE, "light")
    card = ModelCard(
        architecture="mobilenetv2",
        num_classes=len(SPECIES),
        preprocessing=plan.preprocessing,
        class_ids=tuple(species.scientific_name for species in SPECIES),
    )
    task = TrainTask(
        card=card,
        initial=None,
        batches=plan,
        objective=CrossEntropy(SMOOTHING),
        optimization=Optimization(
            learning_rate=1e-4, weight_decay=0.01, gradient_clip=1.0, global_batch_size=BATCH_SIZE, optimizer="adamw"
        ),
        epochs=1000,
        seed=1,
        average_decay=DECAY,
        mixup_alpha=MIXUP,
        mixed_precision=True,
        compile=compiled,
    )
    return Training(task, LocalContext(folder / "run", device, num_threads=threads))


class Peak:
    """One product of two square matrices, and its floating point operations."""

    def __init__(self, device: torch.device) -> None:
        side = 8192 if device.type == "cuda" else 2048
        dtype = torch.bfloat16 if has_bfloat16(device) else torch.float32
        self._device = device
        self._factor = torch.ones(side, side, dtype=dtype, device=device)
        self.operations = 2.0 * side**3
        self.name = f"{side} x {side} matrices in {str(dtype).removeprefix('torch.')}"

    def __call__(self) -> None:
        """Multiply."""
        torch.mm(self._factor, self._factor)
        wait(self._device)


def peer_epoch(folder: Path, device: torch.device, threads: int, compiled: bool) -> Callable[[], None]:
    """What the peer's process does, once over the photos."""
    set_threads(threads)
    return Peer(folder, device, compiled).epoch


def main() -> None:
    """Measure and print."""
    threads = set_threads(None)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    jpegs = draw_jpegs(BATCH_SIZE * NUM_BATCHES + 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer_folder = write_folder(jpegs[1:], folder / "peer")
        sides: list[Callable[[], object]] = []
        peers = [Apart(peer_epoch, peer_folder, device, threads, compiled) for compiled in (False, True)]
        for compiled in (False, True):
            sides.append(ours(folder / str(compiled), jpegs, device, threads, compiled).run_epoch)
            sides.append(peers[compiled])
        peak = Peak(device)
        sides.append(peak)
        for side in sides:
            side()
        photos = BATCH_SIZE * NUM_BATCHES
        *seconds, multiplied = interleaved(sides, repeats=7)
        mine, theirs, mine_compiled, theirs_compiled = (photos / epoch for epoch in seconds)
        for peer in peers:
            peer.stop()
    goal = 1.2 if device.type == "cuda" else 1.0
    note = f"MobileNetV2, {IMAGE_SIZE} px, batch {BATCH_SIZE}, {device.type}, {threads} threads, loading included"
    pairs = [
        ("training step, against timm's pieces", mine, theirs, goal),
        ("training step, both through torch.compile", mine_compiled, theirs_compiled, goal),
        ("training step, training.compile against timm's pieces as they are", mine_compiled, theirs, None),
    ]
    rows = [Row(name, one, other, "photos/s", one / other, wanted, note) for name, one, other, wanted in pairs]
    each, most = (
        training_flops(timm.create_model("mobilenetv2_100", num_classes=len(SPECIES)), IMAGE_SIZE) / 1e9,
        peak.operations / multiplied / 1e9,
    )
    for name, rate in (("training step", mine), ("training step, training.compile", mine_compiled)):
        counted = f"{each:.2f} GFLOP a photo, forward and backward; peer: {peak.name}"
        rows.append(Row(f"{name}: share of the peak", rate * each, most, "GFLOP/s", rate * each / most, None, counted))
    show(rows)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
