from __future__ import annotations

import unicodedata
from urllib.parse import quote

import pytest

from aplantida.domain.opt_out import OptOuts, without_photo


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
        assert outs.refusal(f"{name} y otros", "a.org")  # among others, too
        assert outs.refusal(f"{name} López", "a.org") is None


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


PHOTO = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("listed", "url", "withdrawn"),
    [
        (PHOTO.upper(), "https://a.org/other.jpg", True),
        ("https://a.org/1.jpg", "HTTPS://A.org:443/1.jpg#top", True),
        ("https://a.org/1.jpg", "https://a.org/1.jpg?token=abc&X-Amz-Signature=9", True),
        ("https://me:secret@a.org/1.jpg?sig=1&se=2", "https://a.org/1.jpg?sig=7&se=9", True),
        ("https://ñandú.es/flor ñ.jpg", "https://xn--and-6ma2c.es/flor%20%C3%B1.jpg", True),
        ("https://a.org/1.jpg", "https://a.org/1.jpg?size=large", False),
        ("https://a.org/1.jpg", "http://a.org/1.jpg", False),
        ("https://a.org/1.jpg", "https://a.org/1.JPG", False),
        ("http://a.org", "http://a.org:80/", True),
        ("http://[2001:DB8::1]/x", "http://[2001:db8::1]:80/x", True),
    ],
)
def test_a_withdrawn_photo_is_known_by_its_id_and_by_every_way_of_writing_its_address(
    listed: str, url: str, withdrawn: bool
) -> None:
    outs = OptOuts.of([], [], [listed])
    why = outs.refusal("Ana", "a.org", PHOTO, url)
    assert (why is not None) == withdrawn
    if why is not None:
        assert "withdrawn" in why
        assert "secret" not in why
        assert "abc" not in why.partition(" was")[0].partition("?")[2]
    assert outs.refusal("Ana", "a.org", "f" * 32, "https://b.org/1.jpg") is None


@pytest.mark.parametrize("text", ["", "0123", "a.org/1.jpg", "photo 12", "https://", "g" * 32, PHOTO + "0"])
def test_what_is_neither_id_nor_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="want the id of a photo"):
        OptOuts.of([], [], [text])


@pytest.mark.parametrize("unseen", ["\u200b", "\u00ad", "\ufeff", "\u2060", "\u200e", "\u202e", "\u2068"])
def test_an_invisible_character_in_a_withdrawn_address_is_said_and_around_it_does_not_count(unseen: str) -> None:
    url = "https://photos.example.org/ana/1.jpg"
    for inside in (f"https://photos.example.org/ana{unseen}/1.jpg", f"https://photos{unseen}.example.org/ana/1.jpg"):
        with pytest.raises(ValueError, match=rf"invisible character \(U\+{ord(unseen):04X}\)"):
            OptOuts.of([], [], [inside])
    with pytest.raises(ValueError, match="want the id of a photo"):
        OptOuts.of([], [], [PHOTO[:9] + unseen + PHOTO[9:]])
    listed = [f"{unseen}{url}{unseen}", f" {unseen}{PHOTO.upper()} {unseen}"]
    outs = OptOuts.of([], [], listed)
    assert outs.refusal(None, "photos.example.org", "f" * 32, url)
    assert outs.refusal(None, "photos.example.org", PHOTO, None)
    assert without_photo(listed, {PHOTO, url}) == []
    as_sent = OptOuts.of([], [], [f"https://photos.example.org/a{quote(unseen)}.jpg"])
    assert as_sent.refusal(None, "photos.example.org", None, f"https://photos.example.org/a{unseen}.jpg")


UNSEEN = "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u2060\u2063\u202b\u2068\u3164\ufe00\ufe0f\ufeff\U000e0101"


@pytest.mark.parametrize("name", ["Ana Pérez", "Strauß", "@bo.garden", "Οδυσσεύς", "محمد علي", "김 철수", "D'Arcy Ann"])
def test_what_nobody_sees_is_no_part_of_a_name(name: str) -> None:
    for unseen in UNSEEN:
        written = f"{unseen}{name[0]}{unseen}{name[1:-1]}{unseen}{name[-1]}{unseen}"
        for listed, stored in ((name, written), (written, name)):
            outs = OptOuts.of([listed], [])
            for frame in ("{}", "Foto: {}", "© 2020 {}", "{} (CC BY)"):
                assert outs.refusal(frame.format(stored), "a.org"), (unseen, listed, stored, frame)


