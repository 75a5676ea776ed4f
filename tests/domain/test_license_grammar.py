"""Licence texts composed by rule: none that holds NC, ND or a limit in any spelling passes; what people write does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle, product

import pytest
from bson import json_util

from aplantida.domain.license_reader import read_license
from aplantida.domain.licensing import LicensePolicy, is_license_id, normalize_license
from aplantida.pipeline.config import CHECKOUT
from tests.fixtures.deeds import DEEDS, OF_THE_GRAMMAR

POLICY = LicensePolicy()
COLLECTION = CHECKOUT.parent / "shared" / "collection"
FREE = (
    "CC BY 4.0",
    "cc-by",
    "CC BY-SA 3.0",
    "CC BY 3.0 ES",
    "CC0",
    "public domain",
    "no rights reserved",
    "https://creativecommons.org/licenses/by/4.0/",
    "http://creativecommons.org/licenses/by/4.0/deed.es",
    "creativecommons.org/publicdomain/zero/1.0",
    "Creative Commons Attribution 4.0 International",
    "Reconocimiento 4.0 Internacional",
    "Namensnennung 3.0 Deutschland",
    "Attribution-ShareAlike 4.0",
    "(c) Ana Pérez, some rights reserved (CC BY)",
    "© 2019 Juan Pérez, CC BY 4.0",
    "Juan Pérez, CC BY-SA 4.0, via Wikimedia Commons",
    "This work is licensed under a Creative Commons Attribution 4.0 International License.",
    "GFDL or CC BY-SA 3.0",
)
OPEN_ENDS = ("CC BY 4.0 by", "CC BY via", "CC BY 4.0 ©", "CC BY 4.0, foto:", "CC0, author:", "CC BY 4.0 uploaded by")
LIMITS = """
NC | ND | NC-ND | NC ND | N.C. | N C | n/c | N-D | NCND | BY-NC | by-nc-nd | NC 4.0 | CC BY-NC | CC-BY-ND 4.0 | -NC-
| NonCommercial | Non-Commercial | non commercial | noncommercial use only | NonComm | non-com | no commercial use |
not for commercial use | commercial: no | commercial=false | nonprofit | non-profit | No Comercial | NoComercial |
uso no comercial | sin fines comerciales | sin ánimo de lucro | no lucrativo | prohibida la venta | No Vender |
NãoComercial | uso não comercial | sem fins lucrativos | non commerciale | uso non commerciale | Nicht-kommerziell |
nicht kommerziell | keine kommerzielle Nutzung | pas d'utilisation commerciale | PasDUtilisationCommerciale | sense
ús comercial | NietCommercieel | IckeKommersiell | EiKaupallinen | Użycie niekomercyjne | GayriTicari |
IkkeKommerciel | Nem Kereskedelmi | Mitteäriline | BukanKomersial | Некомерсиално | Türetilemez | Nezpracovávejte |
Bez Prerada | Без прерада | TanpaTurunan | Tuletatud Teoste Keeld | ไม่ดัดแปลง |
EzKomertziala | No Derivatives | NoDerivs | no derivative works | Sin Derivadas | SinObraDerivada | sin obras
derivadas | Sense Obra Derivada | sem derivações | SemDerivados | pas de modification | Pas De Modification | keine
Bearbeitung | KeineBearbeitungen | non opere derivate | Non Opere Derivate | GeenAfgeleideWerken | no modifications
| without changes | Unmodified Only | Некоммерческая | Без производных | ΜηΕμπορική | 非営利 | 非商业性使用 | 禁止演绎 |
비영리 | 변경금지 | غير تجاري | uso docente | Uso Docente | solo educación | Educational Use | personal use only |
Uso Personal | private | Editorial Use | Research Only | no AI training | all rights reserved |
Todos Los Derechos Reservados | with permission | Previa Autorización |
see website | See Terms | conditions apply | ask first | Ask Before Use | Pregunte Antes |
Consultar Primero | Escriba Antes | Bitte Vorher Fragen | Restricted |
prohibido | ⊜ | $ | ? | * | 🅭🅯🄏 | 5.0 | https://creativecommons.org/licenses/by-nc/4.0/ |
https://creativecommons.org/licenses/by-nd/3.0/es/ | http://rightsstatements.org/vocab/NoC-NC/1.0/ |
https://example.org/non-commercial | https://example.org/terms.html
"""
SEPARATORS = (
    *(" ", ", ", ",", "; ", ";", " / ", "/", " | ", " - ", "-", " \u2013 ", "\u2014", ". ", ": ", "_", "+", " & "),
    *("\n", "\r\n", "\u00a0", "\u2028"),
)
BRACKETS = ("()", "[]", "{}", "<>", "\u00ab\u00bb", '""', "\u2018\u2019")
HIDDEN = ("\u00ad", "\u200b", "\u200d", "\ufeff", "\u2060", "\u0301", "\ufe0f")
LIKE = str.maketrans("aceopxyACEOPXTHKM", "асеорхуАСЕОРХТНКМ")  # Latin letters to the Cyrillic ones that look like them
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
BOLD = {code: 0x1D400 + code - 65 for code in range(65, 91)} | {code: 0x1D41A + code - 97 for code in range(97, 123)}
SMALL = str.maketrans("abcdenomr", "ᴀʙᴄᴅᴇɴᴏᴍʀ")


def listed(texts: str) -> list[str]:
    return [" ".join(text.split()) for text in texts.split("|")]


def limits() -> list[str]:
    return listed(LIMITS)


def disguises(text: str) -> Iterator[str]:
    """The text in other letters that look like its own, or with invisible characters inside."""
    yield from (text.translate(table) for table in (LIKE, WIDE, BOLD, SMALL))
    yield from (hidden.join(text) for hidden in HIDDEN)
    yield text.replace("-", "\u2011").replace(" ", "\u2003")
    yield text.casefold().replace("i", "ı")
    yield text.replace("o", "0").replace("e", "3")


def passes(text: str | None) -> bool:
    return POLICY.refusal(normalize_license(text)) is None


def placed(free: str, limit: str) -> Iterator[str]:
    """Both, in either order, between every separator and in all brackets, and one inside the other."""
    for separator in SEPARATORS:
        yield f"{free}{separator}{limit}"
        yield f"{limit}{separator}{free}"
    words = free.split(" ")
    for place in range(1, len(words)):
        yield " ".join((*words[:place], limit, *words[place:]))
    for left, right in BRACKETS:
        yield f"{free} {left}{limit}{right}"
        yield f"{left}{limit}{right}{free}"


def test_the_free_texts_pass_by_themselves() -> None:
    assert [text for text in (*FREE, *OPEN_ENDS) if not passes(text)] == []
    assert [text for text in limits() if passes(text)] == []


def test_no_limit_passes_wherever_it_stands() -> None:
    drawn = random.Random(17)
    texts = [
        change(text)
        for free, limit in product((*FREE, *OPEN_ENDS), limits())
        for text in drawn.sample(list(placed(free, limit)), 4)
        for change in drawn.sample((str, str.upper, str.lower, str.title, str.swapcase), 1)
    ]
    assert len(texts) > 10_000
    assert [text for text in texts if passes(text)] == []


def test_no_limit_passes_in_disguise() -> None:
    drawn = random.Random(17)
    texts = [
        f"{free}{separator}{disguised}"
        for free, limit in product((*FREE[::6], *OPEN_ENDS[:3]), limits())
        for disguised in disguises(limit)
        for separator in drawn.sample(SEPARATORS, 1)
    ]
    assert len(texts) > 5_000
    assert [text for text in texts if passes(text)] == []


def test_no_two_licences_that_contradict_each_other_are_read() -> None:
    """Whatever is between them; of one licence in two spellings, the one that says more."""
    texts = {name: [name.replace("-", " "), name.lower(), address(name)] for name in COMMONS}
    for (one, first), (other, second) in product(texts.items(), texts.items()):
        for left, right, separator in product(first, second, (" ", ",", "; ", " / ", " or ", "\n", " - ")):
            read = normalize_license(f"{left}{separator}{right}")
            assert read == (one if one == other else None), (left, separator, right)


COMMONS = [f"CC-{code}-{version}" for code in ("BY", "BY-NC", "BY-SA", "BY-NC-ND", "BY-ND") for version in ("4.0",)]


def address(license_id: str, scheme: str = "https") -> str:
    _, *elements, version = license_id.split("-")
    return f"{scheme}://creativecommons.org/licenses/{'-'.join(elements).lower()}/{version}/"


NAMES = """
Juan Pérez | Ana Mª Gómez | J. R. R. Martínez | María de los Ángeles Ruiz | Vincent van Gogh | Jean-Luc O’Brien |
Ana Pérez y Juan Gil | Ana & Juan | Иван Петров | Γιάννης Νικολάου | McDonald | Łukasz Żółty | Ole Bøgh | Sandra
Bynum | Nancy Condé | Andrés Nduwayo | Royal Botanic Gardens | U.S. Forest Service | DeVries | Sacha Ndiaye
"""
FRAMES = (
    "(c) {name}, some rights reserved (CC BY)",
    "© {name}, algunos derechos reservados (CC BY), subido por {name}",
    "(c) {name}, some rights reserved (CC BY-SA), uploaded by {name}",
    "{name}, CC BY 4.0 <https://creativecommons.org/licenses/by/4.0>, via Wikimedia Commons",
    "By {name} - Own work, CC BY-SA 4.0, https://commons.wikimedia.org/w/index.php?curid=1234567",
    "De {name} - Trabajo propio, CC BY-SA 3.0 es, https://commons.wikimedia.org/w/index.php?curid=1234567",
    "© {name}, CC BY 4.0",
    "© 2019-2021 {name} / CC BY",
    "Copyright {name} 2019. CC BY 4.0",
    "Copyright (c) 2020 by {name}; CC0",
    "CC BY 4.0 © {name}",
    "CC BY 2.0 by {name}, via Flickr",
    "CC BY-SA 3.0 de {name}",
    "Photo: {name}. License: CC BY 4.0",
    "Foto: {name} (CC BY-SA 4.0)",
    "Foto de {name}, CC BY",
    "Photo by {name} on Flickr, CC BY 2.0",
    "Fotografía: {name} | CC BY 4.0",
    "Autor: {name}\nLicencia: CC BY 4.0",
    "author={name}|cc-by-sa-4.0",
    "Licensed under CC BY 4.0 by {name}",
    "CC BY 4.0, via {name}",
)


def test_names_have_their_place() -> None:
    texts = [frame.format(name=name) for frame, name in product(FRAMES, listed(NAMES))]
    assert len(texts) > 400
    assert [(text, read_license(text).problem) for text in texts if not passes(text)] == []


@pytest.mark.parametrize("account", ["jsmith42", "ana_perez", "john doe", "bosque-y-sierra", "王小明", "x.y.z1"])
def test_accounts_have_their_place_before_the_rights_they_reserve(account: str) -> None:
    assert normalize_license(f"(c) {account}, some rights reserved (CC BY-NC)") == "CC-BY-NC"
    assert normalize_license(f"(c) {account}, some rights reserved (CC BY)") == "CC-BY"
    assert normalize_license(f"no rights reserved, uploaded by {account.replace(' ', '_')}") == "CC0-1.0"
    assert account == "王小明" or normalize_license(f"CC BY 4.0, {account}") is None


CODES = ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")


def written() -> Iterator[tuple[str, str]]:
    """Every Creative Commons licence as codes, names in seven languages and addresses write it, and its id."""
    for code, version in product(CODES, ("", "1.0", "2.0", "2.5", "3.0", "4.0")):
        license_id = "-".join(part for part in ("CC", code.upper(), version) if part)
        for head, joint, space in product(("cc", "CC", "Creative Commons"), ("-", " ", "_", " - "), (" ", "-", " v")):
            yield f"{head} {code.replace('-', joint)}{space if version else ''}{version}", license_id
            yield f"{head}{joint}{code.upper().replace('-', joint)} {version}".strip(), license_id
        for deed, joint in product(map(DEEDS.__getitem__, OF_THE_GRAMMAR), ("-", " - ", " ")):
            name = joint.join(deed._asdict()[element] for element in code.split("-"))
            yield f"Creative Commons {name} {version} {deed.everywhere if version else ''}".strip(), license_id
            yield f"Licencia Creative Commons {name} {version}".strip(), license_id
            if version:
                yield f"{name} {version} {deed.everywhere}".strip(), license_id
                yield f"{name} {version} (CC {code.upper()} {version})", license_id
        tails = ("", "/", "/deed", "/deed.es", "/deed.zh-hans", "/legalcode", "/legalcode.de") if version else ("/",)
        for head, tail in product(("https://", "http://", "http://www.", ""), tails):
            yield f"{head}creativecommons.org/licenses/{code}/{version}".rstrip("/") + tail, license_id
        if version not in ("", "4.0"):
            for port in ("es", "de", "fr", "us", "igo", "au"):
                yield f"http://creativecommons.org/licenses/{code}/{version}/{port}/", f"{license_id}-{port.upper()}"
                yield f"CC {code.upper()} {version} {port}", f"{license_id}-{port.upper()}"
                yield f"cc-{code}-{version}-{port.upper()}", f"{license_id}-{port.upper()}"


def test_every_licence_is_read_however_it_is_written() -> None:
    changes = cycle((str, str.upper, str.lower))
    texts = [(next(changes)(text), license_id) for text, license_id in written()]
    assert len(texts) > 4_000
    assert [(text, read_license(text)) for text, license_id in texts if normalize_license(text) != license_id] == []
    assert all(is_license_id(license_id) for _, license_id in texts)


def test_no_text_raises() -> None:
    drawn = random.Random(17)
    pieces = [
        *FREE,
        *limits(),
        *SEPARATORS,
        *HIDDEN,
        "(",
        "&copy;",
        "&#0;",
        "<a href=",
        "\ud800",
        "\x00",
        "İ",
        "ß",
        "ﬁ",
    ]
    for _ in range(3_000):
        text = "".join(drawn.choices(pieces, k=drawn.randint(1, 8)))
        if drawn.random() < 0.3:
            text += "".join(chr(drawn.randrange(0x11_0000)) for _ in range(5))
        reading = read_license(text)
        assert (reading.license_id is None) != (reading.problem is None) or not text.strip()


@pytest.mark.shared
@pytest.mark.skipif(not COLLECTION.is_dir(), reason=f"SKIPPED LOUDLY: no {COLLECTION}; its licences were not read")
def test_the_licences_of_a_real_collection_are_refused_as_before() -> None:
    lines = (COLLECTION / "plants.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [image for line in lines for image in json_util.loads(line).get("images") or []]
    texts = {image.get("license") for image in entries if isinstance(image, dict)}
    refused = {text for text in texts if not passes(text)}
    assert refused == {
        *(None, "", "see website", "All rights reserved", "cc-by-nc", "CC BY-NC 4.0", "CC BY-NC-ND 4.0"),
        "http://creativecommons.org/licenses/by-nc/4.0/",
    }
    assert len(texts) == 18


@pytest.mark.parametrize(
    "text",
    [
        *("CC BY 4.0 by Negotiation", "CC BY 4.0 per Contract", "CC BY 4.0 © Expired", "was CC BY 4.0"),
        *("© 無断転載, CC BY 4.0", "© 영리불가, CC BY 4.0", "© Ei Kaupalliseen Käyttöön, CC BY 4.0"),
        *("CC BY 4.0 \u20e0", "CC BY 4.0 \u202eCN\u202c"),
    ],
)
def test_no_sentence_passes_for_a_name_and_no_sign_for_nothing(text: str) -> None:
    assert read_license(text).license_id is None
