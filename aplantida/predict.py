"""Name the plants in photos with a bundle: ``python -m aplantida.predict --bundle DIR [--json] [--plant] PHOTO…``.

The very files that the page loads are run (in Node, on the same WebAssembly backend), after their digests were checked
against ``bundle.json``. A photo that cannot be read is a row with a reason; the others still come out.
"""

from __future__ import annotations

import argparse
import io
import json
import struct
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from PIL import Image, ImageOps

from aplantida.domain.pixels import Pixels
from aplantida.export.node import NodeClassifier, NodeError
from aplantida.export.web_build import WebBuildError

MAX_BYTES = 100_000_000
MAX_PIXELS = 100_000_000
BAD_REQUEST = 2
STRANGERS = ("not_a_plant", "unknown")
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_DECODERS = 2
_AHEAD = 4


class UnreadablePhotoError(ValueError):
    """A photo that cannot be decoded, with the reason."""


def read_photo(path: Path) -> Pixels:
    """The (H, W, 3) RGB pixels of a photo: upright as EXIF says, color profile ignored, transparency on white.

    Raises:
        UnreadablePhotoError: when it is no readable photo or a far too large one.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnreadablePhotoError(f"{size} bytes; at most {MAX_BYTES} are read")
        data = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                return _pixels(image)
    except UnreadablePhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadablePhotoError(str(error)) from error
    except Image.UnidentifiedImageError as error:
        raise UnreadablePhotoError(f"not a photo in any of {', '.join(_FORMATS)}") from error
    except OSError as error:
        raise UnreadablePhotoError(error.strerror or str(error)) from error
    except (ValueError, SyntaxError, EOFError, struct.error) as error:  # what broken files raise inside the decoders
        raise UnreadablePhotoError(f"broken photo: {error}") from error


def _pixels(image: Image.Image) -> Pixels:
    if image.width * image.height > MAX_PIXELS:
        raise UnreadablePhotoError(f"{image.width}x{image.height} is more than {MAX_PIXELS} pixels")
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(upright.convert("RGB"))


def predict(bundle: Path, photos: Iterable[str], k: int = 5, place: str | None = None) -> Iterator[dict[str, Any]]:
    """One row per photo, in order: photo, top, decision, rule, taxon, probability, set_size, reason.

    The decision is ``error`` where a photo cannot be read, else what :mod:`aplantida.evaluation.decide` says. Photos
    are decoded by threads a little ahead of the model.

    Raises:
        NodeError: when the bundle is refused, an altered file say.
    """
    waiting: deque[tuple[str, Future[Pixels]]] = deque()
    with NodeClassifier(bundle) as classifier, ThreadPoolExecutor(_DECODERS) as decoders:
        for photo in photos:
            waiting.append((photo, decoders.submit(read_photo, Path(photo))))
            if len(waiting) > _AHEAD:
                yield _row(classifier, *waiting.popleft(), k, place)
        while waiting:
            yield _row(classifier, *waiting.popleft(), k, place)


def predict_plant(bundle: Path, photos: Iterable[str], k: int = 5, place: str | None = None) -> dict[str, Any]:
    """One row for several photos of one plant, their calibrated log-probabilities averaged.

    Its ``photos`` are those that could be read, its ``reason`` says which could not.

    Raises:
        NodeError: when the bundle is refused, an altered file say.
    """
    seen: list[str] = []
    reasons: list[str] = []
    with NodeClassifier(bundle) as classifier:
        outputs: list[Any] = []
        for photo in photos:
            try:
                outputs.append(classifier.outputs(read_photo(Path(photo))))
                seen.append(photo)
            except UnreadablePhotoError as error:
                reasons.append(f"{photo}: {error}")
        found = classifier.decide(outputs, k, place) if outputs else {"top": [], "decision": "error"}
    return {"photos": seen, **found, "reason": "; ".join(reasons) or None}


def _row(classifier: NodeClassifier, photo: str, pixels: Future[Pixels], k: int, place: str | None) -> dict[str, Any]:
    try:
        found = classifier.classify(pixels.result(), k, place)
    except UnreadablePhotoError as error:
        return {"photo": photo, "top": [], "decision": "error", "reason": str(error)}
    return {"photo": photo, **found, "reason": None}


def _said(row: dict[str, Any]) -> str:
    """The decision, what it names and the rule that decided."""
    words = [row["decision"].replace("_", " ")]
    if row.get("taxon"):
        words.append(f"{row['taxon']} {row['probability']:.1%}")
    if row.get("set_size"):
        words.append(f"of {row['set_size']}")
    return " ".join(words) + (f" [{row['rule']}]" if row.get("rule") else "")


def _table(row: dict[str, Any], closest: bool) -> str:
    photo = row["photo"] if "photo" in row else " + ".join(row["photos"])
    lines = [f"{photo}: {_said(row)}" + (f" ({row['reason']})" if row["reason"] else "")]
    for item in row["top"] if closest or row["decision"] not in STRANGERS else ():
        names = ", ".join(item["common_names"][:2])
        lines.append(f"  {item['probability']:6.1%}  {item['scientific_name']}" + (f" ({names})" if names else ""))
    return "\n".join(lines)


def _named(words: Sequence[str], stdin: TextIO) -> Iterator[str]:
    for word in words:
        if word == "-":
            yield from (line for line in (raw.rstrip("\r\n") for raw in stdin) if line)
        else:
            yield word


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; exit code 0, or 2 when the bundle is refused."""
    parse = argparse.ArgumentParser(prog="python -m aplantida.predict", description="Name the plants in photos.")
    parse.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="a model bundle: dist/models/NAME")
    parse.add_argument("--json", action="store_true", help="one JSON object a line")
    parse.add_argument("--plant", action="store_true", help="all photos show one plant: one answer for them together")
    parse.add_argument("--place", metavar="WHERE", help="where they were taken: a region's name or a country's code")
    parse.add_argument("--closest", action="store_true", help="list the closest species of strangers, too")
    parse.add_argument("photos", nargs="+", metavar="PHOTO", help="a file; - reads paths from standard input")
    given = parse.parse_args(arguments)
    try:
        photos = _named(given.photos, sys.stdin)
        asked = {"bundle": given.bundle, "photos": photos, "place": given.place}
        rows = iter([predict_plant(**asked)]) if given.plant else predict(**asked)
        for row in rows:
            text = json.dumps(row, ensure_ascii=False) if given.json else _table(row, given.closest)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
    except (NodeError, WebBuildError) as error:
        sys.stderr.write(f"predict: {error}\n")
        return BAD_REQUEST
    except BrokenPipeError:  # the reader of the rows has had enough
        sys.stdout = None  # pyright: ignore[reportAttributeAccessIssue]
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
