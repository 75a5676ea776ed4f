from __future__ import annotations

import unicodedata

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


@pytest.mark.parametrize(
    "name", ["Ana Muñoz Pérez", "Zoë O’Brien", "Ｊｏｓé", "İbrahim Ünal", "Straße", "Ἀθηνᾶ ΣΊΣΥΦΟΣ", "Å. Ångström"]
)
def test_an_author_is_the_same_in_every_way_of_writing_the_letters(name: str) -> None:
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    spelled = [*forms, *(form.upper() for form in forms), *(form.lower() for form in forms), f"\ufeff {name}\u200b\x00"]
    for listed in spelled:
        outs = OptOuts.of([listed], [])
        assert [written for written in spelled if outs.refusal(written, "a.org") is None] == []
        assert outs.refusal(f"{name} y otros", "a.org") is None


@pytest.mark.parametrize(
    ("listed", "host"),
    [
        ("fotos-ñandú.es", "xn--fotos-and-q6a6h.es"),
        ("XN--FOTOS-AND-Q6A6H.ES", "img.fotos-ñandú.es"),
        ("fotos-n\u0303andu\u0301.ES.", "fotos-ÑANDÚ.es"),
        ("faß.de", "xn--fa-hia.de"),
        ("例え。テスト", "cdn.xn--r8jz45g.xn--zckzah"),
        ("my_photos.example", "a.MY_photos.example."),
        ("🌹.example", "xn--2h8h.example"),
    ],
)
def test_a_host_is_the_same_in_unicode_and_on_the_wire(listed: str, host: str) -> None:
    outs = OptOuts.of([], [listed])
    assert outs.refusal(None, host) is not None
    assert outs.refusal(None, f"other-{host}") is None or host.count(".") > 1
