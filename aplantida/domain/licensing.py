"""Licences: from what people write to an SPDX-like id, and what a policy says of it. Unreadable means refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

# What the elements of a Creative Commons licence are called, longest first; apostrophes and accents are gone by then.
_ELEMENTS = {
    "by": ("attribution", "atribucion", "atribuicao", "attribuzione", "reconocimiento", "reconeixement",
           "namensnennung", "paternite", "by"),
    "nc": ("uso nao[ -]?comercial", "pas d ?utilisation commerciale", "nicht[ -]?kommerziell", "non[ -]?commerciale?",
           "nao[ -]?comercial", "no[ -]?comercial", "nc"),
    "nd": ("no[ -]?derivatives", "no[ -]?derivs", "no[ -]?derivative works", "sin[ -]?obras?[ -]?derivadas?",
           "sin[ -]?derivadas", "sense[ -]?obra[ -]?derivada", "sem[ -]?derivacoes", "sem[ -]?derivados",
           "pas de modification", "keine[ -]?bearbeitung(?:en)?", "non opere derivate", "nd"),
    "sa": ("share[ -]?alike", "compartir[ -]?igual", "compartilha[ -]?igual", "partage dans les memes conditions",
           "weitergabe unter gleichen bedingungen", "condividi allo stesso modo", "sa"),
}  # fmt: skip
_JOINT = r"[\s_,/+&-]*"
_ANY_ELEMENT = re.compile(
    "|".join(f"(?P<{key}>(?<![a-z])(?:{'|'.join(words)})(?![a-z]))" for key, words in _ELEMENTS.items())
)
_WORD = "(?:" + "|".join(word for words in _ELEMENTS.values() for word in words) + ")"
_LICENSE = r"(?:(?:public )?licen[cs]e|licencia|licenca|licenza|lizenz)"
_VERSION = r"(?:v(?:ersion)?[.\s]*)?(\d(?:[._]\d)?(?:\s*,\s*\d\.\d)*)(?![\d.]*\d)"
# "cc by-nc-sa 3.0", "creative commons reconocimiento 4.0", "cc_by_4_0"
_CC = re.compile(
    rf"(?<![a-z0-9])(?:cc|creative[ -]?commons)(?![a-z0-9]){_JOINT}(?:{_LICENSE}{_JOINT})?({'|'.join(_ELEMENTS['by'])})"
    rf"((?:{_JOINT}{_WORD}(?![a-z]))*)(?![a-z])(?:{_JOINT}{_LICENSE})?(?:{_JOINT}{_VERSION})?"
)
# the same without "cc": two elements at least, or a version
_SPELLED = re.compile(
    rf"(?<![a-z])({'|'.join(_ELEMENTS['by'])})((?:{_JOINT}{_WORD}(?![a-z]))+)(?![a-z])(?:{_JOINT}{_LICENSE})?"
    rf"(?:{_JOINT}{_VERSION})?|(?<![a-z])({'|'.join(_ELEMENTS['by'][:-1])})(?![a-z])(?:{_JOINT}{_LICENSE})?"
    rf"{_JOINT}{_VERSION}"
)
_URL = re.compile(
    r"(?<![\w./-])(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)(?:/(\d\.\d))?[^\s)\]]*"
)
_CC0 = re.compile(
    r"\b(?:cc|creative[ -]?commons)[\s_-]*(?:0|zero)(?:[\s_-]*1[._]0)?(?: universal)?\b|\bno rights reserved\b"
)
_PUBLIC_DOMAIN = re.compile(
    r"\bpublic domain(?: mark| dedication)?(?: 1[._]0)?\b|\bdominio publico\b|\bdomini public\b|\bdomaine public\b|"
    r"\bpubblico dominio\b|\bgemeinfrei\b|\bpdm(?:[\s_-]*1[._]0)?\b|^pd(?:-[a-z0-9-]+)?$|"
    r"\bno known copyright restrictions?\b|\b(?:united states|u\.?s\.?) government work\b"
)
_RESERVED = re.compile(
    r"\ball rights reserved\b|\btodos los derechos reservados\b|\btodos os direitos reservados\b|"
    r"\btots els drets reservats\b|\btous droits reserves\b|\balle rechte vorbehalten\b|"
    r"\btutti i diritti riservati\b|^\(?(?:c|©)\)?$|^copyright(?:ed)?$"
)
_FLICKR = re.compile(r"^attribution license$")  # Flickr's name for CC BY 2.0
# whole texts that mean a licence a policy may name in also_allowed
_OTHERS = {
    "gfdl": "GFDL-1.3-or-later",
    "gnu free documentation license": "GFDL-1.3-or-later",
    "free art license": "LAL-1.3",
    "licence art libre": "LAL-1.3",
    "fal": "LAL-1.3",
    "open government licence v3.0": "OGL-UK-3.0",
    "ogl 3": "OGL-UK-3.0",
    "licence ouverte": "etalab-2.0",
    "etalab 2.0": "etalab-2.0",
    "unsplash license": "LicenseRef-Unsplash",
    "pixabay license": "LicenseRef-Pixabay",
    "pexels license": "LicenseRef-Pexels",
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
}
# beside a licence, a word that may take back what it gives: then nobody knows what was meant
_DOUBT = re.compile(
    r"(?<![a-z])(?:not?|non|nor|never|without|except|excepto|excluding|unless|only|solo|solamente|salvo|sauf|sin|sem|"
    r"sans|nicht|kein|keine|ohne|pas|ni|permission|permiso|permissao|contact|request|restrict(?:ed|ions?)|"
    r"prohibit(?:ed)?|prohibid[oa]|commerc\w*|comerc\w*|kommerz\w*|personal|private|educational|editorial|research|"
    r"scientific|expired|unknown|unclear|maybe)(?![a-z])|\?"
)
DEFAULT_VERSION = "4.0"
_CC_ID = re.compile(r"CC-(BY(?:-[A-Z]+)*)-(\d\.\d)$")


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


@lru_cache(maxsize=4096)
def normalize_license(text: str | None) -> str | None:
    """The SPDX-like id of a licence text or URL: ``CC-BY-4.0``, ``CC0-1.0``, ``LicenseRef-AllRightsReserved`` …

    Reads what iNaturalist, GBIF, Wikimedia Commons and Flickr write, and the names of the Creative Commons licences in
    English, Spanish, Catalan, Portuguese, French, Italian and German. National ports count as the licence they port.
    A CC licence without version is read as 4.0 (the text is kept beside it), several versions as the newest.

    Returns:
        None when nothing can be read, when two licences contradict each other, or when a word beside the licence may
        limit it (``CC BY, not for commercial use``).
    """
    rest = _clean(text or "")
    if not rest:
        return None
    if rest in _OTHERS:
        return _OTHERS[rest]
    if _FLICKR.match(rest):
        return "CC-BY-2.0"
    found: set[str | None] = set()
    for pattern, meaning in _FORMS:
        found |= {meaning if isinstance(meaning, str) else meaning(match) for match in pattern.finditer(rest)}
        rest = pattern.sub(" ", rest)
    if not found or None in found or _DOUBT.search(rest):
        return None
    if found == {"CC0-1.0", "PDM-1.0"}:  # "CC0 public domain"
        return "CC0-1.0"
    if len({_kind(str(item)) for item in found}) > 1:
        return None
    return max(str(item) for item in found)


def _clean(text: str) -> str:
    """Lower case, without accents, apostrophes, quotes, braces and repeated spaces."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    plain = re.sub(r"[\u2010-\u2015]", "-", plain)
    plain = re.sub(r"[\u2018\u2019'`]", " ", plain)
    return re.sub(r"\s+", " ", re.sub(r"[\"\u201c\u201d{}|\[\]]", " ", plain)).strip(" .;,")


