"""The same photos through torch, ONNX, SavedModel and the bundle in a real Chromium: they must agree, or exit 4."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from aplantida.phases._pairing import check_pairing, spoken
from aplantida.phases._photos import drawn, read_photos, split_rows
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.config import Section, SeededConfig, Threads
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    from aplantida.export.parity import ParityRow

FORMAT = "aplantida.parity/1"
TORCH, PAGE = "torch", "page"
RUNTIMES = ("onnx", "saved_model", "tfjs")
FloatArray = npt.NDArray[np.float32]


class BoundsSection(Section):
    """How far a runtime may lie from torch."""

    max_probability_difference: float = Field(default=1e-3, ge=0)
    min_top1_agreement: float = Field(default=0.99, ge=0, le=1)
    min_top5_agreement: float = Field(default=0.97, ge=0, le=1)


class ValidationGates(Section):
    """The bounds of the runtimes, and of the page, which decodes the photos itself."""

    bounds: BoundsSection = BoundsSection()
    page_bounds: BoundsSection = BoundsSection(
        max_probability_difference=0.05, min_top1_agreement=0.9, min_top5_agreement=0.8
    )


class ValidateTfjsConfig(SeededConfig):
    """How many photos beside the golden ones, and the bounds."""

    MOVED: ClassVar[Mapping[str, str]] = {
        f"{section}.{name}": f"gates.{section}.{name}"
        for section in ("bounds", "page_bounds")
        for name in BoundsSection.model_fields
    } | {"bounds": "", "page_bounds": "", "resources.device": ""}

    num_photos: int = Field(default=32, ge=0)
    num_warm_runs: int = Field(default=10, ge=1)
    gates: ValidationGates = ValidationGates()
    resources: Threads = Threads()


@dataclass(frozen=True)
class Photos:
    """The golden photos first, then those drawn from the test split; ``squares`` is (N, S, S, 3) uint8."""

    image_ids: list[str]
    squares: npt.NDArray[np.uint8]
    golden_files: list[Path]


@dataclass(frozen=True)
class Measured:
    """One runtime's logits (N, C), and its seconds: until the first answer, and per photo afterwards."""

    logits: FloatArray
    cold_seconds: float
    warm_seconds: float


def run(ctx: PhaseContext[ValidateTfjsConfig]) -> dict[str, Any]:
    """Run every runtime, compare, judge."""
    from aplantida.export.bundle import altered_files
    from aplantida.export.parity import compare, to_csv, to_markdown

    check_pairing(ctx)
    bundle, checkpoint = ctx.input("bundle"), ctx.input("checkpoint")
    if bundle.inputs["checkpoint"][0]["digest"] != checkpoint.digest:
        raise BadRequest(f"{bundle.path}: was not made from {checkpoint.path}")
    altered = altered_files(bundle.path)
    if altered:
        raise GateFailed(f"{bundle.path}: {len(altered)} files are not those of bundle.json: {', '.join(altered[:5])}")
    photos = _photos(ctx)
    runners = {TORCH: _torch, "onnx": _onnx, "saved_model": _saved_model, "tfjs": _tfjs, PAGE: _page}
    measured = {name: _once(ctx, name, photos, runner) for name, runner in runners.items()}
    temperature = json.loads(bundle.file("decision.json").read_text(encoding="utf-8"))["temperature"]
    reference = measured[TORCH].logits
    rows = [compare(name, reference, measured[name].logits, temperature) for name in RUNTIMES]
    rows.append(compare(PAGE, reference[: len(photos.golden_files)], measured[PAGE].logits, temperature))
    table = to_markdown(rows)
    ctx.log.info("against torch, %d photos:\n%s", len(photos.image_ids), table)
    ctx.output.write_json("parity.json", _report(photos, rows, temperature))
    ctx.output.write_text("parity.csv", to_csv(rows))
    ctx.output.write_text("summary.md", f"# Against torch\n\n{table}")
    return {
        "runtimes": {row.runtime: asdict(row) for row in rows},
        "cold_seconds": {name: round(item.cold_seconds, 4) for name, item in measured.items()},
        "warm_seconds": {name: round(item.warm_seconds, 5) for name, item in measured.items()},
    }


