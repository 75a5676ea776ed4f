"""Behind a scientific name: notes on a plant are no authors, in any language; surnames that are words are."""

from __future__ import annotations

import pytest

from aplantida.domain.author_words import note_among
from aplantida.domain.ordinary_words import MAYBE_NOTES, NO_AUTHORS, SMALL_WORDS, SURNAMES
from aplantida.domain.taxonomy import normalize_name

NOTES = """
Flower | Seed | Root | Stem | Wild | Common | Oak | Higuera | Encina | Medicinal | Feuille | Fleur | Graine | Racine |
Écorce | Blatt | Frucht | Blüte | Wurzel | Knospe | Blue | Purple | Amarilla | Rojo | Azul | Vermelho | Groc | And |
Fulla | Llavor | Arrel | Semente | Raiz | Caule | Foglie | Radice | Semi | Corteccia | Giardino | Silvestres | Comune |
Dog Rose | Red Oak | Wild Rose | White Rose | Forest Green | Green Ash | Common Sage | Palma Blanca | Roble Blanco |
(Blue) | (Flower) | Flower 2019 | L. Oak | L., Flower | (L.) Mill. Dog Rose | Mill. Flower | L. and | And Mill. |
Mill. & | Hook. f. Seed | Bush Rose | Campo Verde | Twig | Sepals | Greenhouse | Wiesen | Salvaje | Sauvage | Tige |
Eiche | Quercia | Chêne | Salgueiro | Alzina | Muntanya | Fiorita | Gemeine Esche | In Bloom | In Blüte | Close Up |
Gall | Cuttings | Polen | Cotyledons | Invierno | Herbst | Automne | Verão | Giftig | Tóxica | Bonsai | Anual |
Perennial | Madrid | Spain | Top View | Tendrils | de Jardín
"""
AUTHORS = """
Spruce | Rock | Sweet | Hill | Hand | Green | Brown | Flores | Rose | King | Wood | Forest | Blanco | Prince | Little |
H.Wild | H. Wild | A. B. Wild | J.-M. Wild | Wild & Britton | Britton & Wild | Wild ex Engl. | Boiss. ex Wild |
(Rose) Small | Rose & Standl. | Small ex Rose | (Britton & Rose) Britton | Rose, 1903 | Seem. ex Spruce | Petit |
W.J.de Wilde | (W.J.de Wilde) Duyfjes | Duyfjes & J.J.de Wilde | van der Weide | A.von Wiese | J.de la Rosa | Champ. |
Rose & Wild | Wild & Rose | Rose ex Wild | R.Br. ex Champ. | Gall & Engl. | J.F.Gall | W. J. J. O. de Wilde |
Sol. | Sol. ex Herb. | Bell | Moss & G. Flower | L.H. Oak | Rose in Britton | Baum ex Rose | Flores & Prado | L. Rose
"""


def listed(texts: str) -> list[str]:
    return [" ".join(text.split()) for text in texts.split("|")]


@pytest.mark.parametrize("note", listed(NOTES))
def test_a_note_is_no_author_in_small_and_capital_letters(note: str) -> None:
    for text in (f"Rosa canina {note}", f"ROSA CANINA {note.upper()}", f"Quercus ilex subsp. ballota {note}"):
        assert normalize_name(text) is None, text


@pytest.mark.parametrize("authors", listed(AUTHORS))
def test_a_surname_that_is_a_word_is_an_author(authors: str) -> None:
    assert note_among(authors) is None
    assert normalize_name(f"Rosa canina {authors}") == "Rosa canina"


def test_every_word_of_plants_is_a_note_or_a_surname_and_somebody_with_initials() -> None:
    assert len(MAYBE_NOTES) > 1_000
    assert SURNAMES <= MAYBE_NOTES
    assert SURNAMES.isdisjoint(NO_AUTHORS)
    for word in sorted(MAYBE_NOTES - SMALL_WORDS):
        assert (note_among(word.title()) is None) == (word in SURNAMES), word
        assert note_among(f"A.{word.title()}") is None
        assert note_among(f"Engl. & {word.title()}") is None
        assert note_among(f"Engl. {word.title()} {word.title()}") == word.title()
