"""A key that nobody knows is told what it may have been meant for, however deep it stands."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from aplantida.phases.registry import load_phase
from aplantida.pipeline.config import Section, validated
from aplantida.pipeline.errors import BadRequest


class Photo(Section):
    address: str
    author: str = ""


class Album(Section):
    first: Photo | None = None
    listed: list[Photo] = Field(default_factory=list[Photo])
    pairs: tuple[Photo, ...] = ()
    named: dict[str, Photo] = Field(default_factory=dict[str, Photo])
    deep: dict[str, list[Photo]] = Field(default_factory=dict[str, list[Photo]])
    either: Photo | str = ""


PHOTO = {"addr": "x"}


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"first": PHOTO}, "first"),
        ({"listed": [{"address": "y"}, PHOTO]}, "listed.1"),
        ({"pairs": [PHOTO]}, "pairs.0"),
        ({"named": {"mine": PHOTO}}, "named.mine"),
        ({"deep": {"mine": [PHOTO]}}, "deep.mine.0"),
    ],
)
def test_the_likely_key_is_named(values: dict[str, Any], key: str) -> None:
    with pytest.raises(BadRequest) as caught:
        validated(Album, values, "a.yaml")
    assert str(caught.value) == f"a.yaml: {key}.addr = 'x': no such key; did you mean address?"


def test_what_is_missing_and_what_is_unlike_are_said() -> None:
    with pytest.raises(BadRequest, match=r"named\.mine\.zzz = 1: no such key; there are address, author\n.*required"):
        validated(Album, {"named": {"mine": {"zzz": 1}}}, "a.yaml")
    with pytest.raises(BadRequest, match="no such key"):
        validated(Album, {"either": {"addr": "x"}}, "a.yaml")


def test_of_a_phase_too() -> None:
    with pytest.raises(BadRequest, match=r"decisions\.0\.abut = 'x': no such key; did you mean about\?"):
        validated(load_phase("check_licenses").config, {"decisions": [{"abut": "x"}]}, "c.yaml")
