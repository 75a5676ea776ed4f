"""Top-1 and top-5 of students that learn from labels alone, or from soft labels in several ways, over some seeds.

Every arm is one training of the reference run's student with the reference run's overlays, on half of its training
photos, and one evaluation on all of its test photos. The teachers are the reference run's: they have seen all of its
training photos, twice what the students see, so distillation gains more here than it would from teachers of the same
half.

Without ``--run`` what is there is shown, and what is not there is called "not run". With it arms are run, seed after
seed, each sealed when it is done: kill it at any instant, and say the same again to go on.

    WEIGHTS=DIR python -m benchmarks.accuracy --run --arms baseline,kd,dist --seeds 3

It wants the artifacts of ``make reference`` (``--reference``), which are relative to ``APLANTIDA_ROOT`` as the results
(``--output``) are.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.domain.seeds import derive_seed
from aplantida.phases import combine_teacher_logits, compute_teacher_logits, distill_student, evaluate_model
from aplantida.pipeline.artifact import MANIFEST, open_artifact
from aplantida.pipeline.config import SeededConfig, root
from aplantida.pipeline.logs import configure_console
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.runner import execute
from benchmarks.report import Row, show

TEACHERS = ("global", "regional")
NODE = "configs/reference/{}.yaml"


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        title: what the table calls it.
        kind: of the distance from the soft labels; None for a student that sees labels only.
        one_view: of each photo, instead of the reference run's number.
        values: what else differs from the reference run's overlay.
    """

    title: str
    kind: str | None = "kd"
    one_view: bool = False
    values: Mapping[str, Any] | None = None


ARMS = {
    "baseline": Arm("labels alone", None),
    "kd": Arm("KD"),
    "dkd": Arm("DKD, beta 8", "dkd", values={"distillation": {"distance": {"beta": 8.0}}}),
    "dist": Arm("DIST", "dist", values={"distillation": {"temperature": 1.0}}),
    "js": Arm("Jensen-Shannon", "js", values={"distillation": {"temperature": 1.0, "alpha": 0.9}}),
    "dist-as-kd": Arm("DIST, T and alpha of KD", "dist"),
    "js-as-kd": Arm("Jensen-Shannon, T and alpha of KD", "js"),
    "kd-one-view": Arm("KD, one view a photo", one_view=True),
    "kd-rank-96": Arm("KD, head of rank 96", values={"model": {"head_rank": 96}}),
}


class HalveConfig(SeededConfig):
    """Nothing but the seed."""


def _halve(ctx: PhaseContext[HalveConfig]) -> dict[str, Any]:
    """The same split with every second training photo of each class, in an order drawn from the seed."""
    given = ctx.input("split")
    rows = pq.read_table(given.file("split.parquet"))
    positions = defaultdict[int, list[tuple[int, int]]](list)
    for at, row in enumerate(rows.select(["image_id", "class_index", "split"]).to_pylist()):
        if row["split"] == "train":
            positions[row["class_index"]].append((derive_seed(ctx.config.seed, "half", row["image_id"]), at))
    dropped = {at for drawn in positions.values() for _, at in sorted(drawn)[1::2]}
    kept = rows.filter(pa.array([at not in dropped for at in range(rows.num_rows)]))
    ctx.output.write_table("split.parquet", kept)
    for name in ("class_index.json", "regions.json"):
        ctx.output.publish(shutil.copyfile(given.file(name), ctx.output.scratch / name), name)
    return {"num_train": sum(map(len, positions.values())) - len(dropped)}


HALVE = Phase(
    name="halve_split",
    config=HalveConfig,
    inputs={"images": "image_shards", "split": "split"},
    output="split",
    version=1,
    run=_halve,
)


