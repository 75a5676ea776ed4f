from __future__ import annotations

import json
import random
from itertools import product

import pytest

from aplantida.domain.latin_words import fold_word
from aplantida.domain.scientific_names import NotAName, read_scientific
from aplantida.domain.taxonomy import NameReader, Naming, normalize_name
from aplantida.pipeline.config import CHECKOUT

COLLECTION = CHECKOUT.parent / "shared/collection/plants.jsonl"
NO_NAMES = (CHECKOUT / "tests/fixtures/no_names.txt").read_text(encoding="utf-8").splitlines()

# with endings that are rare in Latin, words that are ordinary ones elsewhere, and small words
SPECIES = """
Quercus ilex; Rosa canina; Papaver rhoeas; Zea mays; Cornus mas; Acer negundo; Aloe vera; Allium cepa; Dracaena draco;
Nelumbo nucifera; Schinus molle; Malus domestica; Olea europaea; Smilax china; Erythroxylum coca; Carica papaya;
Lilium grande; Origanum vulgare; Gymnema sylvestre; Pithecellobium dulce; Cucumis melo; Cucurbita pepo; Panax ginseng;
Ipomoea nil; Melia azedarach; Sesbania sesban; Albizia julibrissin; Albizia lebbeck; Albizia saman; Sabal palmetto;
Ginkgo biloba; Calypso bulbosa; Aa paleacea; Io ambondrombeensis; Agrostis castellana; Dactylorhiza romana;
Argemone mexicana; Jacobaea cineraria; Fridericia chica; Polytrichum commune; Camelina sativa; Valeriana officinalis;
Cicuta virosa; Wisteria sinensis; Dalbergia sissoo; Quercus frainetto; Pereskia bleo; Pinus mugo; Arbutus unedo;
Viburnum lentago; Theobroma cacao; Prunus mahaleb; Diospyros kaki; Nageia nagi; Prunus mume; Thlaspi arvense;
Muscari comosum; Manihot esculenta; Hippeastrum reginae; Cornus florida; Rhododendron viscosum; Vicia faba;
Quercus suber; Cistus ladanifer; Atropa baetica; Ononis natrix; Cynodon dactylon; Ranunculus ficaria; Plantago major;
Galium aparine; Mercurialis annua; Sorbus aria; Vitis vinifera; Bryonia dioica; Eucalyptus globulus; Yucca gloriosa;
Ficus carica; Pera arborea; Mora excelsa; Genista florida; Stapelia grandiflora; Viola tricolor; Linum usitatissimum;
Isoetes lacustris; Cuminum cyminum; Nuphar lutea; Liquidambar styraciflua; Cyclamen repandum; Ulex parviflorus;
Tamarix gallica; Erica arborea; Phoenix dactylifera; Medicago sativa; Plumbago europaea; Solidago virgaurea;
Hedera helix; Ebenopsis ebano; Tipuana tipu; Acacia caven; Sisymbrium irio; Taraxacum kok-saghyz; Peganum harmala;
Secale cereale; Schinus areira; Neltuma alpataco; Vachellia aroma; Betula uber; Quercus wislizeni; Simmondsia chinensis;
Mandragora officinarum; Erythrina crista-galli; Argentina anserina; California macrophylla
"""
BINOMIALS = [name.strip() for name in SPECIES.replace("\n", " ").split(";")]
AUTHORS = (
    *(
        "",
        "L.",
        "Mill.",
        "(L.) Mill.",
        "L. f.",
        "L.fil.",
        "Hook. f. & Thomson",
        "(Hoffm.) Benth. & Hook. f. ex Franch. & Sav.",
    ),
    *(
        "Boiss. et Reut.",
        "Boiss. et al.",
        "DC. in Lam. & DC.",
        "(Desf.) d'Urv.",
        "L'Hér. ex Aiton",
        "A.St.-Hil.",
        "van der Hoeven",
    ),
    *(
        "O.Bolòs & Vigo",
        "(M. Laínz) Rivas Mart. & Prada",
        "de Vries",
        "hort. ex Dippel",
        "Linnaeus",
        "L., 1753",
        "L. 1753",
    ),
    *(
        "(Dunal) D.M.Spooner, G.J.Anderson & R.K.Jansen",
        "Müll.Arg.",
        "C. B. Clarke",
        "'t Hart & Bleij",
        "B. Øllg.",
        "Sch.Bip.",
    ),
)
BELOW = (
    ("subsp. ballota", "subsp. ballota"),
    ("ssp. ballota", "subsp. ballota"),
    ("ssp ballota", "subsp. ballota"),
    ("Subsp. ballota", "subsp. ballota"),
    ("var. alba", "var. alba"),
    ("var alba", "var. alba"),
    ("f. alba", "f. alba"),
    ("forma alba", "f. alba"),
    ("fo. alba", "f. alba"),
)


