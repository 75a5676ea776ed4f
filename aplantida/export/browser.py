"""A bundle in a real Chromium: what ``validate_tfjs`` and the page's tests stand on."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from playwright.sync_api import BrowserContext, Page, sync_playwright

from aplantida.export.http_server import FolderServer

FloatArray = npt.NDArray[np.float32]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_BLANK = "/blank-page-for-a-classifier.html"
_LOAD = """async () => {
  const start = performance.now();
  const { load } = await import("./classifier.js");
  globalThis.classifier = await load("./");
  globalThis.base64 = (values) => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  };
  globalThis.photo = async (path) => (await fetch(path, { cache: "no-store" })).blob();
  return { milliseconds: performance.now() - start, agent: navigator.userAgent };
}"""
_CLASSIFY = """async ([path, k]) => {
  const blob = await photo(path);
  const start = performance.now();
  const prediction = await classifier.classify(blob, k);
  const milliseconds = performance.now() - start;
  return { prediction, milliseconds, logits: base64(await classifier.logits(blob)) };
}"""
_PREPARE = "async (path) => base64(await classifier.prepare(await photo(path)))"
_LOGITS_OF_INPUT = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return base64(await classifier.logitsOfInput(new Float32Array(bytes.buffer)));
}"""


def chromium_executable() -> str | None:
    """Chromium's path: ``CHROMIUM_PATH``, else the system's; None means Playwright's own download.

    Raises:
        FileNotFoundError: when ``CHROMIUM_PATH`` names no file.
    """
    given = os.environ.get("CHROMIUM_PATH")
    if given and not Path(given).is_file():
        raise FileNotFoundError(f"CHROMIUM_PATH={given} is not a file; give the path of a Chromium binary")
    return given or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium(**options: Any) -> Iterator[BrowserContext]:
    """A headless Chromium with a fresh profile; ``options`` go to Playwright's context (``viewport``, ``locale`` …)."""
    with tempfile.TemporaryDirectory(prefix="aplantida-chromium-") as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, headless=True, executable_path=chromium_executable(), args=list(FLAGS), **options
        )
        try:
            yield context
        finally:
            context.close()


@dataclass(frozen=True)
class BrowserResult:
    """One photo's answer.

    Attributes:
        top: as the page gets it: dicts of scientific_name, common_names, family, probability, best first.
        decision: what is said; see :mod:`aplantida.evaluation.decide`.
        logits: (C,) raw outputs.
        seconds: decoding, resize, model and decision, as the page sees them.
    """

    top: list[dict[str, Any]]
    decision: str
    logits: FloatArray
    seconds: float


class BrowserClassifier:
    """A bundle's own ``classifier.js``, loaded from a local server into a fresh Chromium; a context manager.

    Attributes:
        cold_seconds: from the import of the module to the first run done (the browser's own start apart).
        agent: the browser's name and version.
    """

    cold_seconds: float
    agent: str
    _page: Page

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle

    def __enter__(self) -> Self:
        """Serve the bundle, start Chromium, load the module.

        Raises:
            playwright.sync_api.Error: with the module's message when the bundle is refused.
        """
        with ExitStack() as stack:
            self._server = stack.enter_context(FolderServer(self._bundle))
            self._server.extra[_BLANK] = b"<!doctype html><title>classifier</title>"
            context = stack.enter_context(chromium())
            self._page = context.new_page()
            self._page.goto(self._server.url.rstrip("/") + _BLANK)
            loaded = self._page.evaluate(_LOAD)
            self.cold_seconds, self.agent = loaded["milliseconds"] / 1000, loaded["agent"]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the browser, then the server."""
        self._stack.close()

    def classify_files(self, photos: Sequence[Path], k: int = 5) -> list[BrowserResult]:
        """Each photo's answer, in order.

        Raises:
            playwright.sync_api.Error: when the browser cannot decode a photo.
        """
        results = []
        for path in photos:
            with self._offered(path) as address:
                found = self._page.evaluate(_CLASSIFY, [address, k])
            prediction = found["prediction"]
            logits = _floats(found["logits"])
            results.append(
                BrowserResult(prediction["top"], prediction["decision"], logits, found["milliseconds"] / 1000)
            )
        return results

    def prepare_file(self, photo: Path) -> FloatArray:
        """The model's input (S, S, 3), 0..255, as this browser decodes and resizes the photo."""
        with self._offered(photo) as address:
            values = _floats(self._page.evaluate(_PREPARE, address))
        size = round((values.size // 3) ** 0.5)
        return values.reshape(size, size, 3)

    def logits_of_inputs(self, squares: npt.NDArray[Any]) -> FloatArray:
        """(N, S, S, 3) prepared inputs, 0..255 → (N, C) raw outputs: the model alone, without the browser's decoder."""
        rows = []
        for square in squares:
            text = base64.b64encode(np.ascontiguousarray(square, np.float32).tobytes()).decode()
            rows.append(_floats(self._page.evaluate(_LOGITS_OF_INPUT, text)))
        return np.stack(rows)

    @contextmanager
    def _offered(self, photo: Path) -> Iterator[str]:
        if not photo.is_file():
            raise FileNotFoundError(f"{photo} is not a file")
        address = f"/photo-{time.monotonic_ns()}"
        self._server.extra[address] = photo
        try:
            yield address
        finally:
            del self._server.extra[address]


def _floats(text: str) -> FloatArray:
    return np.frombuffer(base64.b64decode(text), np.float32)
