"""Licences: their ids, what a policy says of them, and how they are credited. Unreadable means refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aplantida.domain.license_reader import LicenseReading, read_license
from aplantida.domain.license_tokens import clean
from aplantida.domain.license_words import PORTS, fold

_COMMONS_ID = re.compile(
    r"CC-(?P<code>BY(?P<nc>-NC)?(?P<nd>-ND)?(?P<sa>-SA)?)(?:-(?P<version>1\.0|2\.[015]|3\.0|4\.0))?"
    rf"(?:-(?P<port>{'|'.join(port.upper() for port in PORTS if port)}))?"
)
_ANY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


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
        commons = _COMMONS_ID.fullmatch(license_id)
        if commons is None:
            return f"{license_id} is not on the list of accepted licences"
        if commons["nc"]:
            return f"{license_id} forbids commercial use"
        if commons["nd"]:
            return f"{license_id} forbids derived works"
        if commons["sa"] and not self.allow_share_alike:
            return f"{license_id} is share-alike, which the policy excludes"
        return None


class LicenseTexts:
    """What texts mean that nobody else can know, and how all others are read.

    Args:
        meanings: licence id by text; compared without regard to case, accents, spaces and what is around the text.

    Raises:
        ValueError: naming the text: a meaning that is no licence id, or two meanings of one text.
    """

    def __init__(self, meanings: Mapping[str, str] | None = None) -> None:
        self._meanings: dict[str, str] = {}
        for text, license_id in (meanings or {}).items():
            if not is_license_id(license_id):
                raise ValueError(f"{text!r} is to mean {license_id!r}: want a licence id, e.g. CC-BY-4.0")
            if self._meanings.setdefault(_key(text), license_id) != license_id or not _key(text):
                raise ValueError(f"{text!r}: want one meaning for a text that is not empty")

    def read(self, text: str | None) -> LicenseReading:
        """What ``text`` means, or says; see :func:`aplantida.domain.license_reader.read_license`."""
        known = self._meanings.get(_key(text)) if text and self._meanings else None
        return LicenseReading(known) if known else read_license(text)


def normalize_license(text: str | None) -> str | None:
    """The SPDX-like id of a licence text or address: ``CC-BY-4.0``, ``CC0-1.0``; None when it cannot be read."""
    return read_license(text).license_id


def is_license_id(text: str) -> bool:
    """Whether a text is an id as this package writes them: SPDX's, ``CC-BY-3.0-ES``, ``CC-BY`` or ``LicenseRef-…``."""
    if text.upper().startswith("CC"):
        return text == "CC0-1.0" or _COMMONS_ID.fullmatch(text) is not None
    return _ANY_ID.fullmatch(text) is not None


def may_be_shown_alone(license_id: str) -> bool:
    """Whether a photo may be passed on by itself, its author credited: CC0 or plain CC BY."""
    commons = _COMMONS_ID.fullmatch(license_id)
    return license_id == "CC0-1.0" or (commons is not None and commons["code"] == "BY")


def is_share_alike(license_id: str) -> bool:
    """Whether what is made of the work must be given on under the same licence."""
    commons = _COMMONS_ID.fullmatch(license_id)
    return commons is not None and bool(commons["sa"])


def needs_author(license_id: str) -> bool:
    """Whether the licence asks for the author's name."""
    return license_id.startswith("CC-BY")


def license_label(license_id: str) -> str:
    """What credits call a licence: its id, but "CC BY" where a text names no version, which has no id at SPDX."""
    commons = _COMMONS_ID.fullmatch(license_id)
    if commons is None or commons["version"]:
        return license_id
    return " ".join(part for part in ("CC", commons["code"], commons["port"]) if part)


def license_url(license_id: str) -> str | None:
    """Where a Creative Commons licence can be read; None for others.

    Of a national port it is the port's own deed, of a licence without version the page of all its versions.
    """
    if license_id == "CC0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    if license_id == "PDM-1.0":
        return "https://creativecommons.org/publicdomain/mark/1.0/"
    commons = _COMMONS_ID.fullmatch(license_id)
    if commons is None:
        return None
    steps = [commons["code"], commons["version"], commons["port"] if commons["version"] else None]
    return "".join(("https://creativecommons.org/licenses/", *(f"{step.lower()}/" for step in steps if step)))


def _key(text: str) -> str:
    return re.sub(r"\s+", " ", fold(clean(text))).strip(" .;,")