def judge(config: ValidateTfjsConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Which runtimes lie farther from torch than they may."""
    from aplantida.export.parity import Bounds, ParityRow

    texts: list[str] = []
    for row in metrics["runtimes"].values():
        bounds = config.gates.page_bounds if row["runtime"] == PAGE else config.gates.bounds
        texts += ParityRow(**row).violations(Bounds(**bounds.model_dump()))
    return ["the runtimes disagree:", *texts] if texts else []


def _report(photos: Photos, rows: list[ParityRow], temperature: float) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "reference": TORCH,
        "temperature": temperature,
        "num_golden": len(photos.golden_files),
        "num_photos": len(photos.image_ids),
        "runtimes": [asdict(row) for row in rows],
        "image_ids": photos.image_ids,
    }


def _photos(ctx: PhaseContext[ValidateTfjsConfig]) -> Photos:
    from aplantida.domain.pixels import centre_square, decode_photo
    from aplantida.models.checkpoint import load_card

    bundle, images = ctx.input("bundle"), ctx.input("images")
    card = load_card(ctx.input("checkpoint").file("model.json").parent)
    golden = json.loads(bundle.file("golden/golden.json").read_text(encoding="utf-8"))["photos"]
    files = [bundle.file(f"golden/{photo['file']}") for photo in golden]
    ids: list[str] = [photo["image_id"] for photo in golden]
    held_out = split_rows(images, ctx.input("split"), "test")
    more = read_photos(images, drawn(held_out, ctx.config.num_photos, ctx.config.seed, "validate_tfjs"))
    more = [photo for photo in more if photo["image_id"] not in ids]
    jpegs = [file.read_bytes() for file in files] + [photo["image"] for photo in more]
    squares = np.stack([centre_square(decode_photo(jpeg), card.preprocessing) for jpeg in jpegs])
    return Photos(ids + [photo["image_id"] for photo in more], squares, files)


def _once(
    ctx: PhaseContext[ValidateTfjsConfig],
    name: str,
    photos: Photos,
    runner: Callable[[PhaseContext[ValidateTfjsConfig], Photos], Measured],
) -> Measured:
    """One runtime is one unit: a later session reads what an earlier one measured."""
    key = unit_key(ctx.input("bundle").digest, ctx.input("checkpoint").digest, photos.image_ids)
    kept = ctx.output.scratch / f"{name}.npz"
    if not (ctx.output.is_done(name, key) and kept.is_file()):
        ctx.log.info("%s: %d photos", name, len(photos.image_ids))
        found = runner(ctx, photos)
        temporary = kept.with_suffix(".tmp")
        with temporary.open("wb") as stream:
            np.savez(stream, logits=found.logits, seconds=np.array([found.cold_seconds, found.warm_seconds]))
        temporary.replace(kept)
        ctx.output.record_unit(name, key)
    with np.load(kept) as stored:
        cold, warm = (float(value) for value in stored["seconds"])
        return Measured(stored["logits"], cold, warm)


def _timed(
    load: Callable[[], Callable[[npt.NDArray[np.uint8]], FloatArray]], photos: Photos, num_warm_runs: int
) -> Measured:
    """Cold: load and first answer. Warm: median over single photos."""
    start = time.perf_counter()
    score = load()
    first = score(photos.squares[:1])
    cold = time.perf_counter() - start
    warm: list[float] = []
    for at in range(num_warm_runs):
        single = photos.squares[at % len(photos.squares)][None]
        start = time.perf_counter()
        score(single)
        warm.append(time.perf_counter() - start)
    rest = [score(photos.squares[at : at + 1]) for at in range(1, len(photos.squares))]
    return Measured(np.concatenate([first, *rest]), cold, float(np.median(warm)))


def _torch(ctx: PhaseContext[ValidateTfjsConfig], photos: Photos) -> Measured:
    """The whole checkpoint; of its answers those of the bundle's classes, which may be a region's."""
    from aplantida.models.inference import Scorer

    folder, threads = ctx.input("checkpoint").file("model.json").parent, ctx.config.resources.num_threads
    measured = _timed(lambda: Scorer(folder, "cpu", threads).logits, photos, ctx.config.num_warm_runs)
    shipped, whole = spoken(ctx.input("bundle")), spoken(ctx.input("checkpoint"))
    assert shipped is not None
    assert whole is not None
    places = {class_id: place for place, class_id in enumerate(whole.class_ids)}
    return replace(measured, logits=measured.logits[:, [places[class_id] for class_id in shipped.class_ids]])


def _onnx(ctx: PhaseContext[ValidateTfjsConfig], photos: Photos) -> Measured:
    from aplantida.export.onnx import OnnxRunner

    file, threads = ctx.input("bundle").file("formats/model.onnx"), ctx.config.resources.num_threads
    return _timed(lambda: OnnxRunner(file, threads).logits, photos, ctx.config.num_warm_runs)


def _saved_model(ctx: PhaseContext[ValidateTfjsConfig], photos: Photos) -> Measured:
    from aplantida.export.tensorflow import score_saved_model

    folder = ctx.input("bundle").file("formats/saved_model/saved_model.pb").parent
    log_path = ctx.output.log_path / "tensorflow.log"
    scores = score_saved_model(folder, photos.squares, ctx.output.scratch, log_path, ctx.config.num_warm_runs)
    return Measured(scores.logits, scores.cold_seconds, scores.warm_seconds)


def _tfjs(ctx: PhaseContext[ValidateTfjsConfig], photos: Photos) -> Measured:
    """The shipped files on the wasm backend, fed with the very squares that torch got; cold is page load to answer."""
    from aplantida.export.browser import BrowserClassifier

    with BrowserClassifier(ctx.input("bundle").path) as browser:
        found = _timed(lambda: browser.logits_of_inputs, photos, ctx.config.num_warm_runs)
        return Measured(found.logits, browser.cold_seconds + found.cold_seconds, found.warm_seconds)


def _page(ctx: PhaseContext[ValidateTfjsConfig], photos: Photos) -> Measured:
    """The golden files as a user gives them: the browser decodes and resizes; times as the page sees them."""
    from aplantida.export.browser import BrowserClassifier

    with BrowserClassifier(ctx.input("bundle").path) as browser:
        results = browser.classify_files(photos.golden_files)
        warm = [result.seconds for result in results[1:] or results]
        cold = browser.cold_seconds + results[0].seconds
        return Measured(np.stack([result.logits for result in results]), cold, float(np.median(warm)))


PHASE = Phase(
    name="validate_tfjs",
    config=ValidateTfjsConfig,
    inputs={"bundle": "model_bundle", "checkpoint": "checkpoint", "split": "split", "images": "image_shards"},
    output="validation",
    version=1,
    run=run,
    judge=judge,
)
