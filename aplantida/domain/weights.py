"""Licences of the weights a training begins from: what is stated of files, and what a checkpoint says of its origin."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

ALLOWED_LICENSES = ("Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "CC0-1.0")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ORIGIN = re.compile(r"(?P<name>.+) sha256:(?P<sha256>[0-9a-f]{64})")
_KEYS = ("license", "source", "said_by")


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody says of a weights file: its licence (SPDX id), where it is from, and who says so."""

    license: str
    source: str
    said_by: str


def read_statements(value: Mapping[Any, Any]) -> dict[str, Statement]:
    """The statements of ``configs/weights.yaml``, by sha256.

    Raises:
        ValueError: naming the entry, when it is no sha256 or says less or more than it should.
    """
    statements: dict[str, Statement] = {}
    for sha256, said in value.items():
        if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
            raise ValueError(f"{sha256!r}: want the sha256 of a file, 64 digits of 0-9a-f, in quotes if all are 0-9")
        texts: dict[str, Any] = dict(cast("Mapping[str, Any]", said)) if isinstance(said, Mapping) else {}
        if set(texts) != set(_KEYS) or not all(isinstance(text, str) and text.strip() for text in texts.values()):
            raise ValueError(f"{sha256}: want texts under {', '.join(_KEYS)}, found {said!r}")
        statements[sha256] = Statement(**{key: texts[key].strip() for key in _KEYS})
    return statements


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a checkpoint's initial weights came from, as its card says.

    Attributes:
        name: of a file, or ``<hub id>@<revision>``.
        sha256: of the file that was loaded; None where the card does not say.
    """

    name: str
    sha256: str | None

    def __str__(self) -> str:
        return self.name if self.sha256 is None else f"{self.name} sha256:{self.sha256}"

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Inverse of ``str``; text without a hash is a name."""
        found = _ORIGIN.fullmatch(text)
        return cls(text, None) if found is None else cls(found["name"], found["sha256"])

    @property
    def is_hub(self) -> bool:
        """Whether it is a file of timm's hub."""
        return "@" in self.name and "/" in self.name


def same_license(one: str | None, other: str | None) -> bool:
    """Whether two ids are one licence: SPDX ids are compared without case."""
    return (one or "").strip().lower() == (other or "").strip().lower()


def spelled(license_id: str | None) -> str | None:
    """An id in the spelling of :data:`ALLOWED_LICENSES` where it is one of them; as it is otherwise."""
    return next((known for known in ALLOWED_LICENSES if same_license(known, license_id)), license_id)


def refusal(license_id: str | None, allowed: Collection[str]) -> str | None:
    """Why weights under this licence may not be used; None when they may."""
    if any(same_license(license_id, one) for one in allowed) and license_id:
        return None
    return f"their licence is {license_id or 'not stated'}; accepted are {', '.join(allowed)}"
