"""Scoring and training MobileNetV2 on a CPU in a process that keeps freed memory, against one that does not.

Each side is a process of its own, and the two take turns; pixels are noise, weights untrained, which changes no timing.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

import timm
import torch
from torch.nn.functional import cross_entropy

from aplantida.domain.memory import keep_freed_memory
from aplantida.training.devices import set_threads
from benchmarks.report import Row, interleaved, show

NUM_CLASSES = 1_000
SCORED, TRAINED = (64, 256), (32, 224)  # photos at a time, pixels


def serve(kept: bool, asked: Connection) -> None:
    """One side: a batch for every word received."""
    set_threads(None)
    if kept and not keep_freed_memory():
        raise RuntimeError("this C library has no mallopt: there is nothing to compare")
    model = timm.create_model("mobilenetv2_100", num_classes=NUM_CLASSES).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    batches = {
        word: torch.randn(count, 3, size, size).to(memory_format=torch.channels_last)
        for word, (count, size) in {"score": SCORED, "train": TRAINED}.items()
    }
    labels = torch.randint(NUM_CLASSES, (TRAINED[0],))
    while (word := asked.recv()) is not None:
        if word == "score":
            with torch.inference_mode():
                model.eval()(batches[word])
        else:
            model.zero_grad()
            cross_entropy(model.train()(batches[word]), labels).backward()
        asked.send("done")


def main() -> None:
    """Measure and print."""
    spawning = multiprocessing.get_context("spawn")
    sides: list[Connection] = []
    for kept in (True, False):
        here, there = spawning.Pipe()
        spawning.Process(target=serve, args=(kept, there), daemon=True).start()
        there.close()
        sides.append(here)

    def asking(side: Connection, word: str) -> Callable[[], object]:
        def ask() -> object:
            side.send(word)
            return side.recv()

        return ask

    rows = list[Row]()
    for word, name, (count, size) in (("score", "scoring", SCORED), ("train", "forward and backward", TRAINED)):
        functions = [asking(side, word) for side in sides]
        interleaved(functions, repeats=5)
        ours, peer = (count / seconds for seconds in interleaved(functions, repeats=9))
        note = f"MobileNetV2, {size} px, {count} at a time, not compiled; peer: the same, memory left to the C library"
        rows.append(Row(f"{name}, freed memory kept", ours, peer, "photos/s", ours / peer, None, note))
    for side in sides:
        side.send(None)
    show(rows)


if __name__ == "__main__":
    main()
