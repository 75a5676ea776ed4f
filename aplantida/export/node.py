"""A bundle in Node: the page's own TypeScript, WebAssembly backend and files, fed with decoded pixels."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from aplantida.export.web_build import build_web, node_executable

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
_LENGTHS = struct.Struct("<II")


class NodeError(RuntimeError):
    """The bundle was refused (a file missing, altered or not understood), a request was, or Node ended."""


@dataclass(frozen=True)
class BundleInfo:
    """What the program read from the bundle."""

    name: str
    version: str
    digest: str
    class_ids: tuple[str, ...]
    image_size: int
    temperature: float
    threshold: float


class NodeClassifier:
    """One Node process that holds one bundle; a context manager.

    Every file is checked against ``bundle.json`` before it is used. Requests are answered one after the other.

    Attributes:
        info: name, version, classes and decision of the bundle.
    """

    info: BundleInfo

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle

    def __enter__(self) -> Self:
        """Start Node and load the bundle.

        Raises:
            NodeError: when the bundle is refused.
        """
        if not (self._bundle / "bundle.json").is_file():
            raise NodeError(f"{self._bundle} is not a model bundle: it holds no bundle.json")
        build = build_web()
        self._log = tempfile.TemporaryFile("w+b")
        command = [node_executable(), build.program, self._bundle.resolve()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        try:
            header, _ = self._receive()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            if isinstance(error, NodeError):
                raise NodeError(f"bundle {self._bundle}: {error}") from error
            raise
        self.info = BundleInfo(**{**header, "class_ids": tuple(header["class_ids"])})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def classify(self, pixels: Pixels, k: int = 5, place: str | None = None) -> dict[str, Any]:
        """``{"top": [{scientific_name, common_names, family, probability} × k], "decision", "rule", "taxon", …}``.

        What is decided, and by which rule, is said in :mod:`aplantida.evaluation.decide`.

        Args:
            pixels: (H, W, 3) RGB of a whole upright photo.
            k: how many species.
            place: where the photo was taken: a region's name or a country's ISO code, which a species has.

        Raises:
            NodeError: when the request is refused or Node ended.
        """
        return self._ask(_photo_request("classify", pixels, k=k, place=place), pixels)[0]

    def outputs(self, pixels: Pixels) -> tuple[FloatArray, FloatArray]:
        """(C,) logits and (F,) pooled features of a whole upright photo (H, W, 3); F is 0 where there are none."""
        header, data = self._ask(_photo_request("outputs", pixels), pixels)
        values, size = np.frombuffer(data, np.float32), header["num_features"]
        return values[: len(values) - size], values[len(values) - size :]

    def decide(
        self, outputs: Sequence[tuple[FloatArray, FloatArray]], k: int = 5, place: str | None = None
    ) -> dict[str, Any]:
        """What :meth:`classify` gives, of what :meth:`outputs` gave for one or more photos of one plant."""
        request = {"op": "decide", "num_features": len(outputs[0][1]), "k": k, "place": place}
        return self._ask(request, np.concatenate([np.concatenate(photo) for photo in outputs]).astype(np.float32))[0]

    def logits(self, pixels: Pixels) -> FloatArray:
        """(C,) raw outputs for a whole upright photo (H, W, 3)."""
        return np.frombuffer(self._ask(_photo_request("logits", pixels), pixels)[1], np.float32)

    def prepare(self, pixels: Pixels) -> FloatArray:
        """The model's input (S, S, 3), 0..255, for a whole upright photo (H, W, 3)."""
        size = self.info.image_size
        values = np.frombuffer(self._ask(_photo_request("prepare", pixels), pixels)[1], np.float32)
        return values.reshape(size, size, 3)

    def logits_of_input(self, square: npt.NDArray[Any]) -> FloatArray:
        """(C,) raw outputs for a prepared input (S, S, 3), 0..255."""
        values = np.ascontiguousarray(square, np.float32)
        return np.frombuffer(self._ask({"op": "logits_of_input"}, values)[1], np.float32)

    def _ask(self, header: Mapping[str, Any], payload: npt.NDArray[Any]) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdin is not None
        text = json.dumps(header).encode()
        data = np.ascontiguousarray(payload)
        try:
            self._process.stdin.write(_LENGTHS.pack(len(text), data.nbytes) + text)
            self._process.stdin.write(data.data)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise NodeError(self._ended()) from error
        return self._receive()

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        text_length, payload_length = _LENGTHS.unpack(self._read(_LENGTHS.size))
        header = json.loads(self._read(text_length))
        payload = self._read(payload_length)
        if "error" in header:
            raise NodeError(header["error"])
        return header, payload

    def _read(self, length: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(length)
        if len(data) < length:
            raise NodeError(self._ended())
        return data

    def _ended(self) -> str:
        self._log.seek(0)
        tail = self._log.read()[-2000:].decode(errors="replace").strip()
        return f"Node ended with exit code {self._process.wait(timeout=5)}: {tail or 'it printed nothing'}"


def _photo_request(op: str, pixels: Pixels, **more: Any) -> dict[str, Any]:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"a photo is (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
    return {"op": op, "width": pixels.shape[1], "height": pixels.shape[0], **more}
