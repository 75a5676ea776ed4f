"""What a training survives: too little memory, a kill, a second run, Ray's worker; and what it leaves behind."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from aplantida.distributed.launch import launch
from aplantida.domain.preprocessing import Preprocessing
from aplantida.models.inference import Scorer
from aplantida.training.context import LocalContext
from aplantida.training.loop import Training, train
from aplantida.training.task import TrainTask
from benchmarks.card.scoring import TOP_K, save_teacher
from benchmarks.card.sizes import Sizes, jpegs_of, photos, task_of
from benchmarks.report import Row

CAPS_GB = (8, 4)
NUM_SCORED = 600


class _Killed(Exception):
    """Raised in the middle of a training."""


def memory_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """The teacher's batch under the memory of smaller cards, trained and scored."""
    rows: list[Row] = []
    total = torch.cuda.get_device_properties(sizes.device).total_memory
    teacher = sizes.teacher
    plan = photos(folder, sizes, teacher.image_size, "light")
    for cap in CAPS_GB:
        with _capped(cap * 2**30 / total):
            training = Training(task_of(teacher, plan), LocalContext(folder / f"run-{cap}", sizes.device))
            batch = next(iter(training._source.train(0, global_batch_size=teacher.batch_size))).to(sizes.device)
            training._stepper.train()
            for number in range(3):
                training._stepper.step(batch, (0, number), 1.0, head_only=False)
            training._stepper.settle()
            size, peak = training._stepper.micro_batch_size, torch.cuda.max_memory_allocated(sizes.device) / 1e9
            del training, batch
            scored = _scored(folder / f"teacher-{cap}", sizes, plan.preprocessing, cap)
        note = f"{teacher.name}, {teacher.image_size} px; at most {peak:.1f} GB held; peer: the batch asked for"
        goal = 1.0 if cap == CAPS_GB[0] else None
        name = f"training under {cap} GB: photos at a time"
        rows += [Row(name, size, teacher.batch_size, "photos", size / teacher.batch_size, goal, note), scored]
    return rows


def _scored(folder: Path, sizes: Sizes, preprocessing: Preprocessing, cap: int) -> Row:
    """Scoring in what is left of ``cap`` GB: it begins with what the whole card holds, for the cap is the process's."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    scorer = Scorer(save_teacher(folder, sizes, preprocessing), "auto", precision="auto")
    begun = scorer._portions.size
    jpegs = jpegs_of(NUM_SCORED)
    count = len(scorer.score([str(number) for number in range(len(jpegs))], jpegs, top_k=TOP_K))
    size, peak = scorer._portions.size, torch.cuda.max_memory_allocated(sizes.device) / 1e9
    note = f"{count} photos scored in {scorer.precision}; at most {peak:.1f} GB held; peer: photos begun with"
    return Row(f"scoring under {cap} GB: photos at a time", size, begun, "photos", size / begun, None, note)


@contextmanager
def _capped(share: float) -> Iterator[None]:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_per_process_memory_fraction(min(1.0, share))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def repeat_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """The same seed twice, and killed in between: how far the weights lie apart."""
    task = _short(folder, sizes)
    once, again = (_weights(_trained(task, folder / name, sizes)) for name in ("once", "again"))
    seen = 0

    def kill(images: int, **_: object) -> None:
        nonlocal seen
        seen += images
        if seen >= 3 * sizes.student.batch_size:
            raise _Killed

    try:
        train(task, LocalContext(folder / "killed", sizes.device, on_progress=kill))
    except _Killed:
        pass
    else:
        raise RuntimeError(f"the training ended before it was killed: {seen} photos are fewer than three batches")
    resumed = _weights(_trained(task, folder / "killed", sizes))
    note = "largest difference of a weight; 0 is equality to the bit; peer: the weights' spread"
    return [_apart("the same seed twice", once, again, note), _apart("killed and resumed", once, resumed, note)]


def ray_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """A ``TorchTrainer`` with one worker against the bare process."""

    task = _short(folder, sizes)
    bare = launch(task, folder=folder / "bare", device=sizes.device.type)
    under = launch(task, folder=folder / "ray", device=sizes.device.type, num_workers=1)
    ours, peer = (item.summary["images_per_second"] for item in (under, bare))
    note = f"weights differ by {_distance(_weights(bare.folder), _weights(under.folder)):.1e} at most"
    return [
        Row("TorchTrainer with one worker, against a bare process", ours, peer, "photos/s", ours / peer, None, note)
    ]


def left_row(folder: Path, sizes: Sizes) -> Row:
    """What the driver holds after an evaluation."""
    task = _short(folder, sizes)
    trained = _trained(task, folder / "run", sizes)
    scorer = Scorer(trained, "auto")
    scorer.score(["a"] * 4, jpegs_of(4))
    del scorer
    held = 0.0
    if sizes.on_card:
        torch.cuda.empty_cache()
        held = torch.cuda.memory_reserved(sizes.device) / 1e6
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1000
    note = f"MB of the card ({sizes.device}) still reserved after training and scoring; peer: the process's own memory"
    return Row("memory left after an evaluation", held, resident, "MB", math.nan, None, note)


def _short(folder: Path, sizes: Sizes) -> TrainTask:
    plan = photos(folder / "photos", sizes, sizes.student.image_size, "standard")
    plan = replace(plan, num_loader_workers=sizes.most_threads)
    return replace(task_of(sizes.student, plan, epochs=1), save_every_steps=2, mixup_alpha=0.2)


def _trained(task: TrainTask, folder: Path, sizes: Sizes) -> Path:
    return train(task, LocalContext(folder, sizes.device))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for name, value in load_file(folder / "model.safetensors").items() if value.is_floating_point()}


def _distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((value - other[name]).abs().max()) for name, value in one.items())


def _apart(name: str, one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], note: str) -> Row:
    spread = max(float(value.std()) for value in one.values() if value.numel() > 1)
    return Row(name, _distance(one, other), spread, "weight", math.nan, None, note)
