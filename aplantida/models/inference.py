"""Scores of stored photos by one checkpoint: what teacher logits, evaluation and parity checks stand on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from aplantida.domain.cores import usable_cores
from aplantida.domain.memory import keep_freed_memory
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.scores import TAIL_TEMPERATURES, ScoreTable, concat
from aplantida.models.checkpoint import load_checkpoint
from aplantida.models.decoding import Box, Decoder
from aplantida.models.devices import autocast, full_float32, has_bfloat16, resolve_device
from aplantida.models.folding import fold_batch_norm
from aplantida.models.memory import Portions

Precision = Literal["auto", "float32"]
BATCH_SIZE = 64  # on a CPU: equal scores want equal batches
_TRIED, _MOST, _USED_SHARE = 8, 512, 0.7


def normalize(pixels: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """(N, S, S, 3) uint8 on any device → (N, 3, S, S) float32, ``(x / 255 - mean) / std``, channels_last in memory."""
    mean, scale = _constants(preprocessing, pixels.device)
    return ((pixels.float() - mean) * scale).permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _constants(preprocessing: Preprocessing, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and 1 / std of 0..255, made once: to bring them to a GPU is to wait for it."""
    with torch.inference_mode(mode=False):  # for a training, too, whoever asks first
        mean = torch.tensor(preprocessing.mean, device=device) * 255.0
        return mean, 1.0 / (torch.tensor(preprocessing.std, device=device) * 255.0)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A batch's scores on their way to this process: logits, and of top-k their classes and tails."""

    parts: list[tuple[torch.Tensor, ...]]
    arrived: torch.cuda.Event | None

    def arrays(self) -> list[npt.NDArray[Any]]:
        """(N, …) each, when they are here."""
        if self.arrived is not None:
            self.arrived.synchronize()
        columns = zip(*([tensor.numpy() for tensor in part] for part in self.parts), strict=True)
        return [np.concatenate(column) for column in columns]


