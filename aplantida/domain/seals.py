"""sha256 of files, and of documents that say themselves whether they are whole: a last entry with that of the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

SEAL = "seal"


def hash_file(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_once(path: Path) -> str:
    """The same; a process reads a file only once, as long as its place, size and times stay as they are."""
    state = path.stat()
    return _hash_in(path, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=4096)
def _hash_in(path: Path, state: tuple[int, ...]) -> str:
    del state  # a key of the cache
    return hash_file(path)


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON document with its seal as the last key: sha256 (hex) over the canonical JSON of the others."""
    return {**document, SEAL: _digest(document)}


def broken_seal(document: Mapping[str, Any]) -> str | None:
    """What is wrong with a document's seal; None when it is whole, or was written before there were seals."""
    rest = {key: value for key, value in document.items() if key != SEAL}
    if SEAL not in document or document[SEAL] == _digest(rest):
        return None
    return f"its {SEAL} is {document[SEAL]!r}, its content's sha256 {_digest(rest)}"


def sealed_text(text: str) -> str:
    """A text of lines with its seal as the last line: sha256 (hex) over the bytes of the lines before."""
    return f"{text}{SEAL}: {hashlib.sha256(text.encode()).hexdigest()}\n"


def broken_text(data: bytes) -> str | None:
    """What is wrong with a sealed text; None when it is whole."""
    text, mark, found = data.rpartition(f"{SEAL}: ".encode())
    if not mark:
        return f"it does not end with a line {SEAL}: …"
    if found != hashlib.sha256(text).hexdigest().encode() + b"\n":
        return f"its {SEAL} is not the sha256 of the lines before"
    return None


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
