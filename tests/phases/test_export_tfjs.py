from __future__ import annotations

import json
import shutil
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from aplantida.domain.scores import ScoreTable
from aplantida.export.bundle import altered_files
from aplantida.export.graph_model import match_tensor, read_weights
from aplantida.export.parity import softmax
from aplantida.export.quantization import read_encodings
from aplantida.export.size import bundled_model
from aplantida.models.checkpoint import load_card, load_checkpoint
from aplantida.phases.export_tfjs import PHASE, BundleGates, ExportTfjsConfig, judge
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import make_checkpoint, seal
from tests.fixtures.exported import BUNDLE_INPUTS, DATA, make_bundle, run_phase


@pytest.fixture(autouse=True)
def root(exported_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(exported_root))
    return exported_root


def test_the_bundle_holds_what_its_manifest_says(root: Path, tmp_path: Path) -> None:
    bundle = open_artifact(root / "bundle", "model_bundle")
    manifest = json.loads(bundle.file("bundle.json").read_text())
    assert {"model/model.json", "model/weights.bin", "classes.json", "decision.json", "preprocessing.json"} <= set(
        manifest["files"]
    )
    assert {"attributions.html", "credits/index.json", "LICENSE-MODEL.md", "metrics.json", "golden/golden.json"} <= set(
        manifest["files"]
    )
    assert {"index.html", "app.js", "classifier.js", "classifier.d.ts", "service-worker.js"} <= set(manifest["files"])
    assert {"formats/model.onnx", "formats/saved_model/saved_model.pb"} <= set(manifest["formats"])
    assert {*manifest["files"], *manifest["formats"], "bundle.json"} == set(bundle.files)
    assert (manifest["name"], manifest["version"], manifest["image_size"]) == ("tiny", "v1.0", 32)
    assert bundle.verify() == []
    copy = tmp_path / "copy"
    shutil.copytree(bundle.path, copy)
    assert altered_files(copy) == []
    data = bytearray((copy / "model/weights.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "model/weights.bin").write_bytes(data)
    assert altered_files(copy) == ["model/weights.bin"]


def test_a_bundle_has_the_bytes_that_were_predicted(root: Path) -> None:
    card, found = load_card(root / "quantized"), open_artifact(root / "bundle", "model_bundle").metrics["model_bytes"]
    size = bundled_model(
        card.architecture, card.num_classes, width=card.width, image_size=32, precision="float16", min_elements=5000
    )
    assert found <= size.num_bytes(card.head_rank) <= 1.1 * found  # the graph is estimated from above, and is much here


def test_the_weights_file_holds_exactly_the_checkpoint(root: Path) -> None:
    model, card = load_checkpoint(root / "quantized")
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    weights = [weight for weight in read_weights(root / "bundle/model") if weight.values.dtype == np.float32]
    found = {match_tensor(weight.values, tensors): weight for weight in weights}
    assert {name for name, value in tensors.items() if value.ndim >= 2} <= set(found)
    encodings = read_encodings(root / "quantized", card)
    assert len(encodings) > 5
    for name, weight in found.items():
        assert weight.encoding.precision == card.precision.get(name or "", "float32"), name
    stored = load_file(root / "quantized/model.safetensors")
    for name in card.precision:
        assert sorted(stored[name].astype(np.float32).ravel()) == sorted(found[name].values.ravel()), name
    assert len(list((root / "bundle/model").iterdir())) == 2


def test_names_and_shapes_of_the_graph(root: Path) -> None:
    model = json.loads((root / "bundle/model/model.json").read_text())
    signature = model["signature"]
    sides = [int(dim["size"]) for dim in signature["inputs"]["image"]["tensorShape"]["dim"]]
    assert sides == [1, 32, 32, 3]
    assert {key: value["name"] for key, value in signature["outputs"].items()} == {
        "logits": "logits:0",
        "pooled": "pooled:0",
    }
    assert {"image", "logits", "pooled"} <= {node["name"] for node in model["modelTopology"]["node"]}
    assert [group["paths"] for group in model["weightsManifest"]] == [["weights.bin"]]


def test_golden_photos_are_free_credited_and_answered(root: Path) -> None:
    golden = json.loads((root / "bundle/golden/golden.json").read_text())
    assert len(golden["photos"]) == 6
    assert len({photo["scientific_name"] for photo in golden["photos"]}) == 6
    scores = ScoreTable.from_arrow(pq.read_table(root / "evaluation/scores_test.parquet"))
    probabilities = softmax(scores.logits, golden["temperature"])
    for photo in golden["photos"]:
        assert photo["license_id"] in ("CC0-1.0", "CC-BY-4.0")
        assert photo["author"].startswith("Author")
        assert (root / "bundle/golden" / photo["file"]).read_bytes()[:2] == b"\xff\xd8"
        row = probabilities[scores.image_ids.tolist().index(photo["image_id"])]
        expected = {item["class_id"]: item["probability"] for item in photo["expected"]}
        assert len(expected) == 5
        for name, value in expected.items():
            assert value == pytest.approx(row[scores.class_ids.index(name)], abs=1e-3)


def test_the_bundle_credits_every_photo_by_species(root: Path) -> None:
    bundle, licenses = open_artifact(root / "bundle"), open_artifact(root / "licenses")
    content = json.loads(zlib.decompress(bundle.file("credits/species-00000.bin").read_bytes()))
    found = {
        (name, author, license_id, source): count
        for name, groups in content["species"]
        for license_id, source, authors, counts in groups
        for author, count in zip(authors, counts, strict=True)
    }
    rows = pq.read_table(licenses.file("attributions.parquet")).to_pylist()
    keys = ("scientific_name", "author", "license_id", "source")
    assert found == Counter(tuple(row[key] for key in keys) for row in rows)
    index = json.loads(bundle.file("credits/index.json").read_text())
    assert (index["num_photos"], index["num_species"], index["num_authors"]) == (60, 6, 10)
    assert index["licenses"]["CC-BY-4.0"] == "https://creativecommons.org/licenses/by/4.0/"
    assert index["full_list"] == {"url": None, "license_report": licenses.digest, "file": "attributions.csv"}
    for name in ("attributions.html", "LICENSE-MODEL.md"):
        assert f"attributions.parquet of the model's license_report {licenses.digest[:12]}." in bundle.file(
            name
        ).read_text().replace("&#x27;", "'")


def test_credits_beyond_their_bound_are_refused_and_the_bound_is_judged_again() -> None:
    measured = make_bundle().metrics
    assert judge(ExportTfjsConfig(), measured) == []
    strict = ExportTfjsConfig(gates=BundleGates(max_credits_bytes=measured["credits_bytes"] - 1))
    (violation,) = judge(strict, measured)
    assert f"60 photos by 10 authors have {measured['credits_bytes']} bytes in the bundle" in violation
    with pytest.raises(GateFailed, match="max_credits_bytes is 100: raise it"):
        make_bundle(gates={"max_credits_bytes": 100})


def test_only_what_was_measured_may_ship() -> None:
    make_checkpoint("other", DATA)
    with pytest.raises(BadRequest, match="evaluation was not made from"):
        run_phase(PHASE, "unmeasured", {**BUNDLE_INPUTS, "checkpoint": "other"})


def test_a_model_too_large_is_stopped_and_formats_are_made_once(root: Path) -> None:
    limit = (root / "bundle/model/weights.bin").stat().st_size
    with pytest.raises(GateFailed, match="max_model_bytes"):
        make_bundle("large", gates={"max_model_bytes": limit})
    large = root / "large"
    files = sorted(path for name in ("model", "formats") for path in (large / name).rglob("*") if path.is_file())
    assert len(files) == 6
    times = [path.stat().st_mtime_ns for path in files]
    for path in files:  # a second conversion gave the same bytes
        assert path.read_bytes() == (root / "bundle" / path.relative_to(root / "large")).read_bytes(), path
    with pytest.raises(GateFailed, match="max_model_bytes"):
        make_bundle("large", gates={"max_model_bytes": limit})
    assert [path.stat().st_mtime_ns for path in files] == times
    assert load_card(root / "quantized").folded
    records = [json.loads(file.read_text()) for file in (root / "_releases").glob("*.json")]
    assert "large" not in json.dumps(records)  # it is no release


def test_a_bundle_waits_for_what_somebody_must_decide(root: Path) -> None:
    report = json.loads((root / "licenses/license_report.json").read_text())

    def undecided(output: ArtifactWriter) -> None:
        output.write_json("license_report.json", {**report, "decisions_needed": ["share-alike"]})

    seal("undecided", "license_report", undecided, {"checkpoints": ["quantized"]})
    with pytest.raises(GateFailed, match="nobody has decided about share-alike"):
        run_phase(PHASE, "waiting", {**BUNDLE_INPUTS, "license_report": "undecided"})
    assert not (root / "waiting").exists() or not any((root / "waiting").iterdir())
