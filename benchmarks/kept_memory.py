"""Scoring and training MobileNetV2 on a CPU in a process that keeps freed memory, against one that does not.

Each side is a process of its own, and the two take turns; pixels are noise, weights untrained, which changes no timing.
"""

from __future__ import annotations

from collections.abc import Callable

import timm
import torch
from torch.nn.functional import cross_entropy

from aplantida.domain.memory import keep_freed_memory
from aplantida.models.devices import set_threads
from benchmarks.apart import Apart
from benchmarks.report import Row, interleaved, read_flags, show

NUM_CLASSES = 1_000
SCORED, TRAINED = (64, 256), (32, 224)  # photos at a time, pixels


def worker(kept: bool, train: bool) -> Callable[[], None]:
    """What one side does with a batch."""
    set_threads(None)
    if kept and not keep_freed_memory():
        raise RuntimeError("this C library has no mallopt: there is nothing to compare")
    model = timm.create_model("mobilenetv2_100", num_classes=NUM_CLASSES).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    count, size = TRAINED if train else SCORED
    photos = torch.randn(count, 3, size, size).to(memory_format=torch.channels_last)
    labels = torch.randint(NUM_CLASSES, (count,))

    def score() -> None:
        with torch.inference_mode():
            model.eval()(photos)

    def step() -> None:
        model.zero_grad()
        cross_entropy(model.train()(photos), labels).backward()

    return step if train else score


def main() -> None:
    """Measure and print."""
    rows = list[Row]()
    for train, name, (count, size) in ((False, "scoring", SCORED), (True, "forward and backward", TRAINED)):
        sides = [Apart(worker, kept, train) for kept in (True, False)]
        interleaved(sides, repeats=5)
        ours, peer = (count / seconds for seconds in interleaved(sides, repeats=9))
        note = f"MobileNetV2, {size} px, {count} at a time, not compiled; peer: the same, memory left to the C library"
        rows.append(Row(f"{name}, freed memory kept", ours, peer, "photos/s", ours / peer, None, note))
        for side in sides:
            side.stop()
    show(rows)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
