from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from aplantida.domain.pixels import boxed_square, centre_square, decode_photo
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.scores import ScoreTable
from aplantida.models.checkpoint import ModelCard, build, load_checkpoint, save_checkpoint
from aplantida.models.folding import fold_batch_norm
from aplantida.models.inference import Scorer, largest_logits, normalize
from tests.fixtures.artifacts import drawn_jpeg

SETTINGS = Preprocessing(image_size=64, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
JPEGS = [drawn_jpeg(index, 0, side=96) for index in range(5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint")
    card = ModelCard(architecture="test_efficientnet", num_classes=3, preprocessing=SETTINGS, class_ids=("a", "b", "c"))
    torch.manual_seed(1)
    save_checkpoint(path, build(card).state_dict(), card)
    return path


def test_normalization_is_torchvisions() -> None:
    pixels = torch.from_numpy(np.stack([centre_square(decode_photo(jpeg), SETTINGS) for jpeg in JPEGS]))
    ours = normalize(pixels, SETTINGS)
    theirs = functional.normalize(pixels.permute(0, 3, 1, 2) / 255, list(SETTINGS.mean), list(SETTINGS.std))
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_scores_are_the_models_logits_whatever_the_batch(folder: Path) -> None:
    model, _ = load_checkpoint(folder)
    pixels = torch.from_numpy(np.stack([centre_square(decode_photo(jpeg), SETTINGS) for jpeg in JPEGS]))
    with torch.inference_mode():
        expected = model(normalize(pixels, SETTINGS)).numpy()
    for batch_size in (2, 64):
        table = Scorer(folder, "cpu", batch_size=batch_size).score(list("vwxyz"), JPEGS)
        assert table.is_dense
        assert table.class_ids == ("a", "b", "c")
        assert table.image_ids.tolist() == list("vwxyz")
        assert table.views.tolist() == [0] * 5
        assert np.allclose(table.logits, expected, atol=2e-3)


def test_views_are_crops_and_view_0_is_the_centre(folder: Path) -> None:
    scorer = Scorer(folder, "cpu")
    box = (0.1, 0.2, 0.7, 0.9, True)
    table = scorer.score(["v"] * 2, [JPEGS[0]] * 2, boxes=[(0.0, 0.0, 1.0, 1.0, False), box], views=[0, 3])
    assert table.views.tolist() == [0, 3]
    photo = decode_photo(JPEGS[0])
    squares = np.stack([centre_square(photo, SETTINGS), boxed_square(photo, box[:4], True, 64)])
    assert np.allclose(table.logits, scorer.logits(squares), atol=2e-3)
    assert not np.allclose(*scorer.logits(squares), atol=1e-4)


def test_nothing_to_score_is_an_empty_table(folder: Path) -> None:
    assert Scorer(folder, "cpu").score([], []).logits.shape == (0, 3)


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        Scorer(folder, "cpu").score(["a"], JPEGS)
    with pytest.raises(ValueError, match="not a readable image"):
        Scorer(folder, "cpu").score(["a"], [b"GIF89a nothing"])


def test_decoding_ahead_changes_nothing(folder: Path) -> None:
    """Each photo is decoded once for its views, be they of two batches."""
    boxes: list[Any] = [None, (0.1, 0.0, 0.9, 1.0, True), (0.0, 0.2, 0.5, 0.9, False)]
    jpegs = [jpeg for jpeg in JPEGS for _ in boxes]
    ids, views = [str(row // 3) for row in range(len(jpegs))], [row % 3 for row in range(len(jpegs))]
    tables = []
    for workers, batch_size in ((0, 4), (1, 4), (3, 4)):
        scorer = Scorer(folder, "cpu", 1, batch_size=batch_size, num_loader_workers=workers)
        tables.append(scorer.score(ids, jpegs, boxes=boxes * len(JPEGS), views=views))
    for table in tables[1:]:
        np.testing.assert_array_equal(table.logits, tables[0].logits)
        assert table.image_ids.tolist() == ids
    with pytest.raises(ValueError, match="not a readable image"):
        Scorer(folder, "cpu", 1, num_loader_workers=2).score(["a", "b"], [JPEGS[0], b"no photo"])


def test_the_largest_logits_are_the_same_on_a_device() -> None:
    draw = torch.Generator().manual_seed(4)
    logits = 5 * torch.randn(50, 700, generator=draw)
    names = tuple(map(str, range(700)))
    dense = ScoreTable(np.arange(50).astype(str), np.zeros(50, np.int16), names, logits.half().numpy())
    wanted = dense.to_top_k(40)
    values, indices, tails, finite = (tensor.numpy() for tensor in largest_logits(logits, 40))
    np.testing.assert_array_equal(values, wanted.logits)
    assert wanted.tail_logsumexp is not None
    np.testing.assert_allclose(tails, wanted.tail_logsumexp, atol=1e-4)
    # equal logits may come in either order
    np.testing.assert_array_equal(np.take_along_axis(dense.logits, indices.astype(np.int64), 1), wanted.logits)
    assert all(len(set(row)) == 40 for row in indices.tolist())
    assert finite.all()
    logits[7, 3] = -torch.inf
    assert largest_logits(logits, 40)[3].tolist() == [row != 7 for row in range(50)]


def test_top_k_batch_by_batch_is_top_k_of_all(folder: Path) -> None:
    scorer = Scorer(folder, "cpu", 1, batch_size=2)
    found, wanted = scorer.score(list("vwxyz"), JPEGS, top_k=2), scorer.score(list("vwxyz"), JPEGS).to_top_k(2)
    np.testing.assert_array_equal(found.logits, wanted.logits)
    for one, other in ((found.indices, wanted.indices), (found.tail_logsumexp, wanted.tail_logsumexp)):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one, other)
    assert len(scorer.score([], [], top_k=2)) == 0


def test_a_forward_pass_that_does_not_fit_is_halved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Scorer(folder, "cpu", 1, batch_size=2).score(list("vwxyz"), JPEGS)
    scorer = Scorer(folder, "cpu", 1, batch_size=4)
    sizes: list[int] = []

    def tight(pixels: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
        sizes.append(len(pixels))
        if len(pixels) > 2:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        return normalize(pixels, preprocessing)

    monkeypatch.setattr("aplantida.models.inference.normalize", tight)
    np.testing.assert_array_equal(scorer.score(list("vwxyz"), JPEGS).logits, wanted.logits)
    assert sizes == [4, 2, 2, 1]


def test_float32_is_the_models_own_to_the_bit(folder: Path) -> None:
    """And in no TF32 on a GPU; whoever trains in the same process keeps its switches."""
    scorer = Scorer(folder, "cpu", 1)
    model, _ = load_checkpoint(folder)
    fold_batch_norm(model.eval(), SETTINGS.image_size)
    model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    pixels = np.stack([centre_square(decode_photo(jpeg), SETTINGS) for jpeg in JPEGS])
    with torch.inference_mode():
        wanted = model(normalize(torch.from_numpy(pixels), SETTINGS)).numpy()
    seen: list[tuple[Any, Any]] = []
    for layer in (scorer._model.body, scorer._model.head):
        layer.register_forward_pre_hook(lambda *_: seen.append(_tf32()))
    before = _tf32()
    assert before == (True, False), "torch's own default"
    np.testing.assert_array_equal(scorer.logits(pixels), wanted)
    assert seen == [(False, False)] * 2
    assert _tf32() == before


def _tf32() -> tuple[Any, Any]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def test_logits_of_a_bfloat16_body_are_not_rounded_to_bfloat16(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 8 on its neighbours are 1/16 apart: one that is rounded the other way would look like another teacher."""
    cast: list[torch.dtype] = []

    def everywhere(device: torch.device, enabled: bool) -> torch.autocast:
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)

    monkeypatch.setattr("aplantida.models.inference.autocast", everywhere)
    scorer = Scorer(folder, "cpu", 1)
    scorer._reduced = True
    with torch.no_grad():
        for parameter in scorer._model.head.parameters():
            parameter.mul_(100.0)
    last = [module for module in scorer._model.body.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    last.register_forward_hook(lambda _module, _inputs, output: cast.append(output.dtype))
    ids = list("vwxyz")
    pooled_logits, features = scorer.score_and_pool(ids, JPEGS)
    assert cast == [torch.bfloat16]
    logits = torch.from_numpy(scorer.logits_of(JPEGS))
    assert float((logits == logits.bfloat16().float()).float().mean()) < 0.5
    np.testing.assert_array_equal(pooled_logits.logits, logits.half().numpy())
    with torch.inference_mode():
        alone = scorer._model.head(torch.from_numpy(features).float())
    np.testing.assert_allclose(alone.numpy(), logits.numpy(), rtol=2e-3, atol=2e-3)


def test_the_trial_of_a_gpus_memory_is_halved_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight photos that do not fit are no reason to give up; only the photos that did are reckoned with."""
    scorer, peak = Scorer(folder, "cpu", 1), 0

    def tight(pixels: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
        nonlocal peak
        peak = max(peak, 1000 + 100 * len(pixels))
        if len(pixels) > 2:
            raise torch.OutOfMemoryError("no room")
        return normalize(pixels, preprocessing)

    def reset(_device: torch.device) -> None:
        nonlocal peak
        peak = 0

    monkeypatch.setattr("aplantida.models.inference.normalize", tight)
    for name, instead in (
        ("empty_cache", lambda: None),
        ("memory_allocated", lambda _: 1000),
        ("reset_peak_memory_stats", reset),
        ("max_memory_allocated", lambda _: peak),
        ("mem_get_info", lambda _: (650, 4000)),
    ):
        monkeypatch.setattr(torch.cuda, name, instead)
    assert scorer._fitting() == 4  # 0.7 x 650 bytes at 100 a photo
    assert peak == 1200