class Scorer:
    """A checkpoint that scores JPEGs, batch normalization folded.

    For a GPU photos are decoded ahead by threads, each once for all its views, the largest logits are found on the
    device, and what it said of a batch comes back while it is at work on the next.

    Args:
        checkpoint_folder: of the model.
        device: auto, cpu or cuda.
        num_threads: torch's; None leaves them.
        batch_size: photos in a forward pass; None: 64 on a CPU, what its memory holds on a GPU, 512 at most. It is
            halved when they do not fit.
        precision: ``auto`` computes in bfloat16 on a GPU that has it, all but the head, whose logits would be rounded
            to sixteenths from 8 on; ``float32`` never, nor in TF32.
        num_loader_workers: threads that decode ahead; 0 for none; None: none for a CPU, which is busy itself, up to
            8 for a GPU.

    Attributes:
        card: the checkpoint's :class:`ModelCard`.
    """

    def __init__(
        self,
        checkpoint_folder: Path,
        device: str = "auto",
        num_threads: int | None = None,
        batch_size: int | None = None,
        precision: Precision = "float32",
        num_loader_workers: int | None = None,
    ) -> None:
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        self._device = resolve_device(device)
        keep_freed_memory()
        model, self.card = load_checkpoint(checkpoint_folder)
        fold_batch_norm(model.eval(), self.card.preprocessing.image_size)  # half as fast again, equal but for rounding
        self._model = model.to(self._device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._reduced = precision == "auto" and self._device.type == "cuda" and has_bfloat16(self._device)
        on_gpu = self._device.type == "cuda"
        workers = (min(8, usable_cores()) if on_gpu else 0) if num_loader_workers is None else num_loader_workers
        self._decoder = Decoder(self.card.preprocessing, workers, pinned=on_gpu)
        self._portions = Portions(batch_size or (self._fitting() if on_gpu else BATCH_SIZE))

    @property
    def precision(self) -> str:
        """What it computes in: ``bfloat16`` or ``float32``."""
        return "bfloat16" if self._reduced else "float32"

    def score(
        self,
        image_ids: Sequence[str],
        jpegs: Sequence[bytes],
        boxes: Sequence[Box] | None = None,
        views: Sequence[int] | None = None,
        top_k: int | None = None,
    ) -> ScoreTable:
        """Scores, one row per photo given, in that order.

        Args:
            image_ids: (N,) names of the photos; a photo may come several times, once per view.
            jpegs: (N,) their bytes.
            boxes: (N,) crops (x0, y0, x1, y1, flip), 0..1 of the photo's sides; None for the centre crop. A row of
                view 0 gets the centre crop whatever its box.
            views: (N,) view numbers; when None, 0 without ``boxes`` and 1 with them.
            top_k: how many logits of a row are kept, see :meth:`ScoreTable.to_top_k`; None for all.

        Raises:
            ValueError: when the lengths differ, a photo cannot be decoded, or a score of a top-k row is not finite.
        """
        number = (
            np.full(len(jpegs), 0 if boxes is None else 1, np.int16) if views is None else np.asarray(views, np.int16)
        )
        lengths = {len(image_ids), len(jpegs), len(number), len(jpegs if boxes is None else boxes)}
        if len(lengths) > 1:
            raise ValueError(f"score: {len(image_ids)} ids, {len(jpegs)} photos, {len(number)} views: lengths differ")
        chosen = [None if boxes is None or number[row] == 0 else boxes[row] for row in range(len(jpegs))]
        ids, tables, done = np.asarray(image_ids, dtype=str), list[ScoreTable](), 0
        for logits, *rest in self._answers(jpegs, chosen, top_k):
            rows = slice(done, done + len(logits))
            if rest and not (finite := rest.pop()).all():
                at = rows.start + int(np.flatnonzero(~finite)[0])
                raise ValueError(f"photo {ids[at]}, view {number[at]}: its scores hold a value that is not finite")
            table = ScoreTable(ids[rows], number[rows], self.card.class_ids, logits.astype(np.float16), *rest)
            tables.append(table if top_k is None or rest else table.to_top_k(top_k))
            done = rows.stop
        if tables:
            return concat(tables)
        none = ScoreTable(ids, number, self.card.class_ids, np.zeros((0, self.card.num_classes), np.float16))
        return none if top_k is None else none.to_top_k(top_k)

    def score_and_pool(
        self, image_ids: Sequence[str], jpegs: Sequence[bytes]
    ) -> tuple[ScoreTable, npt.NDArray[np.float16]]:
        """Scores of photos' centre crops, as :meth:`score` gives them, and their (N, F) pooled features."""
        parts = list(self._answers(jpegs, [None] * len(jpegs), None, pooled=True))
        ids, views = np.asarray(image_ids, dtype=str), np.zeros(len(image_ids), np.int16)
        if not parts:
            features = np.zeros((0, self._model.num_features), np.float16)
            return ScoreTable(
                ids, views, self.card.class_ids, np.zeros((0, self.card.num_classes), np.float16)
            ), features
        logits, features = (np.concatenate(column).astype(np.float16) for column in zip(*parts, strict=True))
        return ScoreTable(ids, views, self.card.class_ids, logits), features

    @property
    def num_features(self) -> int:
        """F, width of the pooled features."""
        return self._model.num_features

    def logits_of(self, jpegs: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """(N, C) float32 logits of photos' centre crops, N > 0, on the way that :meth:`score` takes."""
        return np.concatenate([answer[0] for answer in self._answers(jpegs, [None] * len(jpegs), None)])

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(N, S, S, 3) uint8 squares → (N, C) float32 logits."""
        return self._launch(torch.from_numpy(pixels), None).arrays()[0]

    def _answers(
        self, jpegs: Sequence[bytes], boxes: Sequence[Box | None], top_k: int | None, pooled: bool = False
    ) -> Iterator[list[npt.NDArray[Any]]]:
        """A batch's arrays after the other; the device is one batch ahead of who reads them."""
        ahead: deque[_Answer] = deque()
        for pixels in self._decoder.batches(jpegs, boxes, self._portions.size):
            ahead.append(self._launch(pixels, top_k, pooled))
            if len(ahead) > 1 or self._device.type == "cpu":
                yield ahead.popleft().arrays()
        while ahead:
            yield ahead.popleft().arrays()

    def _launch(self, pixels: torch.Tensor, top_k: int | None, pooled: bool = False) -> _Answer:
        parts = self._portions.work(len(pixels), lambda rows: self._forward(pixels[rows], top_k, pooled))
        if self._device.type != "cuda":
            return _Answer(parts, None)
        here = [tuple(tensor.to("cpu", non_blocking=True) for tensor in part) for part in parts]
        arrived = torch.cuda.Event()
        arrived.record()
        return _Answer(here, arrived)

    @torch.inference_mode()
    def _forward(self, pixels: torch.Tensor, top_k: int | None, pooled: bool = False) -> tuple[torch.Tensor, ...]:
        batch = normalize(pixels.to(self._device, non_blocking=True), self.card.preprocessing)
        with full_float32():
            with autocast(self._device, self._reduced):
                features = self._model.pooled(batch)
            features = features.float()
            logits = self._model.head(features)
        if pooled:
            return logits, features
        if top_k is None or self._device.type == "cpu":  # numpy's partition is what labels were made with there
            return (logits,)
        return largest_logits(logits, top_k)

    def _fitting(self) -> int:
        """Photos that a GPU's free memory holds: a power of two up to 512, by what a few of them take."""
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(self._device)
        size = self.card.preprocessing.image_size
        photos, tried = torch.zeros(_TRIED, size, size, 3, dtype=torch.uint8), Portions(_TRIED)

        def trial(rows: slice) -> None:
            torch.cuda.reset_peak_memory_stats(self._device)  # what did not fit before does not count
            self._forward(photos[rows], None)

        tried.work(_TRIED, trial)
        each = (torch.cuda.max_memory_allocated(self._device) - before) / tried.size
        free, _ = torch.cuda.mem_get_info(self._device)
        fits = max(1.0, _USED_SHARE * free / max(each, 1.0))
        return min(_MOST, 2 ** int(math.log2(fits)))


def largest_logits(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The k largest of each row, as :meth:`ScoreTable.to_top_k` finds them but on the logits' device.

    Args:
        logits: (N, C) float32, C > k.
        k: how many.

    Returns:
        (N, k) float16 logits in descending order, their (N, k) int32 positions, the (N, 7) float32 tails, and (N,)
        whether all of a row's logits are finite.
    """
    values = logits.half().float()
    top = values.topk(k, dim=1)
    rest = values.scatter(1, top.indices, -torch.inf)
    tails = torch.stack([(rest / temperature).logsumexp(dim=1) for temperature in TAIL_TEMPERATURES], dim=1)
    return top.values.half(), top.indices.int(), tails, values.isfinite().all(dim=1)
