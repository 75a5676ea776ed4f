"""Chains of ranks, odd signs and authors are read; a plant and what it is called or like is no name."""

from __future__ import annotations

from itertools import product

import pytest

from aplantida.domain.taxonomy import normalize_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Pinus nigra subsp. salzmannii var. corsicana", "Pinus nigra var. corsicana"),
        ("Pinus nigra J.F.Arnold subsp. salzmannii (Dunal) Franco var. alba Hyl.", "Pinus nigra var. alba"),
        ("Thymus vulgaris L. ssp. vulgaris var. vulgaris", "Thymus vulgaris var. vulgaris"),
        ("Rosa canina L. subsp. alba var. nigra f. minor", "Rosa canina f. minor"),
        ("Rosa canina var. alba f. minor", "Rosa canina f. minor"),
        ("Opuntia ficus\u2011indica (L.) Mill.", "Opuntia ficus-indica"),
        ("Robinia pseudo\u2010acacia", "Robinia pseudoacacia"),
        ("Erodium cicutarium (L.) L`Hér.", "Erodium cicutarium"),
        ("Erodium cicutarium (L.) L\u00b4Hér.", "Erodium cicutarium"),
        ("Selaginella denticulata (L.) Spring", "Selaginella denticulata"),
        ("Senegalia senegal (L.) Britton", "Senegalia senegal"),
        ("Polytrichum commune Hedw.", "Polytrichum commune"),
    ],
)
def test_ranks_signs_and_authors(text: str, name: str) -> None:
    assert normalize_name(text) == name


PLANTS = ("rosa", "iris", "salvia", "malva", "viola", "aloe")
LIKENESS = """
barata bonitinha marchita ecologica doble simple invernal veraniega otonal clasica moderna antigua mixta macro borrosa
favorita ultima mini maxi super extra lejana cercana enferma sana artificial rural local regional nacional mundial
oficial original imperial oriental comune mosqueta
"""


def test_no_plant_and_what_it_is_like_is_a_name() -> None:
    texts = [f"{plant} {like}" for plant, like in product(PLANTS, LIKENESS.split())]
    assert [text for text in texts if normalize_name(text)] == []


PHRASES = """
cactus bola | saule blanc | gui blanc | estepa borrera | hola mundo | tabla mesa | fuente clara | mariposa monarca |
barcelona centro | persona alta | sombra parcial | ancolie commune | ronce commune | callune commune | vigne vierge |
liseron blanc | lamier pourpre | digitale pourpre | campanule raiponce | arnica montagnard | absinthe commune |
roter ahorn | gemeine kiefer | schwarze pappel | wilde malve | echter salbei | gelber enzian | gemeiner efeu |
rosa borda | lliri blanc | viola boscana | genziana blu | palmeira imperial | colza oriental | fritillaria imperial
"""


@pytest.mark.parametrize("text", [" ".join(text.split()) for text in PHRASES.split("|")])
def test_common_names_in_the_neighbours_languages_are_no_names(text: str) -> None:
    assert [case for case in (text, text.capitalize(), text.upper(), text.title()) if normalize_name(case)] == []