@pytest.mark.parametrize(
    "author",
    [
        *("Ana Pérez; Luis", "Ana Pérez, Luis Gil", "Luis y Ana Pérez", "© Ana Pérez", "Luis & Ana Pérez"),
        *("<a href='x'>Ana Pérez</a>", "Ana&nbsp;P&eacute;rez", "ana pe\u0301rez"),
    ],
)
def test_who_opted_out_is_found_among_others(author: str) -> None:
    assert OptOuts.of(["Ana Pérez"], []).refusal(author, "a.org")
    assert not OptOuts.of(["Ana"], []).refusal(author, "a.org")


FRAMED = """
(c) {}, some rights reserved (CC BY) | (c) {}, all rights reserved | © 2020 {} | © {} 2020 | © 2019-2021 {} | ©{}
| © 2019–21, {} | Photo by {} | Photo: {} | Foto: {} | Foto:{} | FOTO {} | Foto de {} | Fotografía de {}
| Photograph by {} | Photographer: {} | Photo credit: {} | Photo courtesy of {} | Image © {} | Copyright {}
| Copyright (c) 2020 by {} | copyright {} 2020 | {} (iNaturalist) | {} [Flickr] | {}, 2020 | {} (2020) | {} © | By {}
| Por {} | De {} - Trabajo propio | Autora: {} | Autor: {}. | {} 12/05/2020 | {}, CC BY 4.0 | {} via Flickr
| {} / Flickr | {} — Flickr | "{}" | «{}» | <b>{}</b><br>Luis | Luis<br/>{} | Luis (with {}) | {}\nLuis | {} - Luis
| Luis - {} | {} – Luis | Luis + {} | {} · Luis | Luis • {} | Luis i {} | Luis och {} | Luis、{} | {}；Luis
| Luis con {} y Eva | (c) Luis; {} | Dr. {} | Prof. {} | Foto: {}. Todos los derechos reservados
| All rights reserved by {} | User:{} | {} at Flickr | Luis, Eva y {} | {} et al. | @{}
| {} (CC BY-NC 4.0) | {} et Luis | Luis & {} | Luis; {}; Eva | Author: {} / License: CC0 | © 2020-2021, {}
| {} — all rights reserved |  - {} - 
"""
OTHERS = """
Ana Pérez López | Mariana Pérez | Ana Pérez-Gil | José Ana Pérez | Luis-Ana Pérez | Photo by Ana Pérez Gil | Ana | Pérez
| © 2020 Ana P. | Foto: Luis | Pérez López, Ana | Pérez, Ana María | De Pérez | Ana María Pérez | Ana i Luis Pérez
| (c) Ana, some rights reserved (CC BY) | Ana, Luis, Pérez | AnaPérez | Ana Pérez2 | Ana Pérezová | Ana de Pérez
"""


def test_who_opted_out_is_found_in_every_frame_and_nobody_else_is() -> None:
    outs = OptOuts.of(["Ana Pérez"], [])
    frames = [frame.strip() for line in FRAMED.strip().split("\n|") for frame in line.split(" | ")]
    assert len(frames) > 50
    texts = [
        frame.format(name) for frame in frames for name in ("Ana Pérez", "ANA PÉREZ", "Pérez, Ana", "ana  pe\u0301rez")
    ]
    assert [text for text in texts if outs.refusal(text, "a.org") is None] == []
    assert all(outs.refusal(text, "a.org") for text in ("Luis, Ana Pérez, Eva", "Luis，Ana Pérez", "Ana Pérez, Madrid"))
    others = [other.strip() for line in OTHERS.strip().split("\n|") for other in line.split(" | ")]
    texts = [*others, *(frame.format(other) for frame in frames for other in others[:7])]
    assert [text for text in texts if outs.refusal(text, "a.org") is not None] == []


def test_a_name_in_the_order_of_lists_is_that_name() -> None:
    outs = OptOuts.of(["Pérez, Ana"], [])
    assert outs.refusal("Ana Pérez", "a.org")
    assert outs.refusal("(c) Pérez, Ana; Luis", "a.org")
    assert outs.refusal("Ana", "a.org") is None


@pytest.mark.parametrize(
    "name", ["Ortega y Gasset", "Foto Pérez", "2020 Vision", "De Vries", "Luis y Ana", "Photo, Inc.", "ana_2019"]
)
def test_a_name_that_looks_like_a_frame_is_found_too(name: str) -> None:
    assert OptOuts.of([name], []).refusal(name, "a.org")
    assert OptOuts.of([name], []).refusal(f"© {name}", "a.org")
