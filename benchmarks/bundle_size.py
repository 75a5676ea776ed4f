"""The size of 9,000-class students with a head of rank 96, all the way to TensorFlow.js; the first is the default.

Weights are untrained (the head random, the biases drawn), which changes no size. The peer of the last row is the same
body with a dense head, everything in float16, its bytes counted, not built. The goal stands for the limit of 7 MB.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from aplantida.domain.preprocessing import Preprocessing
from aplantida.export.graph_model import MODEL_FILE, WEIGHTS_FILE, write_graph_model
from aplantida.export.onnx import export_onnx
from aplantida.export.parity import compare
from aplantida.export.quantization import plan_precision, read_encodings
from aplantida.export.size import bundled_model
from aplantida.export.tensorflow import convert, score_saved_model
from aplantida.models.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from aplantida.models.folding import fold_batch_norm
from aplantida.models.inference import Scorer
from aplantida.models.zoo import create_model
from benchmarks.report import Row, read_flags, show

NUM_CLASSES, RANK, IMAGE_SIZE, MIN_ELEMENTS = 9000, 96, 224, 10_000
LIMIT = 7_000_000
STUDENTS = ("mobilenetv2_100", "mobilenetv4_conv_small", "mobilenetv3_large_100", "efficientnet_lite0", "repvit_m0_9")


def main() -> None:
    """Build, convert, weigh, and compare every student's SavedModel with torch on two noise photos."""
    rows: list[Row] = []
    for architecture in STUDENTS:
        with tempfile.TemporaryDirectory() as name:
            ours, difference = build(Path(name), architecture)
        size = bundled_model(
            architecture, NUM_CLASSES, width=1.0, image_size=IMAGE_SIZE, precision="float16", min_elements=MIN_ELEMENTS
        )
        predicted = size.num_bytes(RANK)
        note = (
            f"model.json + weights.bin, {predicted} predicted before training ({predicted / ours - 1:+.2%}); "
            f"SavedModel against torch: logits differ by {difference:.1e}"
        )
        what = f"{architecture}, 9,000 classes, rank {RANK}: bytes against the 7 MB limit"
        rows.append(Row(what, ours, LIMIT, "bytes", LIMIT / ours, 1.0 if architecture == STUDENTS[0] else None, note))
    dense = 2 * sum(value.numel() for value in create_model(STUDENTS[0], NUM_CLASSES).parameters())
    what = f"{STUDENTS[0]}, 9,000 classes: dense head in float16"
    rows.append(Row(what, rows[0].ours, dense, "bytes", dense / rows[0].ours, None, "peer counted"))
    show(rows)


def build(folder: Path, architecture: str) -> tuple[int, float]:
    """A student's way to TensorFlow.js: its bytes, and the largest difference of a logit on the way."""
    _checkpoint(folder / "checkpoint", architecture)
    model, card = load_checkpoint(folder / "checkpoint")
    export_onnx(model, card.preprocessing, folder / "model.onnx")
    convert(folder / "model.onnx", folder / "saved_model", folder / "converted", folder / "log")
    tensors = {key: value.numpy() for key, value in model.state_dict().items() if value.is_floating_point()}
    encodings = read_encodings(folder / "checkpoint", card)
    write_graph_model(folder / "converted", folder / "model", tensors, encodings)
    size = sum((folder / "model" / file).stat().st_size for file in (MODEL_FILE, WEIGHTS_FILE))
    pixels = np.random.default_rng(0).integers(0, 256, (2, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    scored = score_saved_model(folder / "saved_model", pixels, folder / "scratch", folder / "log", 1)
    row = compare("saved_model", Scorer(folder / "checkpoint", "cpu").logits(pixels), scored.logits, 1.0)
    return size, row.max_logit_difference


def _checkpoint(folder: Path, architecture: str) -> None:
    torch.manual_seed(0)
    model = create_model(architecture, NUM_CLASSES, head_rank=RANK).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, std=0.1)
    fold_batch_norm(model, IMAGE_SIZE)
    nn.init.normal_(model.head.get_parameter("up.bias"), std=0.1)
    state = model.state_dict()
    card = ModelCard(
        architecture=architecture,
        num_classes=NUM_CLASSES,
        head_rank=RANK,
        preprocessing=Preprocessing(image_size=IMAGE_SIZE),
        class_ids=tuple(f"Species {number:04d}" for number in range(NUM_CLASSES)),
        folded=True,
        precision=plan_precision(state, "float16", MIN_ELEMENTS),
    )
    save_checkpoint(folder, state, card)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