def read(text: str) -> str:
    return str(read_scientific(text))


@pytest.mark.parametrize("authors", AUTHORS)
def test_species_with_authors(authors: str) -> None:
    for name in BINOMIALS:
        assert read(f"{name} {authors}") == name


@pytest.mark.parametrize(("written", "below"), BELOW)
def test_ranks_with_and_without_authors_on_either_side(written: str, below: str) -> None:
    for name, before, after in product(BINOMIALS[:12], ("", "L.", "(Hook. f.) DC."), ("", "Mill.", "(Desf.) Hook. f.")):
        text = f"{name} {before} {written} {after}"
        assert read(text) == f"{name} {below}"
        assert read_scientific(text).species == name


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.lower,
        str.title,
        lambda text: f"  {text.replace(' ', '   ')}\t",
        lambda text: text.replace(" ", "\u00a0"),
        lambda text: text.replace(" ", "\u2009\n"),
        lambda text: text.replace(" ", "_"),
        lambda text: text.replace(" ", " \u200b"),
        lambda text: f"\ufeff{text}",
        lambda text: f"<i>{text}</i>",
        lambda text: f'"{text}"',
        lambda text: f"{text},",
        lambda text: text.partition(" ")[0].upper() + " " + text.partition(" ")[2],
    ],
)
def test_case_and_separators(change: object) -> None:
    assert callable(change)
    for name in (
        "Cardamine californica",
        "Rosa canina",
        "Malus domestica",
        "Viola odorata",
        "Quercus faginea",
        "Galium verum",
    ):
        assert read(change(name)) == name


def test_names_in_capitals_keep_ranks_and_lose_authors() -> None:
    assert read("QUERCUS ILEX SUBSP. BALLOTA (DESF.) SAMP.") == "Quercus ilex subsp. ballota"
    assert read("QUERCUS ILEX F. MINOR") == "Quercus ilex f. minor"
    assert read("EUCALYPTUS GLOBULUS F. MUELL.") == "Eucalyptus globulus"
    angelica = read_scientific("ANGELICA DAHURICA (HOFFM.) BENTH. & HOOK. F. EX FRANCH. & SAV.")
    assert (str(angelica), angelica.authors) == ("Angelica dahurica", "(Hoffm.) Benth. & Hook.f. ex Franch. & Sav.")


@pytest.mark.parametrize("sign", ["x ", "X ", "× ", "×", "✕ ", "&times; ", "\u00d7\u00a0"])
def test_nothospecies_are_species(sign: str) -> None:
    for genus, epithet in (("Mentha", "piperita"), ("Platanus", "hispanica"), ("Fragaria", "ananassa")):
        for authors in ("", "L.", "Mill. ex Münchh."):
            assert read(f"{genus} {sign}{epithet} {authors}") == f"{genus} × {epithet}"
    assert read(f"{sign}Cuprocyparis leylandii") == "× Cuprocyparis leylandii"
    assert read("Mentha xpiperita") == "Mentha × piperita"
    assert read("Mentha × piperita nothosubsp. citrata (Ehrh.) Briq.") == "Mentha × piperita nothosubsp. citrata"


