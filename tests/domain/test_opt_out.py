from __future__ import annotations

import pytest

from aplantida.domain.opt_out import OptOuts


@pytest.mark.parametrize(
    ("author", "host", "refused"),
    [
        ("ANA  pérez", "a.org", "author"),
        ("Ana Pérez López", "a.org", None),
        (None, "a.org", None),
        (None, "example.org", "site"),
        ("Bo", "cdn.img.example.org", "site"),
        ("Bo", "notexample.org", None),
        ("Bo", "org", None),
    ],
)
def test_who_is_left_out(author: str | None, host: str, refused: str | None) -> None:
    said = OptOuts.of(["Ana Pérez"], ["Example.org."]).refusal(author, host)
    assert said is None if refused is None else said is not None and refused in said


def test_an_empty_list_refuses_nobody() -> None:
    assert OptOuts().refusal("Ana", "example.org") is None


@pytest.mark.parametrize(("authors", "hosts"), [([" "], []), ([], ["https://a.org/x"]), ([], [""])])
def test_what_is_no_name_is_an_error(authors: list[str], hosts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"host|author"):
        OptOuts.of(authors, hosts)
