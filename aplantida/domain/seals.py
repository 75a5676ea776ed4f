"""Documents that say themselves whether they are whole: a last entry with the sha256 of all the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "seal"


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