def _kind(license_id: str) -> str:
    """A licence without its version."""
    return re.sub(r"-\d\.\d$", "", license_id)


def _of_url(match: re.Match[str]) -> str | None:
    kind, name, version = match.groups()
    if kind == "publicdomain":
        return {"zero": "CC0-1.0", "mark": "PDM-1.0"}.get(name)
    return _cc_id(set(name.split("-")), version) if set(name.split("-")) <= set(_ELEMENTS) else None


def _of_code(match: re.Match[str]) -> str | None:
    groups = [group for group in match.groups() if group]
    version = next((group for group in groups if group[0].isdigit()), None)
    words = " ".join(group for group in groups if not group[0].isdigit())
    parts = {str(found.lastgroup) for found in _ANY_ELEMENT.finditer(words)}
    return _cc_id(parts, max(re.findall(r"\d(?:[._]\d)?", version)) if version else None)


def _cc_id(parts: set[str], version: str | None) -> str | None:
    if "by" not in parts or {"nd", "sa"} <= parts:
        return None
    number = (version or DEFAULT_VERSION).replace("_", ".")
    elements = "-".join(part for part in ("by", "nc", "nd", "sa") if part in parts)
    return f"CC-{elements.upper()}-{number if '.' in number else number + '.0'}"


# in the order in which they are looked for; what one has read, the next ones do not see
_FORMS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str | None]], ...] = (
    (_URL, _of_url),
    (_CC0, "CC0-1.0"),
    (_CC, _of_code),
    (_SPELLED, _of_code),
    (_RESERVED, "LicenseRef-AllRightsReserved"),
    (_PUBLIC_DOMAIN, "PDM-1.0"),
)


def needs_author(license_id: str) -> bool:
    """Whether the licence asks for the author's name."""
    return license_id.startswith("CC-BY")


def license_url(license_id: str) -> str | None:
    """Where a Creative Commons licence can be read; None for others."""
    if license_id == "CC0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    if license_id == "PDM-1.0":
        return "https://creativecommons.org/publicdomain/mark/1.0/"
    match = _CC_ID.match(license_id)
    return f"https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/" if match else None
