"""How long the interpreter lock is held, by a thread that loads photos and by one that trains: py-spy looks on.

What holds the lock keeps all other threads of the process waiting: a loader's threads scale until their held parts
fill the time, and a training's next step is held up by them. Run as a program, it is what is looked at.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from aplantida.data.batches import BatchSource
from aplantida.training.context import LocalContext
from aplantida.training.loop import Training
from benchmarks.card.loading import POLICIES
from benchmarks.card.sizes import Sizes, photos, task_of
from benchmarks.report import Row

SAMPLES_PER_SECOND = 200
SECONDS = {"cpu": 6.0, "cuda": 3.0}
_LOOKED_AT = "_looked_at"


def held_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """A photo of each policy, and a step of the student's training; the peer is the whole time each takes.

    Raises:
        ImportError: when py-spy, which Ray brings, is not there.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise ImportError("py-spy is not there")
    subjects = [(f"lock held a photo, {policy}", policy) for policy in POLICIES]
    return [_row(name, what, folder, spy) for name, what in (*subjects, ("lock held a training step", "step"))]


def _row(name: str, what: str, folder: Path, spy: str) -> Row:
    stacks = folder / f"{what}.txt"
    looking_on = [spy, "record", "--gil", "--rate", str(SAMPLES_PER_SECOND), "--format", "raw", "--output", str(stacks)]
    program = [sys.executable, "-m", "benchmarks.card.held", what, str(folder)]
    done = subprocess.run([*looking_on, "--", *program], capture_output=True, text=True, check=True)
    seconds, count = map(float, done.stdout.split("measured ")[1].split()[:2])
    lines = [line.rpartition(" ") for line in stacks.read_text(encoding="utf-8").splitlines()]
    held = sum(int(samples) for stack, _, samples in lines if _LOOKED_AT in stack) / SAMPLES_PER_SECOND
    note = f"peer: the whole time of one in a single thread; the lock is held {held / seconds:.0%} of it"
    return Row(
        name, 1e6 * held / count, 1e6 * seconds / count, "µs", seconds / held if held else float("inf"), None, note
    )


def _looked_at(work: Callable[[], int], most: float) -> None:
    """Do the work again and again for some seconds; say for how long, and how much was done."""
    started, count = time.perf_counter(), 0
    while (seconds := time.perf_counter() - started) < most:
        count += work()
    print("measured", seconds, count, flush=True)


def _subject(what: str, folder: Path, sizes: Sizes) -> Callable[[], int]:
    """One epoch of a loader without threads of its own, or one of a training that is fed by such."""
    network = sizes.student
    if what == "step":
        plan = photos(folder / "training", sizes, network.image_size, "none")
        training = Training(task_of(network, plan), LocalContext(folder / "run", sizes.device))
        batch = next(iter(training._source.train(0, global_batch_size=network.batch_size))).to(sizes.device)
        training._stepper.train()

        def step() -> int:
            training._stepper.step(batch, (0, 0), 1.0, head_only=False)
            training._stepper.settle()
            return 1

        return step
    torch.set_num_threads(1)
    source = BatchSource(photos(folder / what, sizes, network.image_size, what))

    def epoch() -> int:
        return sum(len(batch) for batch in source.train(0, global_batch_size=network.batch_size))

    return epoch


if __name__ == "__main__":
    here = Sizes.here()
    work = _subject(sys.argv[1], Path(sys.argv[2]), here)
    work()
    _looked_at(work, SECONDS[here.device.type])
