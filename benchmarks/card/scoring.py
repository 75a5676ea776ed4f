"""Scoring every view of stored photos, against the same network's forward pass alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from aplantida.data.views import random_views
from aplantida.domain.preprocessing import Preprocessing
from aplantida.models.checkpoint import ModelCard, build, load_checkpoint, save_checkpoint
from aplantida.models.devices import autocast
from aplantida.models.folding import fold_batch_norm
from aplantida.models.inference import Box, Scorer
from benchmarks.card.sizes import Sizes, photos, rate
from benchmarks.report import Row

NUM_VIEWS, TOP_K = 16, 160
HEAD_FACTOR = 10.0  # an untrained head says 1 where a trained one says 10, and bfloat16 is as much coarser there
BOUNDS = {"float32": 0.05, "bfloat16": 0.25}  # gates.verify of compute_teacher_logits


def save_teacher(folder: Path, sizes: Sizes, preprocessing: Preprocessing) -> Path:
    """A checkpoint of the teacher's network whose logits are as large as a trained one's; returns ``folder``."""
    card = ModelCard(
        architecture=sizes.teacher.name,
        num_classes=sizes.num_classes,
        preprocessing=preprocessing,
        class_ids=tuple(str(number) for number in range(sizes.num_classes)),
    )
    torch.manual_seed(1)
    model = build(card)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.mul_(HEAD_FACTOR)
    save_checkpoint(folder, model.state_dict(), card)
    return folder


def scoring_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """Views a second with all around it, and how far other sizes of batches lie from each other."""
    teacher = sizes.teacher
    plan = photos(folder / "photos", sizes, teacher.image_size, "none")
    save_teacher(folder / "teacher", sizes, plan.preprocessing)
    table = pq.read_table(plan.images / "shard-00000.parquet", columns=["image_id", "image", "width", "height"])
    table = table.slice(0, 256 if sizes.on_card else 8)
    ids, jpegs, boxes, views = list[str](), list[bytes](), list[Box](), list[int]()
    for row in table.to_pylist():
        drawn = random_views(row["width"], row["height"], seed=1, image_id=row["image_id"], num_views=NUM_VIEWS)
        for number, view in enumerate([drawn[0], *drawn]):
            ids.append(row["image_id"])
            jpegs.append(row["image"])
            boxes.append((*view.box, view.flip))
            views.append(number)
    scorer = Scorer(folder / "teacher", "auto", precision="auto")
    batch = scorer._portions.size

    def ours() -> int:
        return len(scorer.score(ids, jpegs, boxes=boxes, views=views, top_k=TOP_K))

    model, _ = load_checkpoint(folder / "teacher")
    fold_batch_norm(model.eval(), teacher.image_size)
    model = model.to(sizes.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    size = (batch, 3, teacher.image_size, teacher.image_size)
    pixels = torch.randn(size, device=sizes.device).to(memory_format=torch.channels_last)

    def forward() -> int:
        with torch.inference_mode(), autocast(sizes.device, sizes.on_card):
            for _ in range(max(1, sizes.num_steps // 4)):
                model(pixels)
        return max(1, sizes.num_steps // 4) * batch

    rates = rate(ours, sizes.device), rate(forward, sizes.device)
    goal = 0.65 if sizes.on_card else None
    note = f"{teacher.name}, {teacher.image_size} px, {len(ids)} views, batch {batch}, {scorer.precision}, top {TOP_K}"
    rows = [Row("scoring, against the forward pass alone", *rates, "views/s", rates[0] / rates[1], goal, note)]
    few = slice(0, 3 * (NUM_VIEWS + 1))
    tables = [
        Scorer(folder / "teacher", "auto", None, size, "auto").score(ids[few], jpegs[few], boxes[few], views[few])
        for size in (batch, 37, 5)
    ]
    apart = max(float(np.abs(table.logits.astype(np.float32) - tables[0].logits).max()) for table in tables[1:])
    most, largest = BOUNDS[scorer.precision], float(np.abs(tables[0].logits).max())
    note = f"largest difference of a logit in {scorer.precision}, the largest being {largest:.1f}; peer: verify's gate"
    rows.append(
        Row(f"scores at batch {batch} against 37 and 5", apart, most, "logit", most / max(apart, 1e-9), 1, note)
    )
    return rows
