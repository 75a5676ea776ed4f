"""Licences: from what people write to an SPDX-like id, and what a policy says of it. Unreadable means refused."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

_CC_ELEMENTS = re.compile(r"^(by)(-nc)?(-nd|-sa)?$")
_URL = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)(?:/(\d\.\d))?", re.IGNORECASE)
_CC = re.compile(r"\bcc[\s_-]*(by(?:[\s_-]*(?:nc|nd|sa))*)[\s_-]*(\d(?:\.\d)?)?", re.IGNORECASE)
_CC0 = re.compile(r"\b(cc[\s_-]*0|cc[\s_-]*zero|zero)\b", re.IGNORECASE)
_PUBLIC_DOMAIN = ("public domain", "dominio publico", "dominio público", "pdm", "pd", "no known copyright restrictions")
DEFAULT_VERSION = "4.0"


@dataclass(frozen=True, slots=True)
class LicensePolicy:
    """Which licences a commercial product may use.

    Attributes:
        allow_share_alike: whether CC BY-SA photos are accepted.
        also_allowed: further ids accepted as they are, e.g. ``("Apache-2.0",)``.
    """

    allow_share_alike: bool = True
    also_allowed: tuple[str, ...] = field(default=())

    def refusal(self, license_id: str | None) -> str | None:
        """Why ``license_id`` is refused; None when it is accepted."""
        if license_id is None:
            return "unreadable or missing licence"
        if license_id in self.also_allowed or license_id in ("CC0-1.0", "PDM-1.0"):
            return None
        if not license_id.startswith("CC-BY"):
            return f"{license_id} is not on the list of accepted licences"
        if "-NC" in license_id:
            return f"{license_id} forbids commercial use"
        if "-ND" in license_id:
            return f"{license_id} forbids derived works"
        if "-SA" in license_id and not self.allow_share_alike:
            return f"{license_id} is share-alike, which the policy excludes"
        return None


def normalize_license(text: str | None) -> str | None:
    """The SPDX-like id of a licence text or URL: ``CC-BY-4.0``, ``CC0-1.0``, ``LicenseRef-AllRightsReserved`` …

    A CC licence without version is read as 4.0 (the text is kept beside it). None when nothing can be read.
    """
    if text is None or not text.strip():
        return None
    clean = unicodedata.normalize("NFKC", text).strip().lower()
    url = _URL.search(clean)
    if url:
        return _from_url(*url.groups())
    if _CC0.search(clean):
        return "CC0-1.0"
    cc = _CC.search(clean)
    if cc:
        return _cc_id(cc.group(1), cc.group(2))
    if any(clean == word or (len(word) > 3 and word in clean) for word in _PUBLIC_DOMAIN):
        return "PDM-1.0"
    if "all rights reserved" in clean or "todos los derechos reservados" in clean or clean in ("©", "copyright"):
        return "LicenseRef-AllRightsReserved"
    return None


def _from_url(kind: str, name: str, version: str | None) -> str | None:
    if kind.lower() == "publicdomain":
        return {"zero": "CC0-1.0", "mark": "PDM-1.0"}.get(name)
    return _cc_id(name, version)


def _cc_id(elements: str, version: str | None) -> str | None:
    joined = re.sub(r"[\s_-]+", "-", elements.strip().lower())
    parts = joined.split("-")
    ordered = "-".join(part for part in ("by", "nc", "nd", "sa") if part in parts)
    if not _CC_ELEMENTS.match(ordered):
        return None
    number = version or DEFAULT_VERSION
    return f"CC-{ordered.upper()}-{number if '.' in number else number + '.0'}"
