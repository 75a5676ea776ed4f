"""Train wide, expose narrow: a bundle of a region's species, whose answers are the model's over these alone."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.pixels import centre_square, decode_photo
from aplantida.evaluation.decide import read_decision
from aplantida.export.bundle import altered_files
from aplantida.export.graph_model import read_weights
from aplantida.export.node import NodeClassifier
from aplantida.export.parity import softmax
from aplantida.models.checkpoint import load_card
from aplantida.models.inference import Scorer
from aplantida.phases.calibrate_model import PHASE as CALIBRATE
from aplantida.phases.export_tfjs import PHASE as EXPORT
from aplantida.phases.generate_manifest import PHASE as MANIFEST
from aplantida.phases.validate_tfjs import PHASE as VALIDATE
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.predict import predict, read_photo
from aplantida.release.release_card import card as model_card
from aplantida.release.release_parts import find_release
from aplantida.verify import main as verify
from tests.fixtures.artifacts import CLASSES, make_checkpoint
from tests.fixtures.exported import BUNDLE_INPUTS, DATA, measure_student, run_phase
from tests.fixtures.packs import NODES, REGION, copied, make_pack
from tests.fixtures.released import MADE, gate

LIVING = [item.class_id for item in CLASSES.classes if REGION in item.regions]
COLUMNS = CLASSES.indices_of(LIVING)
PACK = {"evaluation": "evaluation_spain", "calibration": "calibration_spain"}


@pytest.fixture(scope="module", autouse=True)
def root(exported_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with copied(exported_root, tmp_path_factory.mktemp("pack") / "root") as folder:
        make_pack()
        yield folder


def read(root: Path, name: str) -> Any:
    return json.loads((root / name).read_text())


def wanted(root: Path, photo: Path, folder: str = "") -> np.ndarray:
    """(4,) what the whole checkpoint says of a photo, of the region's species alone."""
    scorer = Scorer(root / f"{folder}quantized", "cpu", 1)
    square = centre_square(decode_photo(photo.read_bytes()), scorer.card.preprocessing)
    return scorer.logits(square[None])[0, COLUMNS]


def golden(root: Path, bundle: str = "bundle_spain") -> list[Path]:
    return [root / bundle / "golden" / photo["file"] for photo in read(root, f"{bundle}/golden/golden.json")["photos"]]


def test_only_the_regions_species_are_in_it_and_it_says_so(root: Path) -> None:
    pack, wide = (read(root, f"{name}/bundle.json") for name in ("bundle_spain", "bundle"))
    assert (pack["region"], pack["num_classes"], wide["num_classes"]) == (REGION, 4, 6)
    assert "region" not in wide
    assert altered_files(root / "bundle_spain") == []
    assert ClassIndex.load(root / "bundle_spain/classes.json").class_ids == tuple(LIVING)
    credited = json.loads(zlib.decompress((root / "bundle_spain/credits/species-00000.bin").read_bytes()))
    assert [name for name, _ in credited["species"]] == LIVING
    photos = read(root, "bundle_spain/golden/golden.json")["photos"]
    assert {item["scientific_name"] for item in photos} <= set(LIVING)
    assert {item["class_id"] for photo in photos for item in photo["expected"]} == set(LIVING)
    assert read(root, "bundle_spain/metrics.json")["evaluation"]["region"] == REGION
    assert pack["inputs"]["checkpoint"] == wide["inputs"]["checkpoint"]
    sizes = {name: open_artifact(root / name).metrics["model_bytes"] for name in ("bundle", "bundle_spain")}
    assert sizes["bundle_spain"] < sizes["bundle"]


def test_its_answers_are_the_whole_models_over_its_species(root: Path) -> None:
    temperature = read_decision(read(root, "calibration_spain/decision.json")).temperature
    rows = list(predict(root / "bundle_spain", [str(photo) for photo in golden(root)], k=6))
    for row, photo in zip(rows, golden(root), strict=True):
        probabilities = softmax(wanted(root, photo)[None], temperature)[0]
        found = {item["scientific_name"]: item["probability"] for item in row["top"]}
        assert found.keys() == set(LIVING)
        assert sum(found.values()) == pytest.approx(1, abs=1e-9)
        for name, probability in zip(LIVING, probabilities, strict=True):
            assert found[name] == pytest.approx(probability, abs=1e-4)


