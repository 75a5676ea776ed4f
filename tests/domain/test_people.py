"""Who is named in what people write as an author: in frames and spellings, and nobody who only looks like it."""

from __future__ import annotations

from itertools import product

import pytest

from aplantida.domain.opt_out import OptOuts
from aplantida.domain.people import name_key, names_in
from aplantida.domain.people_frames import without_frame

FRAMES = """
© {} licensed under CC BY-NC 4.0 | © {} bajo licencia CC BY | {} published under CC0
| Foto d'{} | Photo d’{} | Fotografia d'{} | Foto: {}. Jardín Botánico de Madrid | Photo by {}. Taken in Kew Gardens
| Cortesía de {} | Cedida por {} | Observation by {} | Aufnahme von {} | Own work by {}
| Gentileza de {} | Obra propia de {} | archivo fotográfico de {} | Realizada por {} | Capturée par {} | Pujada per {}
| Fotoaufnahme von {}
| hochgeladen von {} | Pictures taken and kindly provided by {} | {} www.flora.es | {} ana@x.org | {} flora.es
| {} https://flora.es/ana?x=1 | {} (ana@x.org) | iNaturalist user {} | Flickr User {} | usuario {} | Pl@ntNet member {}
| {} May 2019 | {} 3 May 2019 | {} mayo de 2019 | {} 12 de mayo de 2019 | {}, May 3, 2019 | © {} Sept. 2020
| {} unter CC BY-SA 3.0 | Imagen cortesía de {} | Uploaded to Flickr by {}
| {} @anaperez | Observado por {} el 12 de mayo de 2019 | {}'s photo | With thanks to {} | {} ✿ | 📷 {}
| Fotografiado por {} en Madrid | Recolectado por {} | Image by {} from Pixabay | Foto：{} | Gracias a {}
| Photo credit to {} | Foto van {} | Aufgenommen von {} | Fotografiert von {} | Eigenes Werk von {} | Cliché de {}
| Scatto di {} | Creative Commons {} | Don {} | Herr {} | → {} | ¡{}! | archivo fotográfico de {} | Imágenes de {}
| Archivio fotografico di {} | bearbeitet von {} | compartido de {} | Foto gemaakt door: {} | Mme {} | ● {}
| Mit freundlicher Genehmigung von {} | con permiso de {} | Dr. {} | Prof. Dr. {}
"""
FULL = ("Ana Pérez", "ANA PEREZ", "Ana Perez", "ANA PÉREZ")


def framed(texts: str) -> list[str]:
    return [" ".join(text.split()) for text in texts.split("|")]


def is_out(listed: str, author: str) -> bool:
    return OptOuts.of([listed], []).refusal(author, "a.org") is not None


@pytest.mark.parametrize("frame", framed(FRAMES))
def test_a_name_is_found_in_every_frame_and_no_longer_one_is(frame: str) -> None:
    assert [name for name in FULL if not is_out("Ana Pérez", frame.format(name))] == []
    for other in ("Ana Pérez López", "María Ana Pérez", "Mariana Pérez", "Ana de Pérez", "Luis Gil"):
        assert not is_out("Ana Pérez", frame.format(other)), other


@pytest.mark.parametrize(
    "spellings",
    [
        ("Ana Pérez", "ANA PEREZ", "ana perez", "Ana Pe\u0301rez", "Aña  Pérez"),
        ("Robert O’Brien", "Robert O'Brien", "ROBERT Oʼ\u200bBrien", "Robert O´Brien", "Robert O`Brien"),
        (
            "Jean-Luc Gil",
            "Jean\u2011Luc Gil",
            "Jean\u2010Luc Gil",
            "Jean\u2013Luc Gil",
            "JEAN\u2212LUC GIL",
            "Jean Luc Gil",
            "Jean-Luc_Gil",
        ),
        ("J.M. García", "J. M. García", "J. M. Garcia", "J M García", "j.m.garcía"),
        ("Łukasz Bøgh", "Lukasz Bogh", "ŁUKASZ BØGH"),
    ],
)
def test_a_name_has_one_key_in_all_its_spellings(spellings: tuple[str, ...]) -> None:
    assert {name_key(spelling) for spelling in spellings} == {name_key(spellings[0])}
    for listed, written in product(spellings, spellings):
        assert is_out(listed, f"© {written}")
        assert is_out(listed, f"Foto de {written}, 2019")


