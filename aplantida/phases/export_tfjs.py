"""ONNX, SavedModel, TensorFlow.js, and the bundle that the page and ``aplantida.predict`` read."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from aplantida.domain.class_index import positions_of
from aplantida.phases._export_lineage import check_lineage, credits_of, shipped_classes
from aplantida.phases._pairing import check_pairing
from aplantida.phases._photos import read_photos, split_rows
from aplantida.phases._release import note_release, release_name
from aplantida.phases._student import SizeGates
from aplantida.pipeline.artifact import FileEntry, unit_key
from aplantida.pipeline.config import RELEASE_NAME, SeededConfig, Threads
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.release.attributions import LIST_FILES, to_html, where_listed
from aplantida.release.manifest import read_json

if TYPE_CHECKING:
    from aplantida.domain.class_index import ClassIndex
    from aplantida.models.checkpoint import ModelCard

ONNX_FILE, SAVED_MODEL_FOLDER = "formats/model.onnx", "formats/saved_model"


class BundleGates(SizeGates):
    """How large the bundle's model and its credits may be."""

    max_credits_bytes: int = Field(default=12_000_000, ge=1)


class ExportTfjsConfig(SeededConfig):
    """What the bundle is called and what goes into it."""

    MOVED: ClassVar[Mapping[str, str]] = {"max_model_bytes": "gates.max_model_bytes", "resources.device": ""}

    name: str = Field(default="student", pattern=RELEASE_NAME)
    version: str = Field(default="v1.0", pattern=RELEASE_NAME)
    region: str | None = Field(default=None, min_length=1)
    model_license: str = "CC-BY-4.0"
    credits_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    num_golden: int = Field(default=16, ge=1)
    golden_split: str = Field(default="test", pattern="train|val|test")
    gates: BundleGates = BundleGates()
    resources: Threads = Threads()


def run(ctx: PhaseContext[ExportTfjsConfig]) -> dict[str, Any]:
    """Convert, then assemble."""
    from aplantida.export.bundle import bundle_json
    from aplantida.export.graph_model import MODEL_FILE, WEIGHTS_FILE
    from aplantida.models.checkpoint import load_card

    check_pairing(ctx)
    decision = _decision(ctx)
    card = load_card(ctx.input("checkpoint").file("model.json").parent)
    classes = shipped_classes(ctx, card.class_ids)
    check_lineage(ctx)
    credited = _write_credits(ctx, classes)
    _convert(ctx, classes)
    sizes = {name: ctx.output.files[f"model/{name}"].bytes for name in (MODEL_FILE, WEIGHTS_FILE)}
    _write_texts(ctx, card, classes)
    num_golden = _write_golden(ctx, card, classes, decision["temperature"])
    _write_page(ctx)
    entries = {name: (entry.bytes, entry.sha256) for name, entry in ctx.output.files.items() if name != "bundle.json"}
    facts = {
        "architecture": card.architecture,
        "image_size": card.preprocessing.image_size,
        "num_classes": len(classes),
        "license": ctx.config.model_license,
        **({} if ctx.config.region is None else {"region": ctx.config.region}),
    }
    digests = {name: given[0].digest for name, given in ctx.inputs.items()}
    bundle = bundle_json(ctx.config.name, ctx.config.version, facts, digests, entries)
    ctx.output.write_json("bundle.json", bundle)
    shipped = sum(entry["bytes"] for entry in bundle["files"].values())
    model_mb, credits_mb, bundle_mb = (size / 1e6 for size in (sum(sizes.values()), credited["credits_bytes"], shipped))
    ctx.log.info("model %.2f MB, credits %.2f MB, bundle %.2f MB in %d files, %d golden photos",
                 model_mb, credits_mb, bundle_mb, len(bundle["files"]), num_golden)  # fmt: skip
    metrics = {
        "model_bytes": sum(sizes.values()),
        "weights_bytes": sizes[WEIGHTS_FILE],
        **credited,
        "bundle_bytes": shipped,
        "formats_bytes": sum(entry["bytes"] for entry in bundle["formats"].values()),
        "num_files": len(bundle["files"]),
        "num_golden": num_golden,
    }
    if not judge(ctx.config, metrics):  # what is refused is no release, and keeps nothing from being tidied away
        note_release(ctx, "model_bundle", release_name(ctx.config))
    return metrics


