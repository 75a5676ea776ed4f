"""The page's TypeScript against Python's own definitions: resize, digests, decision; and what the build consists of."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from aplantida.domain.pixels import centre_square
from aplantida.domain.preprocessing import Preprocessing
from aplantida.export.node import NodeClassifier, NodeError
from aplantida.export.web_build import WEB, build_web, copy_page
from tests.fixtures.bundle import write_bundle, write_manifest
from tests.fixtures.photos import draw

SHAPES = [
    (96, 96),
    (110, 110),
    (110, 300),
    (300, 110),
    (1200, 37),
    (37, 1200),
    (739, 190),
    (61, 59),
    (16, 17),
    (1000, 801),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("web") / "bundle")


@pytest.fixture
def writable(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.mark.parametrize(("image_size", "interpolation"), [(96, "bilinear"), (64, "bicubic"), (33, "bilinear")])
def test_the_pages_resize_equals_pillow_to_the_bit(tmp_path: Path, image_size: int, interpolation: str) -> None:
    folder = write_bundle(tmp_path / "bundle", image_size=image_size, interpolation=interpolation)
    settings = Preprocessing(image_size=image_size, interpolation=interpolation)
    random = np.random.default_rng(5)
    with NodeClassifier(folder) as node:
        for seed, (height, width) in enumerate(SHAPES):
            noise = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            for pixels in (draw(width, height, seed), noise):
                np.testing.assert_array_equal(node.prepare(pixels), centre_square(pixels, settings))


def test_a_resize_that_changes_nothing_keeps_every_pixel(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", image_size=64)
    (folder / "preprocessing.json").write_text(json.dumps(Preprocessing(64, crop_fraction=1.0).to_json()))
    write_manifest(folder)
    pixels = draw(64, 64, 3)
    with NodeClassifier(folder) as node:
        np.testing.assert_array_equal(node.prepare(pixels), pixels)


def test_probabilities_are_the_calibrated_softmax_of_the_logits(bundle: Path) -> None:
    pixels = draw(200, 150, 1)
    with NodeClassifier(bundle) as node:
        logits = node.logits(pixels).astype(np.float64) / node.info.temperature
        answer = node.classify(pixels, k=len(logits))
        np.testing.assert_array_equal(node.logits_of_input(node.prepare(pixels)), node.logits(pixels))
    expected = np.exp(logits - logits.max())
    expected /= expected.sum()
    order = np.argsort(-expected, kind="stable")
    assert [item["scientific_name"] for item in answer["top"]] == [node.info.class_ids[index] for index in order]
    np.testing.assert_allclose([item["probability"] for item in answer["top"]], expected[order], atol=1e-12)


@pytest.mark.parametrize(("threshold", "decision"), [(0.0, "species"), (1.1, "unsure")])
def test_the_threshold_decides_between_species_and_unsure(tmp_path: Path, threshold: float, decision: str) -> None:
    with NodeClassifier(write_bundle(tmp_path / "bundle", threshold=threshold)) as node:
        assert node.classify(draw(120, 100, 2))["decision"] == decision


@pytest.mark.parametrize("name", ["model/weights.bin", "model/model.json", "classes.json", "decision.json"])
def test_one_altered_byte_is_noticed(writable: Path, name: str) -> None:
    data = bytearray((writable / name).read_bytes())
    data[len(data) // 2] ^= 1
    (writable / name).write_bytes(data)
    with pytest.raises(NodeError, match=re.escape(name) + " was altered"), NodeClassifier(writable):
        pass


def test_a_missing_file_is_named(writable: Path) -> None:
    (writable / "classes.json").unlink()
    with pytest.raises(NodeError, match=r"classes\.json"), NodeClassifier(writable):
        pass


def test_another_format_of_the_decision_is_refused(writable: Path) -> None:
    (writable / "decision.json").write_text('{"format": "aplantida.decision/9", "temperature": 1, "threshold": 0}')
    write_manifest(writable)
    with pytest.raises(NodeError, match=r"aplantida\.decision/9"), NodeClassifier(writable):
        pass


def test_classes_that_do_not_fit_the_model_are_refused(writable: Path) -> None:
    classes = json.loads((writable / "classes.json").read_text())
    classes["classes"].pop()
    (writable / "classes.json").write_text(json.dumps(classes))
    write_manifest(writable)
    with pytest.raises(NodeError, match="29 classes"), NodeClassifier(writable):
        pass


def test_an_image_size_that_does_not_fit_the_model_is_refused(writable: Path) -> None:
    (writable / "preprocessing.json").write_text(json.dumps(Preprocessing(64).to_json()))
    write_manifest(writable)
    with pytest.raises(NodeError, match=r"takes 96x96x3, preprocessing\.json gives 64x64x3"), NodeClassifier(writable):
        pass


def test_a_bad_request_leaves_the_program_alive(bundle: Path) -> None:
    with NodeClassifier(bundle) as node:
        with pytest.raises(NodeError, match="are not"):
            node._ask({"op": "classify", "width": 3, "height": 3, "k": 5}, np.zeros(5, np.uint8))
        with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
            node.classify(np.zeros((4, 4), np.uint8))
        assert len(node.classify(draw(50, 50, 0), k=3)["top"]) == 3


def test_the_build_is_made_once_and_holds_the_page(tmp_path: Path) -> None:
    build = build_web()
    made = build.program.stat().st_mtime_ns
    assert build_web() == build
    assert build.program.stat().st_mtime_ns == made
    assert copy_page(tmp_path) == build.page_files
    wanted = {"index.html", "app.js", "classifier.js", "classifier.d.ts", "service-worker.js", "manifest.webmanifest"}
    assert wanted < set(build.page_files)
    assert (tmp_path / "classifier.d.ts").read_text().count("import ") == 1  # the one in the example: it stands alone


def test_the_page_names_no_address_outside_itself() -> None:
    page = build_web().page
    for name in ("index.html", "style.css", "app.js", "service-worker.js", "manifest.webmanifest"):
        text = re.sub(r"sha256-[\w+/]+=*", "", (page / name).read_text())  # a digest in base64 may have two slashes
        assert not re.search(r"(https?:)?//[a-z0-9]", text), name


def test_the_packages_are_exact_and_the_lock_names_no_private_registry() -> None:
    package = json.loads((WEB / "package.json").read_text())
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in versions} == versions
    addresses = [entry["resolved"] for entry in lock.values() if "resolved" in entry]
    assert all(address.startswith("https://registry.npmjs.org/") for address in addresses)
    assert all("integrity" in entry for name, entry in lock.items() if name)