@pytest.mark.parametrize(("one", "other"), [("Ana Pérez", "Ana Pires"), ("J. M. Gil", "J. N. Gil"), ("Иван", "Йозеф")])
def test_other_names_have_other_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize(
    "listed",
    [
        *("© Ana Pérez", "(c) 2020 Ana Pérez", "Foto: Ana Pérez", "Photo by Ana Pérez", "Cortesía de Ana Pérez"),
        *(
            "(c) Ana Pérez, some rights reserved (CC BY)",
            "Foto: Pérez, Ana",
            "Ana Pérez (CC BY 4.0)",
            "© Ana Pérez 2019",
        ),
        *("by Ana Pérez", "Ana Pérez ana@x.org", "iNaturalist user Ana Pérez"),
        *(
            "Ana Pérez 2019",
            "Ana Pérez, 2019-2021",
            "Dr. Ana Pérez",
            "Foto Ana Pérez",
            "Prof. Dr. Ana Pérez",
            "Doña Ana Pérez",
        ),
    ],
)
def test_who_is_listed_with_a_frame_is_meant_without_it(listed: str) -> None:
    for author in ("Ana Pérez", "Foto: Ana Perez", listed):
        assert is_out(listed, author)
    for other in ("Ana", "Pérez", "Foto", "Luis Gil", "Foto: Luis Gil", "2019"):
        assert not is_out(listed, other)


def test_a_listed_name_that_looks_like_a_frame_is_that_name_alone() -> None:
    for listed, other in (
        ("Foto Pérez", "Pérez"),
        ("2020 Vision", "Vision"),
        ("De Vries", "Vries"),
        ("Ana y Eva", "Eva"),
    ):
        assert is_out(listed, f"© {listed}")
        assert not is_out(listed, other)


SEVERAL = """
Ana Pérez; Luis Gil | Ana Pérez (Madrid) | Ana Pérez & Luis Gil | Ana Pérez [Kew] | © Ana Pérez © Luis Gil |
Ana Pérez + Luis Gil | Ana Pérez / Luis Gil Sol | Foto: Ana Pérez; Madrid
"""


@pytest.mark.parametrize("listed", [*framed(SEVERAL), "Ana Pérez | Kew", "Ana Pérez\nLuis Gil"])
def test_several_names_cannot_be_listed_as_one(listed: str) -> None:
    with pytest.raises(ValueError, match="list one name an entry"):
        OptOuts.of([listed], [])


@pytest.mark.parametrize(
    "listed",
    [
        *("Smith & Wesson Photography", "Foto Pérez & Hijos", "Ana y Eva", "Vision 2020", "Pérez, Ana"),
        *("Jardín Botánico / CSIC", "Ana+Luis", "Herr Sol", "José Ortega y Gasset"),
    ],
)
def test_a_name_of_several_words_is_listed_as_it_is(listed: str) -> None:
    assert is_out(listed, listed)
    assert is_out(listed, f"Foto: {listed}")


@pytest.mark.parametrize("place", ["jardín de", "In memory of", "casa de", "finca de", "calle de", "Parque de"])
def test_whose_a_place_is_took_no_photo(place: str) -> None:
    assert not is_out("Luis Gil", f"{place} Luis Gil")


@pytest.mark.parametrize("listed", ["©", "(c) 2020", "some rights reserved", "(CC BY 4.0)"])
def test_what_names_nobody_cannot_be_listed(listed: str) -> None:
    with pytest.raises(ValueError, match="an author without a name"):
        OptOuts.of([listed], [])