@pytest.mark.parametrize(
    "spellings",
    [
        ("Isoetes lacustris", "Isoëtes lacustris", "Isoe\u0308tes lacustris", "ISOËTES LACUSTRIS"),
        ("Eucalyptus coelum", "Eucalyptus cœlum", "Eucalyptus CŒLUM"),
        ("Aster novae-angliae", "Aster novaeangliae", "Aster novae angliae", "Aster novæ-angliæ L."),
        ("Oxalis pes-caprae", "Oxalis pescaprae", "Oxalis pes caprae L."),
        ("Hibiscus rosa-sinensis", "Hibiscus rosa sinensis L."),
        ("Grevillea muelleri", "Grevillea mülleri"),
        ("Orobanche alsatica", "Orobanche al-satica"),
        ("Danae racemosa", "Danaë racemosa", "Danæ racemosa"),
        ("Cooperia zoophila", "Coöperia zoöphila"),
    ],
)
def test_diaeresis_ligature_and_hyphen_make_no_other_class(spellings: tuple[str, ...]) -> None:
    assert {read(spelling) for spelling in spellings} == {spellings[0]}
    assert {fold_word(fold_word(word)) for text in spellings for word in text.split()} == {
        fold_word(word) for text in spellings for word in text.split()
    }


def test_a_read_name_is_read_as_itself() -> None:
    signs = ("Mentha × piperita", "× Cuprocyparis leylandii", "Salix × fragilis nothovar. russelliana")
    for name in (*BINOMIALS, *signs, "Quercus ilex subsp. ballota", "Viola tricolor f. alba"):
        assert normalize_name(name) == name


def test_what_is_no_name() -> None:
    assert len(set(NO_NAMES)) > 900
    assert [text for text in NO_NAMES if normalize_name(text)] == []


def test_phrases_of_a_plant_and_what_it_is_like_are_no_names() -> None:
    plants = "planta flor hierba árbol arbusto seta margarita amapola jara palmera encina clavel lirio rosal"
    plants += " Rosa Malva Salvia Retama"
    likes = "amarilla blanca roja azul silvestre común grande pequeña desconocida joven seca trepadora de_jardín"
    likes += " sin_nombre"
    composed = [f"{plant} {like.replace('_', ' ')}" for plant, like in product(plants.split(), likes.split())]
    plants = "plant flower tree grass moss Rosa Iris Acacia wild_rose oak"
    likes = "unknown yellow in_the_garden with_red_leaves not_identified common leaf tree"
    composed += [f"{plant} {like}".replace("_", " ") for plant, like in product(plants.split(), likes.split())]
    assert len(composed) >= 200
    accepted = [text for text in composed for text in (text, text.upper(), text.title()) if normalize_name(text)]
    assert accepted == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Rosa", "no species is named"),
        ("Juncus effusus × inflexus", "a formula of hybrids"),
        ("Rosa cf canina", "qualified: cf."),
        ("Rosa canina 'Peace'", "a cultivar"),
        ("Rosa canina agg.", "an aggregate of species"),
        ("Papaver rhoeas strigosum", "a third word without its rank"),
        ("Rosalind silvestris", "'Rosalind' does not end like a genus"),
        ("Rosa silvestre", "'silvestre' does not agree with 'Rosa'"),
        ("Flor amarilla", "'flor' is an ordinary word"),
        ("Diente de león", "reads as 'Diente deleón'"),
        ("Rosa canina " + "x" * 600, "too long for a name"),
    ],
)
def test_it_says_why(text: str, why: str) -> None:
    with pytest.raises(NotAName) as raised:
        read_scientific(text)
    assert str(raised.value) == why


def test_no_text_raises_anything_else() -> None:
    draw = random.Random(20261126)
    text = (
        "Rosa canina L. × subsp. var. f. (Mill.) & ex 'P' cf. ? * \ud800 Isoëtes ROSA 1753 <i> &amp; ; ŉ ǆ Ω 玫瑰 \x00"
    )
    parts = text.split(" ")
    for _ in range(1500):
        text = " ".join(draw.choice(parts) for _ in range(draw.randint(0, 7)))
        at = draw.randint(0, len(text))
        name = normalize_name(text[:at] + chr(draw.randrange(draw.choice((128, 0x250, 0x110000)))) + text[at:])
        assert name is None or normalize_name(name) == name