def judge(config: ExportTfjsConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Whether the page has little enough to load, and the bundle few enough credits to keep."""
    violations: list[str] = []
    found, most = metrics["model_bytes"], config.gates.max_model_bytes
    if found > most:
        violations.append(
            f"the model has {found} bytes, {metrics['weights_bytes']} of them weights; gates.max_model_bytes is "
            f"{most}: lower quantize_model's min_elements, or train a student whose head_rank is auto"
        )
    found, most, photos = metrics["credits_bytes"], config.gates.max_credits_bytes, metrics["num_credited"]
    if found > most:
        violations.append(
            f"the credits of {photos} photos by {metrics['num_authors']} authors have {found} bytes in the bundle "
            f"({found / photos:.1f} a photo); gates.max_credits_bytes is {most}: raise it, or shorten what the "
            f"collection gives as authors and sources ({LIST_FILES[0]} of the license_report lists them)"
        )
    return violations


def _convert(ctx: PhaseContext[ExportTfjsConfig], classes: ClassIndex) -> None:
    """The three formats, each one unit of resume; of the head only the outputs of ``classes``."""
    import torch

    from aplantida.export.graph_model import MODEL_FILE, WEIGHTS_FILE, write_graph_model
    from aplantida.export.onnx import export_onnx
    from aplantida.export.quantization import read_encodings
    from aplantida.export.tensorflow import convert
    from aplantida.models.checkpoint import load_checkpoint
    from aplantida.models.heads import narrow_head

    output, checkpoint = ctx.output, ctx.input("checkpoint")
    if ctx.config.resources.num_threads is not None:
        torch.set_num_threads(ctx.config.resources.num_threads)
    folder = checkpoint.file("model.json").parent
    model, card = load_checkpoint(folder)
    key = unit_key(checkpoint.digest)
    if classes.class_ids != card.class_ids:
        model.head = narrow_head(model.head, positions_of(classes.class_ids, card.class_ids))
        key = unit_key(checkpoint.digest, classes.digest)
    if not output.is_done("onnx", key):
        export_onnx(model, card.preprocessing, output.scratch / "model.onnx")
        output.record_unit("onnx", key, [output.publish(output.scratch / "model.onnx", ONNX_FILE)])
    if output.is_done("saved_model", key) and output.is_done("tfjs", key):
        return
    saved_model, converted = output.path / SAVED_MODEL_FOLDER, output.scratch / "converted"
    if not output.is_done("saved_model", key):
        saved_model = output.scratch / "saved_model"
        shutil.rmtree(saved_model, ignore_errors=True)
    shutil.rmtree(converted, ignore_errors=True)
    ctx.log.info("converting to SavedModel and TensorFlow.js; the converters' output goes to %s", _log(ctx))
    convert(output.path / ONNX_FILE, saved_model, converted, _log(ctx))
    tensors = {name: value.numpy() for name, value in model.state_dict().items() if value.is_floating_point()}
    encodings = read_encodings(folder, card)
    matches = write_graph_model(converted, output.scratch / "model", tensors, encodings)
    merged = sorted(set(encodings) - set(matches.values()))
    if merged:
        ctx.log.warning("%d rounded tensors were merged with constants and ship as float32: %s", len(merged), merged)
    if not output.is_done("saved_model", key):
        output.record_unit("saved_model", key, _publish_tree(ctx, saved_model, SAVED_MODEL_FOLDER))
    files = [output.publish(output.scratch / "model" / name, f"model/{name}") for name in (MODEL_FILE, WEIGHTS_FILE)]
    output.record_unit("tfjs", key, files, {"num_matched": len(matches), "merged": merged})


def _log(ctx: PhaseContext[ExportTfjsConfig]) -> Path:
    return ctx.output.log_path / "tensorflow.log"


def _publish_tree(ctx: PhaseContext[ExportTfjsConfig], folder: Path, name: str) -> list[FileEntry]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [ctx.output.publish(path, f"{name}/{path.relative_to(folder).as_posix()}") for path in files]


def _write_texts(ctx: PhaseContext[ExportTfjsConfig], card: ModelCard, classes: ClassIndex) -> None:
    from aplantida.export.bundle import license_text

    output, licenses = ctx.output, ctx.input("license_report")
    output.write_json("classes.json", classes.to_json())
    output.write_json("preprocessing.json", card.preprocessing.to_json())
    output.write_bytes("decision.json", ctx.input("calibration").file("decision.json").read_bytes())
    report, listed = read_json(licenses, "license_report.json"), where_listed(ctx.config.credits_url, licenses.digest)
    text = license_text(ctx.config.name, ctx.config.version, ctx.config.model_license, report, listed)
    output.write_text("LICENSE-MODEL.md", text)
    calibration = read_json(ctx.input("calibration"), "calibration.json")
    metrics = {"evaluation": read_json(ctx.input("evaluation"), "metrics.json"), "ece": calibration["ece"]}
    output.write_json("metrics.json", metrics)


def _write_credits(ctx: PhaseContext[ExportTfjsConfig], classes: ClassIndex) -> dict[str, int]:
    """Who took the photos, by species, and a page that sums it up; the metrics of it.

    A region's bundle has the credits of its species; its sums, and the full list, are of all that the model has seen.
    """
    from aplantida.export.credits import INDEX_FILE, credit_files, index_json, read_list

    config, licenses = ctx.config, ctx.input("license_report")
    photos = read_json(licenses, "license_report.json")["photos"]
    csv, parquet = (licenses.file(name) for name in LIST_FILES)
    size = 0
    rows = (row for row in read_list(parquet) if config.region is None or row[0] in classes)
    for name, content in credit_files(rows, classes.class_ids):
        size += ctx.output.write_bytes(name, content).bytes
    full_list = {"url": config.credits_url, "license_report": licenses.digest, "file": csv.name}
    size += ctx.output.write_json(INDEX_FILE, index_json(photos, full_list)).bytes
    html = to_html(photos, licenses.config["title"], where_listed(config.credits_url, licenses.digest))
    ctx.output.write_text("attributions.html", html)
    return {"credits_bytes": size, "num_credited": photos["num_photos"], "num_authors": photos["num_authors"]}


def _decision(ctx: PhaseContext[ExportTfjsConfig]) -> dict[str, Any]:
    """``decision.json`` of the calibration, before any work: no bundle carries one that its page would refuse."""
    from aplantida.evaluation.decide import load_decision

    try:
        return load_decision(ctx.input("calibration").file("decision.json"))
    except ValueError as error:
        raise BadRequest(str(error)) from error


def _write_golden(ctx: PhaseContext[ExportTfjsConfig], card: ModelCard, classes: ClassIndex, temperature: float) -> int:
    """Photos that may ship, with credit and the answer torch gives; how many."""
    import numpy as np
    import pyarrow.compute as pc

    from aplantida.domain.class_index import ClassIndex
    from aplantida.domain.pixels import centre_square, decode_photo
    from aplantida.export.bundle import choose_golden, golden_json, golden_name, may_be_golden
    from aplantida.models.inference import Scorer

    images, split, config = ctx.input("images"), ctx.input("split"), ctx.config
    index = ClassIndex.load(split.file("class_index.json"))
    rows = split_rows(images, split, config.golden_split, index.indices_of(classes.class_ids))
    credits = read_photos(images, rows, ("image_id", "license_id", "author"))
    labels: list[int] = rows["class_index"].to_pylist()
    free = [
        (credit["image_id"], label)
        for credit, label in zip(credits, labels, strict=True)
        if may_be_golden(credit["license_id"], credit["author"])
    ]
    chosen = sorted(choose_golden(free, config.num_golden, ctx.config.seed))
    if not chosen:
        raise BadRequest(
            f"{split.path}: none of the {len(rows)} {config.golden_split} photos is CC0 or CC BY with an author, "
            "so none may ship as a golden photo; choose another golden_split"
        )
    if len(chosen) < config.num_golden:
        ctx.log.warning("only %d of %d golden photos: no more are CC0 or CC BY", len(chosen), config.num_golden)
    photos = read_photos(images, rows.filter(pc.field("image_id").isin(chosen)), ("image_id", "image"))
    photos = [{**photo, **credit} for photo, credit in zip(photos, credits_of(ctx, photos), strict=True)]
    scorer = Scorer(ctx.input("checkpoint").file("model.json").parent, "cpu", config.resources.num_threads)
    squares = np.stack([centre_square(decode_photo(photo["image"]), card.preprocessing) for photo in photos])
    kept = positions_of(classes.class_ids, card.class_ids)
    golden = golden_json(photos, scorer.logits(squares)[:, kept], temperature, classes.class_ids)
    for photo in photos:
        ctx.output.write_bytes(f"golden/{golden_name(photo['image_id'])}", photo["image"])
    ctx.output.write_json("golden/golden.json", golden)
    return len(photos)


def _write_page(ctx: PhaseContext[ExportTfjsConfig]) -> None:
    from aplantida.export.web_build import copy_page

    folder = ctx.output.scratch / "page"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in copy_page(folder):
        ctx.output.publish(folder / name, name)


PHASE = Phase(
    name="export_tfjs",
    config=ExportTfjsConfig,
    inputs={
        "checkpoint": "checkpoint",
        "calibration": "calibration",
        "evaluation": "evaluation",
        "license_report": "license_report",
        "split": "split",
        "images": "image_shards",
    },
    output="model_bundle",
    version=6,
    run=run,
    judge=judge,
)
