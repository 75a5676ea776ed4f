from __future__ import annotations

import pycountry
import pytest
from babel import Locale

from aplantida.domain.countries import ReadCountries, code_of, read_countries, read_country

CODES = [country.alpha_2 for country in pycountry.countries]


def test_every_code_and_every_name_in_both_languages_is_its_country() -> None:
    wrong: list[tuple[str, str]] = []
    for country in pycountry.countries:
        code = country.alpha_2
        names = {code, code.lower(), country.alpha_3, country.name, getattr(country, "official_name", country.name)}
        names |= {Locale(language).territories[code] for language in ("es", "en")}
        for name in names | {name.upper() for name in names} | {f"  {name} " for name in names}:
            if code_of(name) != code:
                wrong.append((name, code))
    assert wrong == []
    assert len(CODES) > 240


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("España", "ES"), ("espana", "ES"), ("ESPAÑA", "ES"), ("Espan\u0303a", "ES"), ("España (Cataluña)", "ES")),
        *(("EE. UU.", "US"), ("EEUU", "US"), ("U.S.A.", "US"), ("USA", "US"), ("Estados Unidos de América", "US")),
        *(("the United States", "US"), ("UK", "GB"), ("Reino Unido", "GB"), ("England", "GB"), ("Escocia", "GB")),
        *(("La India", "IN"), ("the Netherlands", "NL"), ("Holanda", "NL"), ("Turkey", "TR"), ("Turquía", "TR")),
        *(("República Checa", "CZ"), ("Czech Republic", "CZ"), ("Costa de Marfil", "CI"), ("Cote d'Ivoire", "CI")),
        *(("Corea del Sur", "KR"), ("Rusia", "RU"), ("Bolivia", "BO"), ("Venezuela", "VE"), ("Irán", "IR")),
        *(("Trinidad y Tobago", "TT"), ("Bosnia and Herzegovina", "BA"), ("Kosovo", "XK"), ("Sudáfrica", "ZA")),
        *(("Reino de España", "ES"), ("ES - España", "ES"), ("Gran Canaria (España)", "ES"), ("España/Spain", "ES")),
        *(("Madrid, España", "ES"), ("ES, PT", "ES"), ("es pt", "ES"), ("Porto; Portugal", "PT"), ("NA", "NA")),
    ],
)
def test_countries_as_people_write_them(text: str, code: str) -> None:
    assert read_country(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "Catalonia",
        "Cataluña",
        "Europa",
        "América",
        "ZZ",
        "??",
        "",
        "Georgia, USA",
        "España y Portugal",
        "La Rioja",
        "EU",
    ],
)
def test_what_is_no_one_country_is_none(text: str) -> None:
    assert read_country(text) is None


@pytest.mark.parametrize(
    ("text", "codes", "unread"),
    [
        ("España, Portugal; FR", ["ES", "PT", "FR"], []),
        ("España y Francia", ["ES", "FR"], []),
        ("Bosnia y Herzegovina, Serbia", ["BA", "RS"], []),
        ("es PT fr", ["ES", "PT", "FR"], []),
        ("España, cuenca mediterránea, Marruecos", ["ES", "MA"], ["cuenca mediterránea"]),
        ("Spain / Portugal\nSpain", ["ES", "PT"], []),
        ("", [], []),
        *((text, ["ES", "PT"], []) for text in ("ES PT", "es pt", "Es Pt", "ES  PT", "es, pt", "es y pt", "ES and PT")),
        *((text, ["IN", "ES"], []) for text in ("IN ES", "in, es", "IN and ES")),
        *((text, ["ES", "IT"], []) for text in ("es y it", "Es y It", "es and it", "ES & it", "es e it")),
        *((text, ["BE", "NL"], []) for text in ("be nl", "BE nl", "Be Nl", "be & nl", "BE/nl")),
        *(
            (f"{one} {other}", [one.upper(), other.upper()], [])
            for one, other in (("de", "fr"), ("mx", "us"), ("co", "ve"))
        ),
        ("es, fr & it", ["ES", "FR", "IT"], []),
        *((text, ["DE", "IT", "NO"], []) for text in ("DE IT NO", "de; it; no", "DE/IT/NO")),
    ],
)
def test_lists_in_a_text(text: str, codes: list[str], unread: list[str]) -> None:
    read = read_countries(text)
    assert (list(read.codes), list(read.unread)) == (codes, unread)


@pytest.mark.parametrize(
    "text",
    [
        *("in Spain and Portugal", "de España", "no España", "Sur de Chile", "to Mexico", "in ES", "not in ES or PT"),
        *("in es", "no es", "is in", "it is", "de la", "In ES", "al ES", "se ES", "si PT", "be ES", "us CA", "ni ES"),
        *(
            "Se ve",
            "ES in",
            "it and us",
            "se y ve",
            "es y no",
            "no y es",
            "es and is",
            "es y la",
            "in y es",
            "cf ES",
            "ca ES",
            "su ES",
            "im DE",
            "il IT",
            "va ES",
        ),
        "ES Madrid",
    ],
)
def test_words_of_a_sentence_are_no_codes(text: str) -> None:
    assert read_countries(text) == ReadCountries((), (text,))


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("ES", "Espanya | Espanha | Espagne | Spanien | Spagna"),
        ("NL", "Nederland | Pays-Bas | Niederlande | Reino de los Países Bajos | Kingdom of the Netherlands"),
        ("GB", "G.B. | Britain | Royaume-Uni | Regne Unit | N. Ireland"),
        ("US", "E.U.A. | Estats Units | États-Unis | U.S."),
        ("DE", "República Federal de Alemania | Federal Republic of Germany | Allemagne"),
        ("CN", "República Popular China | People's Republic of China | PRC"),
        ("TW", "República de China | Republic of China"),
        ("KR", "Republic of Korea | República de Corea | S. Korea"),
        ("BO", "Estado Plurinacional de Bolivia"),
        ("UY", "República Oriental del Uruguay"),
        ("AD", "Principado de Andorra"),
        ("LK", "Ceilán | Ceylon"),
        ("IR", "Persia"),
        ("MX", "Méjico | Estados Unidos Mexicanos"),
    ],
)
def test_old_official_and_neighbours_names(code: str, names: str) -> None:
    assert {name: code_of(name) for name in names.split(" | ")} == dict.fromkeys(names.split(" | "), code)


@pytest.mark.parametrize("text", ["Island", "Maurice", "Dominique", "Norfolk", "Salvador", "República", "the"])
def test_no_other_word_is_a_neighbours_name_of_a_country(text: str) -> None:
    assert code_of(text) is None
