"""A distillation step with stored soft labels against the same step with the teachers in the loop.

Both sides train the student (MobileNetV2 at 224 pixels, batches of 32) with the training's own step, on the same views
of the same drawn photos with the same loader and the same loss; only where the soft labels come from differs: read
beside the photos, or computed by the teachers in every step. Measured as it is, and with ``training.compile``, where
the teachers are compiled as well. Weights are untrained, which changes no timing. Figures are of few batches.

The last row weighs the labels and crops of drawn logits over 9,000 classes as combine_teacher_logits writes them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import nn

from aplantida.data.batch import Batch
from aplantida.data.batches import BatchPlan, BatchSource
from aplantida.data.soft_labels import SoftLabels, SoftTargets
from aplantida.data.views import View, views_to_arrow
from aplantida.demo.species import SPECIES
from aplantida.distillation.ensemble import combine
from aplantida.distillation.opinions import TeacherScores
from aplantida.distillation.teacher import ViewSettings, label_shard
from aplantida.domain.class_index import class_index_digest
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.scores import ScoreTable, concat
from aplantida.models.checkpoint import ModelCard, build, save_checkpoint
from aplantida.models.devices import autocast, compiled, set_threads
from aplantida.models.inference import Scorer, normalize
from aplantida.models.zoo import PlantModel
from aplantida.phases.combine_teacher_logits import CombineTeacherLogitsConfig
from aplantida.phases.compute_teacher_logits import ViewsSection
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.runner import execute
from aplantida.training.context import LocalContext
from aplantida.training.objectives import Distillation
from aplantida.training.optimization import Optimization
from aplantida.training.step import Stepper
from aplantida.training.task import TrainTask
from benchmarks.photos import draw_jpegs, write_shard
from benchmarks.report import Row, interleaved, read_flags, show

CLASS_IDS = tuple(species.scientific_name for species in SPECIES)
BATCH_SIZE = 32
NUM_BATCHES = 6
TEMPERATURE = 3.0
NUM_CLASSES, NUM_WEIGHED, BUDGET = 9_000, 1_024, 3_700
CPU = torch.device("cpu")
TEACHERS = (
    ("one ViT-B/16", "vit_base_patch16_224", 1, 2.5),
    ("two EfficientNet-Lite2", "tf_efficientnet_lite2", 2, None),
)


@dataclass(frozen=True)
class Bench:
    """What both sides share."""

    stepper: Stepper
    teachers: Sequence[nn.Module]
    source: BatchSource

    def stored(self) -> None:
        """Labels from the file."""
        for number, batch in enumerate(self.source.train(0, global_batch_size=BATCH_SIZE)):
            self.stepper.step(batch, (0, number), 1.0, head_only=False)

    def in_the_loop(self) -> None:
        """Labels from the teachers."""
        for number, batch in enumerate(self.source.train(0, global_batch_size=BATCH_SIZE)):
            computed = replace(batch, soft=self.computed(batch, reduced=True))
            self.stepper.step(computed, (0, number), 1.0, head_only=False)

    def computed(self, batch: Batch, *, reduced: bool) -> SoftTargets:
        """Log of the teachers' mean probability, in bfloat16 where it is faster."""
        with torch.inference_mode(), autocast(CPU, enabled=reduced):
            photos = normalize(batch.pixels, preprocessing())
            said = [teacher(photos).float().softmax(dim=1) for teacher in self.teachers]
        return SoftTargets(torch.stack(said).mean(dim=0).clamp(min=1e-30).log().clone())

    def largest_difference(self) -> float:
        """Of any probability, stored against computed in float32."""
        batch = next(iter(self.source.train(0, global_batch_size=BATCH_SIZE)))
        assert batch.soft is not None
        computed = self.computed(batch, reduced=False).logits.softmax(dim=1)
        return float((batch.soft.logits.softmax(dim=1) - computed).abs().max())


class Measured(NamedTuple):
    """Photos a second of either side, and how far the labels are apart."""

    stored: float
    in_the_loop: float
    difference: float


def card(architecture: str) -> ModelCard:
    """Of student and teachers alike, but for the architecture."""
    return ModelCard(
        architecture=architecture, num_classes=len(CLASS_IDS), preprocessing=preprocessing(), class_ids=CLASS_IDS
    )


def preprocessing() -> Preprocessing:
    """Of student and teachers alike, so that both see the same pixels."""
    return Preprocessing(image_size=224)


