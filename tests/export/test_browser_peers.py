"""What `benchmarks.browser` stands on: the same weights for peers, pinned packages, a row for who is missing."""

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from aplantida.evaluation.decision_file import check_decision
from benchmarks import browser_peers, peers
from benchmarks.browser import not_measured
from benchmarks.browser_bundle import ruled_decision
from benchmarks.browser_models import write_onnx
from benchmarks.browser_peers import write_peers
from benchmarks.bundle_size import MIN_ELEMENTS
from benchmarks.peers import peer_packages

NUM_FEATURES, NUM_CLASSES = 50, MIN_ELEMENTS // 50


def write_model(path: Path, weights: np.ndarray) -> None:
    bias = np.full(NUM_CLASSES, 1 / 3, np.float32)  # too small to be stored in float16, which does not hold it
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["image", "weights", "bias"], ["logits"])],
        "head",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, NUM_FEATURES])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, NUM_CLASSES])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


def logits_of(path: Path, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"image": image})[0])


def test_half_the_bytes_and_the_same_logits(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = random.normal(size=(NUM_FEATURES, NUM_CLASSES)).astype(np.float16).astype(np.float32)
    image = random.normal(size=(1, NUM_FEATURES)).astype(np.float32)
    write_model(tmp_path / "model.onnx", weights)
    write_onnx(tmp_path / "model.onnx", tmp_path / "half.onnx")
    np.testing.assert_array_equal(logits_of(tmp_path / "half.onnx", image), logits_of(tmp_path / "model.onnx", image))
    saved = (tmp_path / "model.onnx").stat().st_size - (tmp_path / "half.onnx").stat().st_size
    assert saved == pytest.approx(2 * MIN_ELEMENTS, abs=200)


def test_weights_that_float16_does_not_hold_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "model.onnx", np.full((NUM_FEATURES, NUM_CLASSES), 1 / 3, np.float32))
    with pytest.raises(ValueError, match=r"model\.onnx: weights holds more than float16 can"):
        write_onnx(tmp_path / "model.onnx", tmp_path / "half.onnx")


def test_the_decision_with_every_rule_is_one_that_a_page_takes() -> None:
    check_decision(ruled_decision())


def test_packages_that_cannot_be_had_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(
        RuntimeError, match=r"the peer ort \(onnxruntime-web@1\.30\.0\) cannot be installed: .*127\.0\.0\.1"
    ):
        peer_packages("ort", "onnxruntime-web@1.30.0")
    assert not (tmp_path / "ort" / "ready").exists()


def test_packages_are_installed_once_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    commands: list[list[str]] = []
    monkeypatch.setattr(peers.subprocess, "run", lambda command, **_: commands.append(command))
    for version in ("1.0.0", "1.0.0", "1.0.1"):
        assert peer_packages("one", f"one@{version}") == tmp_path / "one" / "node_modules"
    assert [command[-1] for command in commands] == ["one@1.0.0", "one@1.0.1"]
    assert all("--ignore-scripts" in command for command in commands)


def test_a_peer_that_is_missing_has_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *_: str) -> Path:
        raise RuntimeError(f"the peer {name} cannot be installed: no network")

    monkeypatch.setattr(browser_peers, "peer_packages", refuse)
    found = write_peers(tmp_path, tmp_path / "work")
    assert [bool(peer.missing) for peer in found] == [False, True, True]
    assert (tmp_path / "peer" / "tfjs" / "tf-core.min.js").is_file()
    rows = not_measured(found)
    assert [row.note for row in rows] == [
        "not measured: the peer onnxruntime-web cannot be installed: no network",
        "not measured: the peer litertjs cannot be installed: no network",
    ]
    assert all(math.isnan(row.ours) and math.isnan(row.peer) for row in rows)
