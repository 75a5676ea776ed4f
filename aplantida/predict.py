"""Name the plants in photos with a bundle: ``python -m aplantida.predict --bundle DIR [--json] [--plant] PHOTO…``.

The very files that the page loads are run (in Node, on the same WebAssembly backend), after their digests were checked
against ``bundle.json``. A photo that cannot be read is a row with a reason; the others still come out.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import stat
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

from aplantida.data.image_formats import ImageRejected
from aplantida.data.images import decode_upright
from aplantida.domain.pixels import Pixels
from aplantida.export.node import NodeClassifier, NodeError
from aplantida.export.web_build import WebBuildError

MAX_BYTES = 100_000_000
MAX_PIXELS = 100_000_000
BAD_REQUEST = 2
STRANGERS = ("not_a_plant", "unknown")
_DECODERS = 2
_AHEAD = 4


class UnreadablePhotoError(ValueError):
    """A photo that cannot be read, with the reason."""


def read_photo(path: Path) -> Pixels:
    """The (H, W, 3) RGB pixels of a photo, as :func:`aplantida.data.images.store_photo` decodes it, at its full size.

    Raises:
        UnreadablePhotoError: when it is no file, or not what would be stored, for the same reason.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a directory" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
            raise UnreadablePhotoError(f"{kind}: want a file")
        if found.st_size > MAX_BYTES:
            raise UnreadablePhotoError(f"{found.st_size} bytes; at most {MAX_BYTES} are read")
        return decode_upright(path.read_bytes(), MAX_PIXELS)[0]
    except ImageRejected as rejected:
        raise UnreadablePhotoError(str(rejected)) from rejected
    except OSError as error:
        raise UnreadablePhotoError(error.strerror or str(error)) from error
    except ValueError as error:  # a path with a zero byte
        raise UnreadablePhotoError(str(error)) from error


def predict(bundle: Path, photos: Iterable[str], k: int = 5, place: str | None = None) -> Iterator[dict[str, Any]]:
    """One row per photo, in order: photo, top, decision, rule, taxon, probability, set_size, reason.

    The decision is ``error`` where a photo cannot be read, else what :mod:`aplantida.evaluation.decide` says. Photos
    are decoded by threads a little ahead of the model.

    Raises:
        NodeError: when the bundle is refused (an altered file, say), or the place: none of its species is known there.
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
        NodeError: when the bundle is refused (an altered file, say), or the place: none of its species is known there.
    """
    seen: list[str] = []
    reasons: list[str] = []
    with NodeClassifier(bundle) as classifier:
        outputs: list[Any] = []
        for photo in photos:
            try:
                outputs.append(classifier.outputs(read_photo(Path(photo))))
                seen.append(_shown(photo))
            except UnreadablePhotoError as error:
                reasons.append(f"{_shown(photo)}: {error}")
        found = classifier.decide(outputs, k, place) if outputs else {"top": [], "decision": "error"}
    return {"photos": seen, **found, "reason": "; ".join(reasons) or None}


def _row(classifier: NodeClassifier, photo: str, pixels: Future[Pixels], k: int, place: str | None) -> dict[str, Any]:
    name = _shown(photo)
    try:
        decoded = pixels.result()
    except UnreadablePhotoError as error:
        return {"photo": name, "top": [], "decision": "error", "reason": str(error)}
    except Exception as error:  # one photo's exception is that photo's row
        return {"photo": name, "top": [], "decision": "error", "reason": f"{type(error).__name__}: {error}"}
    return {"photo": name, **classifier.classify(decoded, k, place), "reason": None}


def _shown(photo: str) -> str:
    """A path as text that can be written, whatever bytes its name is made of."""
    return os.fsencode(photo).decode("utf-8", "backslashreplace")


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


def _take_any_name(stream: TextIO, errors: str) -> None:
    """Let names that are no UTF-8, or that the console has no letters for, through a standard stream."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=errors)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; exit code 0, or 2 when the bundle or the place is refused."""
    parse = argparse.ArgumentParser(prog="python -m aplantida.predict", description="Name the plants in photos.")
    parse.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="a model bundle: dist/models/NAME")
    parse.add_argument("--json", action="store_true", help="one JSON object a line")
    parse.add_argument("--plant", action="store_true", help="all photos show one plant: one answer for them together")
    parse.add_argument("--place", metavar="WHERE", help="where they were taken: a region's name or a country's code")
    parse.add_argument("--closest", action="store_true", help="list the closest species of strangers, too")
    parse.add_argument("photos", nargs="+", metavar="PHOTO", help="a file; - reads paths from standard input")
    given = parse.parse_args(arguments)
    _take_any_name(sys.stdin, "surrogateescape")
    _take_any_name(sys.stdout, "backslashreplace")
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