@pytest.mark.shared
@pytest.mark.skipif(not COLLECTION.is_file(), reason=f"SKIPPED LOUDLY: no {COLLECTION}; its names were not read")
def test_of_a_real_collection_the_scientific_names_are_read_and_the_garden_names_are_not() -> None:
    names = [json.loads(line).get("scientificName") for line in COLLECTION.read_text(encoding="utf-8").splitlines()]
    scientific = [name for name in names if name and name[0].isupper()]
    without_rank = [name for name in scientific if len(name.split()) == 3]
    assert (len(scientific), len(without_rank)) == (54, 1)
    for name in scientific:
        assert normalize_name(name) == (None if name in without_rank else name.strip().capitalize()), name
    garden = [name for name in names if name and name[0].islower()]
    assert len(garden) == 102
    assert len([name for name in garden if normalize_name(name)]) == 1  # which is a scientific name in small letters


@pytest.mark.parametrize("word", ["Cf.", "Aff.", "Sp.", "Ssp.", "Var.", "Dudosa", "Hoja", "Planta", "Hybrid", "Nomen"])
def test_words_and_qualifiers_are_no_authors_however_they_are_written(word: str) -> None:
    with pytest.raises(NotAName):
        read_scientific(f"Rosa canina {word}")


@pytest.mark.parametrize("sign", ["x", "X", "×", "x ", "X "])
def test_the_sign_of_a_hybrid_genus_is_apart_however_it_is_glued(sign: str) -> None:
    assert str(read_scientific(f"{sign}Cupressocyparis leylandii")) == "× Cupressocyparis leylandii"


@pytest.mark.parametrize("text", ["Citrus limon (L.) Osbeck", "Citrus × limon", "Cola nitida (Vent.) Schott & Endl."])
def test_words_of_every_day_that_are_latin_too_are_names_where_they_stand_right(text: str) -> None:
    name = NameReader(Naming(), {}).read(text).name
    assert name is not None
    assert text.startswith(name)


SURNAMES = """
Gray Green Brown White Black Bush Small King Forest Stone Rojas Flores Palma Parra Bravo Linden Young Moss Reed Rush
Bell Ball Monte Prado Ramos Luna Weiss Baum Blume Laurel Lobo Chico Rose Sage Ash Elder Berry Branch Field Garden
Greene Hill Wood Lake Rivers Snow Winter Summer Day Long Short Little Rich Hand Foot Head Bird Fox Wolf Crow Wheat Rice
Bean Pepper Park Heath Rock Rio Campo Campos Olivo Romero Pino Castaño Oliveira Cruz Santos Rey Costa Villa Lozano
Record How Hay Nel You Tan Das Mas Fiori Klein Roth Gross Blanco Verde Rosa Delgado Machado Leal Calvo Rubio Franco
Silvestre Seco Maduro Plante Foglia Cortada Sans Mai Sur Wie
"""


def test_that_a_surname_is_a_word_is_nothing_against_an_author() -> None:
    texts = [f"Rosa canina {name}" for name in SURNAMES.split()]
    texts += [f"Rosa canina {first}{name}" for name in SURNAMES.split() for first in ("A.", "S.L.", "J. ")]
    texts += [f"Rosa canina (Engelm.) Britton & {name}" for name in SURNAMES.split()]
    texts += ["Astragalus welshii S.L.Welsh", "Rosa canina Nutt. ex With.", "Rosa canina Sol. ex Herb."]
    texts += ["Rosa canina Des Moul.", "Rosa canina Dalla Torre & Sarnth.", "Rosa canina Den Hartog"]
    assert len(SURNAMES.split()) >= 60
    assert [text for text in texts if normalize_name(text) != " ".join(text.split()[:2])] == []
