"""TensorFlow, in a process of its own: ONNX → SavedModel → TensorFlow.js graph model, and SavedModel scores.

Nothing else imports TensorFlow, and this module imports it only inside the child process that the functions without a
leading underscore start: a process that trains must never hold it. Converters print a lot; it goes to a log file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIGNATURE = "serving_default"
_ONE_FILE = 2**31 - 1
_TAIL = 2000


class ConversionError(RuntimeError):
    """A child process failed; the message holds the end of its log."""


def convert(onnx_path: Path, saved_model: Path, tfjs: Path, log_path: Path) -> None:
    """ONNX → SavedModel (unless it is there already) → TensorFlow.js graph model.

    The SavedModel takes ``image`` (1, S, S, 3) and gives the ONNX outputs under their names; equal ONNX files give
    equal bytes (the optional ``fingerprint.pb``, which holds a random number, is left out). The graph model is
    ``model.json`` and one weights file, all float32.

    Args:
        onnx_path: what :func:`~aplantida.export.onnx.export_onnx` wrote.
        saved_model: folder of the SavedModel; must not exist half written.
        tfjs: folder of the graph model.
        log_path: where the converters' output goes.

    Raises:
        ConversionError: when a converter fails.
    """
    _child(["convert", str(onnx_path), str(saved_model), str(tfjs)], log_path)


@dataclass(frozen=True)
class SavedModelScores:
    """Logits (N, C) float32, seconds from loading to the first answer, and median seconds per photo afterwards."""

    logits: npt.NDArray[np.float32]
    cold_seconds: float
    warm_seconds: float


def score_saved_model(
    saved_model: Path, pixels: npt.NDArray[np.uint8], scratch: Path, log_path: Path, num_warm_runs: int
) -> SavedModelScores:
    """Scores of (N, S, S, 3) uint8 squares by a SavedModel.

    Args:
        saved_model: its folder.
        pixels: the squares.
        scratch: a folder for the arrays that go to the child and come back.
        log_path: where the child's output goes.
        num_warm_runs: how many single photos are timed once it is warm.

    Raises:
        ConversionError: when the child fails.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    given, scored = scratch / "pixels.npz", scratch / "logits.npz"
    np.savez(given, pixels=pixels, num_warm_runs=num_warm_runs)
    _child(["score", str(saved_model), str(given), str(scored)], log_path)
    with np.load(scored) as found:
        return SavedModelScores(found["logits"], float(found["cold"]), float(found["warm"]))


def _child(words: Sequence[str], log_path: Path) -> None:
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_USE_LEGACY_KERAS": "1",
        "PYTHONHASHSEED": "0",
    }
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-m", "aplantida.export.tensorflow", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=Path(__file__).resolve().parents[2],
            check=False,
        )
    if done.returncode != 0:
        tail = log_path.read_text(encoding="utf-8", errors="replace")[-_TAIL:]
        raise ConversionError(f"{words[0]}: exit code {done.returncode}; the end of {log_path}:\n{tail}")


def _convert(onnx_path: Path, saved_model: Path, tfjs: Path) -> None:
    if not saved_model.exists():
        unfinished = saved_model.with_name(saved_model.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        _convert_onnx(onnx_path, unfinished)
        unfinished.rename(saved_model)
    _convert_saved_model(saved_model, tfjs)


def _convert_onnx(onnx_path: Path, saved_model: Path) -> None:
    import onnx
    import onnx2tf.onnx2tf as converter
    import tensorflow as tf

    def sample() -> npt.NDArray[np.float32]:  # in place of a photo set that the converter would download
        return np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32)

    converter.download_test_image_data = sample
    with tempfile.TemporaryDirectory() as folder:  # the converter may rewrite the file it is given
        copy = shutil.copy(onnx_path, Path(folder) / "model.onnx")
        model = converter.convert(
            input_onnx_file_path=str(copy),
            output_folder_path=folder,
            not_use_onnxsim=True,  # it is simplified already
            disable_model_save=True,
            non_verbose=True,
        )
    names = [output.name for output in onnx.load(str(onnx_path), load_external_data=False).graph.output]
    shape = model.input_shape

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="image")], autograph=False)
    def serve(image: Any) -> dict[str, Any]:
        outputs = model(image, training=False)
        return dict(zip(names, outputs if isinstance(outputs, list | tuple) else [outputs], strict=True))

    tf.saved_model.save(tf.Module(), str(saved_model), signatures={SIGNATURE: serve})
    (saved_model / "fingerprint.pb").unlink(missing_ok=True)


def _convert_saved_model(saved_model: Path, tfjs: Path) -> None:
    from tensorflowjs.converters import tf_saved_model_conversion_v2

    tf_saved_model_conversion_v2.convert_tf_saved_model(
        str(saved_model),
        str(tfjs),
        signature_def=SIGNATURE,
        strip_debug_ops=True,
        use_structured_outputs_names=True,
        weight_shard_size_bytes=_ONE_FILE,
    )


def _score(saved_model: Path, given: Path, scored: Path) -> None:
    import tensorflow as tf

    with np.load(given) as found:
        pixels, num_warm_runs = found["pixels"], int(found["num_warm_runs"])

    def logits(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return serve(image=tf.constant(square[None], tf.float32))["logits"].numpy()[0]

    start = time.perf_counter()
    serve = tf.saved_model.load(str(saved_model)).signatures[SIGNATURE]
    logits(pixels[0])
    cold = time.perf_counter() - start
    warm = []
    for at in range(num_warm_runs):
        start = time.perf_counter()
        logits(pixels[at % len(pixels)])
        warm.append(time.perf_counter() - start)
    np.savez(scored, logits=np.stack([logits(square) for square in pixels]), cold=cold, warm=np.median(warm))


def _main() -> int:
    parse = argparse.ArgumentParser(prog="python -m aplantida.export.tensorflow")
    parse.add_argument("step", choices=("convert", "score"))
    parse.add_argument("paths", nargs="+", type=Path)
    given = parse.parse_args()
    {"convert": _convert, "score": _score}[given.step](*given.paths)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