@pytest.mark.parametrize(
    ("listed", "author"),
    [
        *(("Costa", "Ana E Costa"), ("Kowalski", "Jan I Kowalski"), ("Gil", "© Ana Y Gil"), ("Costa", "ANA E COSTA")),
        *(("Wang", "Li En Wang"), ("Gil", "Ana Bajo Gil"), ("Ana", "Pérez, Ana"), ("Pérez", "Pérez, Ana")),
        *(("Ana", "(c) Pérez, Ana; Luis"), ("Pérez", "Photo by Pérez, Ana"), ("Pérez", "Foto: Pérez, Ana María")),
        *(("Ana", "Pérez, Ana 2019"), ("Luis Gil", "Maria Luis Gil"), ("Ana", "María de Ana"), ("Ana", "Ana María")),
        *(("Luis Gil", "María de Luis Gil"), ("Luis Gil", "Juan de los Luis Gil"), ("Brown", "Thos. Brown")),
        *(("Svensson", "Per Svensson"), ("Dios Ruiz", "Juan de Dios Ruiz"), ("ana", "https://flickr.com/photos/ana")),
    ],
)
def test_who_did_not_opt_out_is_not_taken_for_one_who_did(listed: str, author: str) -> None:
    assert not is_out(listed, author)


@pytest.mark.parametrize(
    ("listed", "author"),
    [
        *(("Ana", "Ana, Luis y Eva"), ("Ana", "Luis; Ana"), ("Luis Gil", "ANA Y LUIS GIL"), ("Ana", "Ana y Luis")),
        *(("ana9", "ana9, Madrid"), ("ana", "© ana, uploaded by ana"), ("Ana", "Foto: Ana. Madrid"), ("Ana", "by Ana")),
        *(("Luis Gil", "Ana Pérez, Luis Gil"), ("Pérez, Ana", "Ana Perez"), ("ana@x.org", "Foto: ana@x.org")),
    ],
)
def test_who_opted_out_is_found_by_one_word_and_among_others(listed: str, author: str) -> None:
    assert is_out(listed, author)


LIKE_A_MONTH = """
Marín Marcos Márquez Mayo Sepúlveda Janssen Mayer Decker Novak Augustin Julià Desmond May Marsh Aprile Setién Octavio
Genovés Abreu Junquera Julien Agosti Outeiro Ottaviani Dictinio Eneas Febrer
"""


@pytest.mark.parametrize("surname", LIKE_A_MONTH.split())
def test_a_surname_that_begins_like_a_month_stays_before_a_year(surname: str) -> None:
    for frame in ("{} 2019", "{}, 2019", "© {} 2019-2021", "{} de 2019", "Foto: {} 2020"):
        assert is_out(f"Ana {surname}", frame.format(f"Ana {surname}")), frame
        assert not is_out(f"Ana {surname}", frame.format(f"Ana {surname} Gil")), frame


@pytest.mark.parametrize(
    "month", ["may", "agosto", "sept.", "Okt.", "avril", "maig", "dicembre", "févr.", "März", "juny"]
)
def test_a_month_before_a_year_is_no_part_of_a_name(month: str) -> None:
    for frame in ("{} {} 2019", "{} 3 {} 2019", "{} {} de 2019"):
        assert is_out("Ana Pérez", frame.format("Ana Pérez", month)), frame


@pytest.mark.parametrize("word", ["Y", "E", "I", "EN", "Et", "Og", "y", "e", "i", "And", "Con"])
def test_a_capital_between_two_whole_names_is_no_initial(word: str) -> None:
    for text in (f"Ana Pérez {word} Luis Gil", f"Ana Pérez, Eva Sol {word} Luis Gil", f"Foto: Eva Sol {word} Luis Gil"):
        assert is_out("Luis Gil", text)
        assert not is_out("Luis", text)


def test_a_long_list_of_people_is_read_whole() -> None:
    text = "; ".join([*(f"Maria Puig {number}" for number in range(300)), "Eva Sol"])
    assert is_out("Eva Sol", text)


def test_a_long_text_is_read_as_far_as_authors_stand() -> None:
    text = "Ana Pérez; " + "Luis y Eva, Gil. Mar; by Sol " * 100_000
    assert "ana perez" in names_in(text)
    assert len(names_in(text)) < 200
    assert "ana perez" in names_in("<a href='" + "x" * 3_000 + "'>Ana Pérez</a>")


@pytest.mark.parametrize(
    "piece", ["Foto de ", "- ", "by ", ", ", "x", "of the ", "d'", "Cortesía de ", "A. ", "May 2019 "]
)
def test_no_text_costs_more_than_its_length(piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    assert len(names_in(text)) < 200
    assert without_frame(text) == text
    assert name_key(text)
    assert len(without_frame(text[:1_000])) <= 1_000
