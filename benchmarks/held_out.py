"""What is named of plants nobody trained on, and of pictures without a plant: a reference run with species held out.

The reference run's collection, split, and student without teachers, but ``--species`` species, chosen by hash, are no
classes. Then calibrate_model chooses by val photos and pictures, and test says what comes of it: species that are not
those of val, and kinds of pictures that no gate was chosen by.

Without ``--run`` what is there is shown. With it what is missing is run; kill it at any instant, and run it again.

    python -m benchmarks.held_out --run --collection DIR --weights DIR
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

from aplantida.demo.driver import Run, complain, run_over
from aplantida.demo.reference import CONFIGS, port_in
from aplantida.phases.calibrate_model import PHASE as CALIBRATE
from aplantida.pipeline.artifact import MANIFEST, open_artifact
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.config import CHECKOUT, root
from aplantida.pipeline.logs import configure_console
from aplantida.pipeline.runner import execute
from benchmarks.report import Row, show

NODES = ["audit_dataset", "export_dataset", "fetch_images", "split_dataset", "baseline", "evaluation_baseline"]
NUM_NON_PLANTS = 580
# strangers are to be refused, known photos may pay for it: more than by default
CHOICES: dict[str, Any] = {"target_precision": 0.92, "strangers": {"max_known_refused": 0.15}}
MAX_NON_PLANTS, MAX_STRANGERS, LEAST_COVERAGE, LEAST_PRECISION = 5.0, 15.0, 75.0, 90.0


def overlays(folder: Path, num_species: int) -> Path:
    """The reference run's overlays, but species are held out and the baseline is asked about strangers too."""
    shutil.copytree(CHECKOUT / "configs/reference", folder / "held_out", dirs_exist_ok=True)
    (folder / "held_out/collection.yaml").unlink()  # the overlays name that of the reference run
    for name, line in (
        ("split_dataset", f"hold_out_species: {num_species}"),
        ("evaluation_baseline", f"num_non_plants: {NUM_NON_PLANTS}"),
    ):
        with (folder / f"held_out/{name}.yaml").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    values = {"profile": "held_out", "overlay_folder": str(folder), "runs": str(folder), "nodes": NODES}
    (folder / "run_pipeline.json").write_text(json.dumps(values), encoding="utf-8")  # JSON is YAML too
    return folder / "run_pipeline.json"


def run(folder: Path, num_species: int, collection: Path, weights: Path) -> int:
    """Run what is missing; the exit code is the job's."""
    graph = Run.load([*CONFIGS, str(overlays(folder, num_species))])
    code = run_over(
        graph, collection.resolve(), port_in(collection / "plants.jsonl"), {"WEIGHTS": str(weights.resolve())}
    )
    if code == 0:
        values = {"inputs": {"evaluation": str(folder / NODES[-1])}, "output": str(folder / "calibration")}
        execute(CALIBRATE, files=["configs/calibrate_model.yaml"], values={**values, **CHOICES})
    return code


def rows_of(calibration: dict[str, Any]) -> list[Row]:
    """What came of it, on test: known species, species held out, kinds of pictures that nobody chose by."""
    named, told = calibration["rules"]["outcomes"]["species"], calibration["strangers_answered"]
    low, high = (100 * bound for bound in named["precision_interval"])
    rows = [
        Row(
            "known photos named a species",
            100 * named["share"],
            LEAST_COVERAGE,
            "%",
            100 * named["share"] / LEAST_COVERAGE,
            1,
        ),
        Row(
            "of these right",
            100 * named["precision"],
            LEAST_PRECISION,
            "%",
            100 * named["precision"] / LEAST_PRECISION,
            1,
            f"{low:.1f} to {high:.1f} at the 95 % level; calibration error {calibration['ece']['after']:.3f}",
        ),
    ]
    for kind, gate, name, most in (
        ("non_plant", "plant", "pictures without a plant named a species", MAX_NON_PLANTS),
        ("stranger", "known", "plants of other species named a species", MAX_STRANGERS),
    ):
        found, report = told[kind], calibration["strangers"][gate]
        if not found["num_photos"]:
            continue
        share = 100 * found["shares"]["species"]
        note = f"of {found['num_photos']}; of others {100 * found['species_at_most']:.1f} at most, one-sided 90 %"
        without = report["named_without_gate"].get("test", math.nan)
        note += f"; {100 * without:.1f} without a gate; gate: {report.get('score') or report.get('reason')}"
        rows.append(Row(name, share, most, "%", most / max(share, 0.1), 1, note))
        rows += [
            Row(
                f"{name.split(' named')[0]}: {score['score']}",
                100 * score["test_passed_at_limit"],
                100 * score["val_passed_at_limit"],
                "% pass",
                math.nan,
                None,
                f"where as many known photos are refused as may be; peer: val; AUROC {score['test_auroc']:.3f} "
                f"(val {score['val_auroc']:.3f}), {score['bytes']:,} bytes in a page",
            )
            for score in report["scores"]
        ]
    return rows


def main() -> int:
    """Run what is wanted, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="run what is missing; otherwise only show what is there")
    parser.add_argument("--collection", type=Path, help="folder with plants.jsonl and images/")
    parser.add_argument("--weights", type=Path, help="folder with the pretrained weights")
    parser.add_argument("--species", type=int, default=15, help="held out (default: %(default)s)")
    parser.add_argument("--output", default="runs/held_out", help="where results go (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    given = parser.parse_args()
    folder = root() / given.output
    if given.run:
        if given.collection is None or given.weights is None:
            parser.error("--run wants --collection and --weights")
        configure_console("info")
        folder.mkdir(parents=True, exist_ok=True)
        code = exit_code_of(lambda: run(folder, given.species, given.collection, given.weights), complain)
        if code:
            return code
    if not (folder / "calibration" / MANIFEST).is_file():
        show([Row("strangers named", math.nan, math.nan, "%", math.nan, None, "not run")])
        return 0
    show(rows_of(json.loads(open_artifact(folder / "calibration").file("calibration.json").read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
