from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from aplantida.domain.pixels import boxed_square, centre_square, decode_photo
from aplantida.domain.preprocessing import Preprocessing
from aplantida.models.checkpoint import ModelCard, build, load_checkpoint, save_checkpoint
from aplantida.models.inference import Scorer, normalize
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