@pytest.mark.parametrize(("precision", "rank"), [("uint8", 6), ("float16", None)])
def test_a_head_is_cut_whatever_its_rank_and_precision(root: Path, precision: str, rank: int | None) -> None:
    """A rank above the number of species that are left is a matrix like any other."""
    folder = f"{precision}_{rank}/"
    make_checkpoint(f"{folder}model", DATA, head_rank=rank)
    rounding = {"precision": precision, "min_elements": 20, "gates": {"min_top1_agreement": 0.0}}
    measure_student(folder, f"{folder}model", **rounding)
    make_pack(folder)
    name = "head.weight" if rank is None else "head.up.weight"
    assert load_card(root / folder / "quantized").precision[name] == precision
    (photo, *_) = golden(root, f"{folder}bundle_spain")
    with NodeClassifier(root / folder / "bundle_spain") as node:
        assert node.info.class_ids == tuple(LIVING)
        found = node.logits(read_photo(photo))
    np.testing.assert_allclose(found, wanted(root, photo, folder), atol=1e-3)
    names = {weight.encoding.precision for weight in read_weights(root / folder / "bundle_spain/model")}
    assert precision in names


def test_four_runtimes_and_the_page_agree_with_the_checkpoints_columns(root: Path) -> None:
    inputs = {**DATA, "bundle": "bundle_spain", "checkpoint": "quantized"}
    artifact = run_phase(VALIDATE, "validation_spain", inputs, num_photos=4, num_warm_runs=1)
    rows = {row["runtime"]: row for row in read(root, "validation_spain/parity.json")["runtimes"]}
    assert list(rows) == ["onnx", "saved_model", "tfjs", "page"]
    assert max(rows[name]["max_logit_difference"] for name in ("onnx", "saved_model", "tfjs")) < 1e-4
    made = [*MADE[:-1], *NODES, artifact.path.name]
    run_phase(MANIFEST, "manifest_spain", {"artifacts": made}, name="tiny")
    released = gate("release_spain", [*made, "manifest_spain"])
    text = released.file("README.md").read_text()
    assert "# tiny v1.0 (spain)" in text
    assert "Names 4 species of plants that live in spain, and no others, from one photo" in text
    assert "60 photos of 6 species" in text
    assert verify([str(root / name) for name in ("bundle_spain", *PACK.values(), "manifest_spain")]) == 0
    assert find_release([open_artifact(root / name) for name in made]).region == REGION
    assert "live in" not in model_card(find_release([open_artifact(root / name) for name in MADE]))


def test_what_was_measured_of_other_species_may_not_ship(root: Path) -> None:
    narrowed = {**BUNDLE_INPUTS, **PACK}
    refused = [
        ({"region": REGION}, BUNDLE_INPUTS, "is of all species; calibrate and give what narrow_evaluation makes"),
        ({"region": "europe"}, narrowed, "is of the species of spain; calibrate and give"),
        ({}, narrowed, "region: None, but .* is of the species of spain; .* what it was narrowed from"),
        ({"region": "mars"}, narrowed, r"no class is known to live in 'mars'; want one of \['europe', 'spain'\]"),
        ({"region": REGION}, {**narrowed, "calibration": "calibration"}, "calibration was not made from"),
    ]
    for values, inputs, message in refused:
        with pytest.raises(BadRequest, match=message) as caught:
            run_phase(EXPORT, "refused", inputs, name="tiny", **values)
        assert caught.value.exit_code == 2


def test_a_pack_is_a_release_of_its_own_beside_the_whole_one(root: Path) -> None:
    records = [path.name for path in (root / "_releases").iterdir() if ".model_bundle." in path.name]
    assert any(name.startswith("tiny_v1.0.model_bundle.") for name in records)
    assert any(name.startswith("tiny_v1.0_spain.model_bundle.") for name in records)


def test_a_calibration_of_the_region_is_gated_as_any(root: Path) -> None:
    with pytest.raises(GateFailed, match=r"val has 8 photos; gates\.min_photos is 100"):
        run_phase(CALIBRATE, "strict", {"evaluation": "evaluation_spain"})
    labels = pq.read_table(root / "evaluation_spain/labels.parquet").to_pylist()
    assert {row["split"] for row in labels} == {"val", "test"}
