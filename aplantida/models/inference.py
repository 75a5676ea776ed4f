"""Scores of stored photos by one checkpoint: what teacher logits, evaluation and parity checks stand on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from aplantida.domain.memory import keep_freed_memory
from aplantida.domain.pixels import boxed_square, centre_square, decode_photo
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.scores import ScoreTable
from aplantida.models.checkpoint import load_checkpoint
from aplantida.models.devices import resolve_device
from aplantida.models.folding import fold_batch_norm

Box = tuple[float, float, float, float, bool]


def normalize(pixels: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """(N, S, S, 3) uint8 on any device → (N, 3, S, S) float32, ``(x / 255 - mean) / std``, channels_last in memory."""
    mean, scale = _constants(preprocessing, pixels.device)
    return ((pixels.float() - mean) * scale).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _constants(preprocessing: Preprocessing, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and 1 / std of 0..255, made once: to bring them to a GPU is to wait for it."""
    mean = torch.tensor(preprocessing.mean, device=device) * 255.0
    return mean, 1.0 / (torch.tensor(preprocessing.std, device=device) * 255.0)


class Scorer:
    """A checkpoint that scores JPEGs in float32, batch normalization folded.

    Attributes:
        card: the checkpoint's :class:`ModelCard`.
    """

    def __init__(
        self, checkpoint_folder: Path, device: str = "auto", num_threads: int | None = None, batch_size: int = 64
    ) -> None:
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        self._device = resolve_device(device)
        keep_freed_memory()
        model, self.card = load_checkpoint(checkpoint_folder)
        fold_batch_norm(model.eval(), self.card.preprocessing.image_size)  # half as fast again, equal but for rounding
        self._model = model.to(self._device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._batch_size = batch_size
        self._last: tuple[bytes, npt.NDArray[np.uint8]] | None = None

    def score(
        self,
        image_ids: Sequence[str],
        jpegs: Sequence[bytes],
        boxes: Sequence[Box] | None = None,
        views: Sequence[int] | None = None,
    ) -> ScoreTable:
        """Dense scores, one row per photo given, in that order.

        Args:
            image_ids: (N,) names of the photos; a photo may come several times, once per view.
            jpegs: (N,) their bytes.
            boxes: (N,) crops (x0, y0, x1, y1, flip), 0..1 of the photo's sides; None for the centre crop. A row of
                view 0 gets the centre crop whatever its box.
            views: (N,) view numbers; when None, 0 without ``boxes`` and 1 with them.

        Raises:
            ValueError: when the lengths differ, or a photo cannot be decoded.
        """
        number = (
            np.full(len(jpegs), 0 if boxes is None else 1, np.int16) if views is None else np.asarray(views, np.int16)
        )
        lengths = {len(image_ids), len(jpegs), len(number), len(jpegs if boxes is None else boxes)}
        if len(lengths) > 1:
            raise ValueError(f"score: {len(image_ids)} ids, {len(jpegs)} photos, {len(number)} views: lengths differ")
        parts: list[npt.NDArray[np.float16]] = []
        for start in range(0, len(jpegs), self._batch_size):
            rows = range(start, min(start + self._batch_size, len(jpegs)))
            pixels = np.stack(
                [self._square(jpegs[row], None if boxes is None or number[row] == 0 else boxes[row]) for row in rows]
            )
            parts.append(self.logits(pixels).astype(np.float16))
        logits = np.concatenate(parts) if parts else np.zeros((0, self.card.num_classes), np.float16)
        return ScoreTable(np.asarray(image_ids, dtype=str), number, self.card.class_ids, logits)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(N, S, S, 3) uint8 squares → (N, C) float32 logits."""
        with torch.inference_mode():
            batch = normalize(torch.from_numpy(pixels).to(self._device), self.card.preprocessing)
            return self._model(batch).float().cpu().numpy()

    def _square(self, jpeg: bytes, box: Box | None) -> npt.NDArray[np.uint8]:
        settings = self.card.preprocessing
        photo = self._decoded(jpeg)
        if box is None:
            return centre_square(photo, settings)
        return boxed_square(photo, box[:4], bool(box[4]), settings.image_size, settings.interpolation)

    def _decoded(self, jpeg: bytes) -> npt.NDArray[np.uint8]:
        """The photo's pixels; the views of one photo, given one after the other, decode it once."""
        if self._last is None or self._last[0] is not jpeg:
            self._last = (jpeg, decode_photo(jpeg))
        return self._last[1]