@dataclass(frozen=True)
class Bench:
    """Where things are, and how long a training is."""

    reference: str
    output: str
    epochs: int

    def run(self, name: str, seed: int) -> None:
        """Train and judge one arm with one seed, unless that is done."""
        arm, out = ARMS[name], self._of(name, seed)
        photos = {"images": f"{self.reference}/fetch_images", "split": f"{self.output}/split"}
        self._execute(HALVE, [], f"{self.output}/split", {**photos, "split": f"{self.reference}/split_dataset"}, seed=0)
        values: dict[str, Any] = {"training": {"epochs": self.epochs}, "distillation": {"recipe": "explicit"}}
        inputs, node = dict(photos), "baseline"
        if arm.kind is None:
            values["distillation"]["alpha"] = 0.0
        else:
            inputs["soft_labels"], node = self._labels(arm, photos), "distilled"
            values["distillation"]["distance"] = {"kind": arm.kind}
        files = ["configs/distill_student.yaml", NODE.format(node)]
        self._execute(distill_student.PHASE, files, out, inputs, seed=seed, **_merged(values, arm.values or {}))
        files = ["configs/evaluate_model.yaml", NODE.format("evaluation")]
        self._execute(evaluate_model.PHASE, files, f"{out}-evaluation", {**photos, "checkpoint": out})

    def row(self, name: str, seeds: Sequence[int], baseline: float | None) -> Row:
        """Means over the seeds that were run."""
        judged = [json.loads(path.read_text())["test"] for seed in seeds if (path := self._metrics(name, seed))]
        title = f"{ARMS[name].title}: top-1"
        if not judged:
            return Row(title, math.nan, math.nan, "% of test photos", math.nan, None, "not run")
        top1, top5 = ([100 * one[key] for one in judged] for key in ("top1", "top5"))
        note = (
            f"± {_deviation(top1)} (sd of {len(judged)} seeds); top-5 {statistics.mean(top5):.1f} ± "
            f"{_deviation(top5)}; {judged[0]['num_photos']} test photos, {self.epochs} epochs"
        )
        mean = statistics.mean(top1)
        peer = math.nan if baseline is None else baseline
        return Row(title, mean, peer, "% of test photos", mean / peer, None, note)

    def mean(self, name: str, seeds: Sequence[int]) -> float | None:
        """Mean top-1 in percent; None when nothing was run."""
        found = self.row(name, seeds, None).ours
        return None if math.isnan(found) else found

    def _of(self, name: str, seed: int) -> str:
        return f"{self.output}/{name}-{self.epochs}-epochs-seed-{seed}"

    def _metrics(self, name: str, seed: int) -> Any:
        folder = root() / f"{self._of(name, seed)}-evaluation"
        return open_artifact(folder).file("metrics.json") if (folder / MANIFEST).is_file() else None

    def _labels(self, arm: Arm, photos: Mapping[str, str]) -> str:
        """The soft labels of an arm; those of one view are made when they are not there."""
        if not arm.one_view:
            return f"{self.reference}/soft_labels"
        logits = list[str]()
        for teacher in TEACHERS:
            logits.append(f"{self.output}/logits_{teacher}")
            files = ["configs/compute_teacher_logits.yaml", NODE.format(f"logits_{teacher}")]
            inputs = {**photos, "checkpoint": f"{self.reference}/teacher_{teacher}"}
            self._execute(compute_teacher_logits.PHASE, files, logits[-1], inputs, views={"num_views": 1})
        files = ["configs/combine_teacher_logits.yaml", NODE.format("soft_labels")]
        inputs = {"teacher_logits": logits, "split": photos["split"]}
        self._execute(combine_teacher_logits.PHASE, files, f"{self.output}/soft_labels", inputs)
        return f"{self.output}/soft_labels"

    def _execute(
        self, phase: Phase[Any], files: Sequence[str], output: str, inputs: Mapping[str, Any], **values: Any
    ) -> None:
        execute(phase, files=files, values={"inputs": dict(inputs), "output": output, **values})


def _merged(first: dict[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """``second`` over ``first``, section by section."""
    merged = dict(first)
    for name, value in second.items():
        merged[name] = _merged(merged.get(name, {}), value) if isinstance(value, Mapping) else value
    return merged


def _deviation(values: Sequence[float]) -> str:
    return f"{statistics.stdev(values):.1f}" if len(values) > 1 else "?"


def main() -> None:
    """Run what is wanted, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="run the arms; otherwise only show what is there")
    parser.add_argument("--arms", default=",".join(ARMS), help="with commas between them (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="of a training (default: %(default)s)")
    parser.add_argument("--reference", default="runs/reference", help="the reference run (default: %(default)s)")
    parser.add_argument("--output", default="runs/accuracy", help="where results go (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    given = parser.parse_args()
    wanted = given.arms.split(",")
    if unknown := set(wanted) - set(ARMS):
        sys.exit(f"--arms: {sorted(unknown)[0]!r} is none of {', '.join(ARMS)}")
    bench, seeds = Bench(given.reference, given.output, given.epochs), range(given.seeds)
    if given.run:
        configure_console("info")
        for seed in seeds:
            for name in wanted:
                bench.run(name, seed)
    baseline = bench.mean("baseline", seeds)
    show([bench.row(name, seeds, baseline) for name in ARMS])


if __name__ == "__main__":
    main()
