"""A key stands once in a mapping of a YAML file: of two, which would count?"""

from __future__ import annotations

from pathlib import Path

import pytest

from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.yaml_file import read_yaml


def read(folder: Path, text: str) -> object:
    file = folder / "some.yaml"
    file.write_text(text, encoding="utf-8")
    return read_yaml(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "opt_out: {hosts: [a]}\nseed: 1\nopt_out: {authors: [b]}\n",
            "line 3, column 1: the key opt_out was .* line 1",
        ),
        ("opt_out:\n  authors: [a]\n  authors: [b]\n", "line 3, column 3: the key authors was .* in line 2 already"),
        ("opt_out: {authors: [a], 'authors': [b]}\n", "line 1, column 25: the key authors"),
        ("rows: [{a: 1, b: 2}, {a: 1, a: 1}]\n", "line 1, column 29: the key a"),
        ("16: a\n0x10: b\n", "line 2, column 1: the key 0x10"),
        ("yes: a\ntrue: b\n", "line 2, column 1: the key true"),
        ("base: &base {a: 1, a: 2}\nmine: {<<: *base}\n", "line 1, column 20: the key a"),
        ("mine:\n  <<: {a: 1}\n  a: 2\n  a: 3\n", "line 4, column 3: the key a was given in line 3"),
    ],
)
def test_a_key_given_twice_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=f"some.yaml: {said}") as caught:
        read(tmp_path, text)
    assert str(caught.value).endswith("want it once")
    assert "\n" not in str(caught.value)


def test_what_a_merge_brings_may_be_said_again(tmp_path: Path) -> None:
    text = "one: &one {a: 1, b: 1}\ntwo: &two {<<: *one, a: 2}\nall: [*two, {<<: [*two, {c: 3}], b: 3}, *two, {a: 4}]\n"
    two = {"a": 2, "b": 1}
    assert read(tmp_path, text) == {
        "one": {"a": 1, "b": 1},
        "two": two,
        "all": [two, {**two, "b": 3, "c": 3}, two, {"a": 4}],
    }
    assert read(tmp_path, "'1': a\n1: b\n=: c\n") == {"1": "a", 1: "b", "=": "c"}


@pytest.mark.parametrize("text", ["2001-99-99: a\n", "? [x]\n: d\n", "{a: 1}: b\n", "[" * 100_000, "a: [\n"])
def test_what_is_no_key_is_still_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest, match=r"some\.yaml: ") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
