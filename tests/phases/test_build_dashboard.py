from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from aplantida.domain.record import REJECTION_SCHEMA
from aplantida.phases.build_dashboard import PHASE
from aplantida.phases.calibrate_model import PHASE as CALIBRATE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.runner import Outcome, execute
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import make_checkpoint, make_evaluation, make_images, make_split, seal

BASE = "configs/build_dashboard.yaml"


class Page(HTMLParser):
    """Cells of every table row, and every address the page would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.loaded: list[str] = []
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "link", "iframe", "image", "object"):
            self.loaded.append(str(values))
        self.loaded += [
            str(value)
            for name, value in attrs
            if name in ("src", "data") or (name.endswith("href") and not str(value).startswith("#"))
        ]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.rows[-1][-1] += data

    def row(self, *begin: str) -> list[str]:
        return next(row for row in self.rows if row[: len(begin)] == list(begin))


def noisy(seed: int, skill: float, count: int = 240) -> tuple[list[int], np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 6, count)
    logits = draw.normal(size=(count, 6))
    logits[np.arange(count), labels] += skill
    return labels.tolist(), logits


def rejections(reasons: dict[str, int]) -> pa.Table:
    rows = [
        {"image_id": f"{at:032x}", "document_id": "d", "reason": reason}
        for reason, count in reasons.items()
        for at in range(count)
    ]
    return pa.Table.from_pylist(rows, REJECTION_SCHEMA)


@pytest.fixture
def nodes(root: Path) -> list[str]:
    def records(output: ArtifactWriter) -> None:
        output.write_table("records.parquet", pa.table({"image_id": [f"{at}" for at in range(65)]}))
        output.write_table("rejections.parquet", rejections({"license_refused": 7, "address_refused": 2}))

    def bundle(output: ArtifactWriter) -> None:
        output.write_bytes("model/weights.bin", bytes(2_000_000))
        output.write_bytes("index.html", bytes(10_000))

    def validation(output: ArtifactWriter) -> dict[str, Any]:
        output.write_text("parity.csv", "runtime,top1_agreement\nonnx,1.0\n")
        return {"cold_seconds": {"page": 1.25}, "runtimes": {"onnx": {"num_photos": 3}}}

    seal("records", "records", records)
    make_images("images")
    make_split("split", "images")
    make_checkpoint("student", {"images": "images", "split": "split"})
    make_evaluation("evaluation_baseline", *noisy(1, 1.0))
    make_evaluation("evaluation_distilled", *noisy(1, 2.0))
    make_evaluation("evaluation", *noisy(1, 2.0))
    asked = {"inputs": {"evaluation": "evaluation"}, "target_precision": 0.85, "output": "calibration"}
    execute(CALIBRATE, values=asked)
    seal("dist/demo_v1.0", "model_bundle", bundle)
    seal("validation", "validation", validation)
    made = "records images split student evaluation_baseline evaluation_distilled evaluation calibration validation"
    return [*made.split(), "dist/demo_v1.0"]


def build(nodes: list[str], output: str = "dashboard", **values: Any) -> Outcome:
    return execute(PHASE, files=[BASE], values={"inputs": {"artifacts": nodes}, "output": output, **values})


def top1_of(evaluation: Path) -> float:
    return json.loads((evaluation / "metrics.json").read_text())["test"]["top1"]


def html(artifact: Artifact | None) -> str:
    assert artifact is not None
    return artifact.file("dashboard.html").read_text()


def test_it_shows_what_was_measured_and_loads_nothing(nodes: list[str], root: Path) -> None:
    outcome = build(nodes)
    text = html(outcome.artifact)
    page = Page(text)
    assert page.loaded == []
    assert re.search(r"url\((?!#)", text) is None
    assert page.row("export", "license_refused")[2] == "7"
    assert page.row("rows of the collection")[1] == "74"
    assert page.row("photos in the split")[1] == "60"
    top1 = {name: top1_of(root / f"evaluation_{name}") for name in ("baseline", "distilled")}
    assert top1["distilled"] > top1["baseline"]
    said = re.fullmatch(r"(\S+) \((\S+) to (\S+)\)", page.row("distilled minus baseline")[1])
    assert said is not None
    difference, low, high = map(float, said.groups())
    assert difference == pytest.approx(100 * (top1["distilled"] - top1["baseline"]), abs=0.006)
    assert low <= difference <= high
    assert low < high
    assert page.row("distilled")[4] == f"{100 * top1['distilled']:.1f} %"
    assert page.row("model/")[1] == "2"
    assert page.row("cold_seconds.page")[1] == "1.25"
    assert page.row("page, first photo")[-1] == "pass"
    assert page.row("onnx")[1] == "1.0"
    target = page.row("model size")
    assert target[2:] == ["≤ 7", "2", "pass"]
    assert page.row("licences")[-1] == "not measured"
    assert text.count("<svg") == 6
    assert outcome.metrics["model size"] == "pass"
    assert outcome.artifact is not None
    sheet = Image.open(io.BytesIO(outcome.artifact.file("eval_dashboard.png").read_bytes()))
    assert sheet.width == 1800
    assert len(set(sheet.convert("L").resize((60, 40)).tobytes())) > 20  # something is drawn


def test_the_same_artifacts_give_the_same_bytes(nodes: list[str]) -> None:
    first, second = build(nodes, "one").artifact, build(nodes, "two").artifact
    assert first is not None
    assert second is not None
    assert first.digest == second.digest


def test_a_run_that_holds_little_gives_a_page_that_says_so(nodes: list[str]) -> None:
    text = html(build(["records"], "little").artifact)
    assert text.count("Not in this run.") == 8
    assert Page(text).row("global top-1")[-1] == "not measured"


def test_other_targets_make_another_dashboard(nodes: list[str], root: Path) -> None:
    file = root / "targets.yaml"
    file.write_text(
        "targets: [{name: mine, what: w, node: evaluation, file: metrics.json, metric: test.top1, at_least: 1.1}]"
    )
    outcome = build(nodes, targets=str(file))
    assert outcome.metrics == {"mine": "fail"}
