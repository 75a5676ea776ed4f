"""Seconds a photo of the plain networks at their size: `python -m benchmarks.rehearsal.timing --output FILE`.

A network is timed as training and scoring use it: steps of forward, backward and AdamW, and forward alone, on noise
(which changes no timing), with 9,000 classes; on the GPU in bfloat16 where there is one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from aplantida.models.devices import set_threads
from aplantida.models.zoo import create_model
from aplantida.pipeline.config import find_file, merge, read_yaml
from benchmarks.rehearsal.networks import NetworkSeconds

LEAST_PHOTOS = 64
_AT_A_TIME_CPU, _AT_A_TIME_GPU, _GPU_BATCHES = 8, 64, 16
_CONFIGS = {
    "teacher_global": ("configs/train_teacher.yaml",),
    "teacher_regional": ("configs/train_teacher.yaml", "configs/eu_sw/teacher_regional.yaml"),
    "student": ("configs/distill_student.yaml",),
}


def plain_network(role: str) -> tuple[dict[str, Any], int]:
    """The ``model`` section and the image size of a role's plain config."""
    merged: dict[str, Any] = {}
    for file in _CONFIGS[role]:
        merged = merge(merged, read_yaml(find_file(file)))
    return merged["model"], int(merged["data"]["train_image_size"] or merged["data"]["image_size"])


def time_network(role: str, num_classes: int, num_photos: int) -> NetworkSeconds:
    """Time one role's plain network on at least ``num_photos`` photos each way."""
    section, size = plain_network(role)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    if not on_gpu:
        set_threads(None)
    batch = _AT_A_TIME_GPU if on_gpu else _AT_A_TIME_CPU
    steps = max(-(-num_photos // batch), _GPU_BATCHES if on_gpu else 1)
    model = create_model(section["name"], num_classes, dropout=0.2, width=section.get("width", 1.0)).to(device)
    model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    photos = torch.randn(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(num_classes, (batch,), device=device)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16) if on_gpu else nullcontext():
            loss = cross_entropy(model(photos), labels)
        loss.backward()
        optimizer.step()

    def score() -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16) if on_gpu else nullcontext():
            model(photos)

    model.train()
    train = _seconds(step, steps, on_gpu) / (steps * batch)
    model.eval()
    name = torch.cuda.get_device_name(device) if on_gpu else "cpu"
    scored = _seconds(score, steps, on_gpu) / (steps * batch)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return NetworkSeconds(section["name"], size, name, steps * batch, train, scored, parameters)


def _seconds(work: Callable[[], None], repeats: int, on_gpu: bool) -> float:
    """Seconds of so many calls after a first one that does not count."""
    work()
    if on_gpu:
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    """Time every role's network that the file does not hold yet."""
    parser = argparse.ArgumentParser(description="Time the plain networks.")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--classes", type=int, default=9_000)
    parser.add_argument("--photos", type=int, default=LEAST_PHOTOS)
    given = parser.parse_args()
    rows = json.loads(given.output.read_text(encoding="utf-8")) if given.output.is_file() else {}
    for role in _CONFIGS:
        if role not in rows:
            rows[role] = asdict(time_network(role, given.classes, given.photos))
            given.output.write_text(json.dumps(rows, indent=1), encoding="utf-8")
            print(f"{role}: {rows[role]}", flush=True)


if __name__ == "__main__":
    main()