def prepare(folder: Path, plan: BatchPlan, architecture: str, count: int, compile_all: bool) -> Bench:
    """Untrained teachers, their combined labels on disk, and a student."""
    views = ViewSettings(1, (0.35, 1.0), (0.75, 4 / 3), 0.5, seed=1)
    shard, teachers, said = plan.images / "shard-00000.parquet", list[nn.Module](), list[TeacherScores]()
    split_of = {row["image_id"]: row["split"] for row in pq.read_table(plan.split_file).to_pylist()}
    soft = folder / "soft"
    for number in range(count):
        torch.manual_seed(number)
        teacher = build(card(architecture)).eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        save_checkpoint(folder / str(number), teacher.state_dict(), card(architecture))
        teachers.append(compiled(teacher) if compile_all else teacher)
        labels = label_shard(Scorer(folder / str(number), "cpu"), shard, split_of, views, None)
        said.append(TeacherScores(labels.train))
        (soft / "views").mkdir(parents=True, exist_ok=True)
        pq.write_table(labels.views, soft / "views/shard-00000.parquet")
    (soft / "scores").mkdir()
    pq.write_table(combine(said, CLASS_IDS).to_arrow(), soft / "scores/shard-00000.parquet")
    task = TrainTask(
        card=card("mobilenetv2"),
        initial=None,
        batches=replace(plan, soft_labels=SoftLabels(soft, class_index_digest(CLASS_IDS)), temperature=TEMPERATURE),
        objective=Distillation(TEMPERATURE, 0.7),
        optimization=Optimization(learning_rate=1e-4, global_batch_size=BATCH_SIZE),
        epochs=1,
        seed=1,
        compile=compile_all,
    )
    student: PlantModel = task.build().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    stepper = Stepper(task, LocalContext(folder / "run", CPU), student, None)
    stepper.train()
    return Bench(stepper, teachers, BatchSource(task.batches))


def measured(folder: Path, plan: BatchPlan, architecture: str, count: int, compile_all: bool) -> Measured:
    """Both sides in turns, after one round that warms up."""
    bench = prepare(folder / f"{architecture}-{compile_all}", plan, architecture, count, compile_all)
    sides: list[Callable[[], object]] = [bench.stored, bench.in_the_loop]
    interleaved(sides, repeats=1)
    stored, in_the_loop = (BATCH_SIZE * NUM_BATCHES / seconds for seconds in interleaved(sides, repeats=3))
    return Measured(stored, in_the_loop, bench.largest_difference())


def bytes_per_photo(folder: Path) -> float:
    """Of the scores and views of ``NUM_WEIGHED`` photos, with the phases' default number of views and depth."""
    views = ViewsSection()
    drawer = ViewSettings(views.num_views, views.scale, views.ratio, views.flip_probability, seed=1)
    names = tuple(f"Planta {number:04d}" for number in range(NUM_CLASSES))
    random = np.random.default_rng(1)
    tables, crops = list[ScoreTable](), list[tuple[str, int, View]]()
    for number in range(NUM_WEIGHED):
        image_id = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        boxes = [View(0.1, 0.0, 0.9, 1.0), *drawer.draw(image_id, 512, 384)]
        photo = random.normal(0.0, 1.0, NUM_CLASSES)
        photo[random.choice(NUM_CLASSES, 12, replace=False)] += random.uniform(3.0, 10.0, 12)
        logits = photo + random.normal(0.0, 0.5, (len(boxes), NUM_CLASSES))
        ids, numbers = np.array([image_id] * len(boxes)), np.arange(len(boxes), dtype=np.int16)
        table = ScoreTable(ids, numbers, names, logits.astype(np.float16))
        tables.append(table.to_top_k(CombineTeacherLogitsConfig().top_k))
        crops += [(image_id, at, box) for at, box in enumerate(boxes)]

    def run(ctx: PhaseContext[PhaseConfig]) -> dict[str, Any]:
        entries = [
            ctx.output.write_table("scores.parquet", concat(tables).to_arrow()),
            ctx.output.write_table("views.parquet", views_to_arrow(crops)),
        ]
        return {"bytes": sum(entry.bytes for entry in entries)}

    os.environ["APLANTIDA_ROOT"] = str(folder)
    phase = Phase("weigh", PhaseConfig, {}, "weighed", 1, run)
    return execute(phase, values={"inputs": {}, "output": "weighed"}).metrics["bytes"] / NUM_WEIGHED


def main() -> None:
    """Measure and print."""
    threads = set_threads(None)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        plan = write_shard(draw_jpegs(BATCH_SIZE * NUM_BATCHES + 1), Path(folder), preprocessing().image_size, "none")
        for name, architecture, count, goal in TEACHERS:
            for compile_all in (False, True):
                got = measured(Path(folder), plan, architecture, count, compile_all)
                note = (
                    f"{threads} CPU threads, {BATCH_SIZE * NUM_BATCHES} photos a round; labels differ by at most "
                    f"{got.difference:.1e} in probability"
                )
                what = f"distillation, {name} in the loop" + (", all compiled" if compile_all else "")
                ratio = got.stored / got.in_the_loop
                rows.append(Row(what, got.stored, got.in_the_loop, "images/s", ratio, goal, note))
        size = bytes_per_photo(Path(folder))
    views, depth = ViewsSection().num_views, CombineTeacherLogitsConfig().top_k
    note = (
        f"{views} drawn views and the centre, {depth} logits and a tail each: {900_000 * size / 1e9:.1f} GB for 900,000"
    )
    what = "soft labels of 9,000 classes against 3.7 kB a photo"
    rows.append(Row(what, size, BUDGET, "bytes", BUDGET / size, 1.0, note))
    show(rows)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
