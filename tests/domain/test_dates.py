from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from aplantida.domain.dates import read_date

SPANISH = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]
ENGLISH = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]


def ordinal(day: int) -> str:
    return f"{day}{'th' if 10 <= day % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def spellings(day: date) -> list[str]:
    """A date as people write it, where no order decides anything."""
    d, m, y = day.day, day.month, day.year
    spanish, english = SPANISH[m - 1], ENGLISH[m - 1]
    return [
        *(
            day.isoformat(),
            f"{day.isoformat()}T10:30:00Z",
            f"{day.isoformat()} 10:30",
            f"{y}/{m}/{d}",
            f"{y}.{m:02}.{d:02}",
        ),
        *(
            f"{d} de {spanish} de {y}",
            f"{d} de {spanish.upper()} del {y}",
            f"{d} {spanish[:3]} {y}",
            f"{d}-{spanish[:3]}-{y}",
        ),
        *(f"{spanish.title()} {d}, {y}", f"{d}º de {spanish} de {y}", f"el {d} de {spanish} de {y}, a las 9:05 h"),
        *(
            f"{english} {d}, {y}",
            f"{english} {ordinal(d)}, {y}",
            f"{ordinal(d)} of {english} {y}",
            f"{d} {english[:3]}. {y}",
        ),
        *(
            f"{english[:3]} {d} {y} 10:22:11 GMT+0200",
            f"{y} {english} {d}",
            f"{d}.{ROMAN[m - 1]}.{y}",
            f"{d}-{english[:3]}-{y}",
        ),
    ]


def test_dates_as_people_write_them() -> None:
    draw = random.Random(20261126)
    days = [date(1850, 1, 1) + timedelta(draw.randrange(64_000)) for _ in range(300)]
    read = {text: (read_date(text).day, day.isoformat()) for day in days for text in spellings(day)}
    assert len(read) > 5000
    assert {text: pair for text, pair in read.items() if pair[0] != pair[1]} == {}
    assert not any(read_date(text).ambiguous for text in read)


def test_the_order_of_numbers_is_the_configs_and_said_where_it_decides() -> None:
    draw = random.Random(7)
    for _ in range(500):
        day = date(1990, 1, 1) + timedelta(draw.randrange(13_000))
        separator = draw.choice(["/", "-", ".", " ", " / "])
        d, m, y = day.day, day.month, day.year
        decides = d <= 12 and d != m
        for first, second, order in ((d, m, "day_first"), (m, d, "month_first")):
            for text in (
                f"{first}{separator}{second}{separator}{y}",
                f"{first:02}{separator}{second:02}{separator}{y} 12:30",
            ):
                read = read_date(text, order)
                assert (text, read.day, read.ambiguous) == (text, day.isoformat(), decides)


@pytest.mark.parametrize(
    "text",
    [
        *("Fri May 03 10:00:00 CEST 2019", "3 de mayo del año 2019", "03/05/2019 (tarde)", "May 3rd 2019, 10am"),
        *("viernes, 3 de may. de 2019", "1er día", "3-may.-2019", "3 de Mayo de 2019.", "2019.05.03.", "2019-05-03?"),
    ],
)
def test_what_stands_around_a_date_is_no_part_of_it(text: str) -> None:
    assert read_date(text).day == (None if text == "1er día" else "2019-05-03")


def test_an_impossible_order_is_the_other_one() -> None:
    assert read_date("05/25/2021").day == read_date("25/05/2021", "month_first").day == "2021-05-25"


def test_two_digits_of_a_year_are_read_alike_for_ever_and_counted() -> None:
    assert [read_date(f"3/4/{year}").day for year in ("68", "69", "21")] == ["2068-04-03", "1969-04-03", "2021-04-03"]
    assert read_date("25/12/21").ambiguous
    assert read_date("3 mayo 19") == read_date("3/5/19")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2019",
            "mayo de 2019",
            "10 mayo",
            "verano de 2019",
            "hacia 2019",
            "s. f.",
            "?",
            "0",
            "00/00/0000",
            "1999-00-00",
        ),
        *(
            "31/02/2020",
            "13/13/2020",
            "2021-25-05",
            "3-5 mayo 2019",
            "3 de mayo de 2.019",
            "3 de mayo de 20199",
            "1/2/3/2020",
        ),
        *(
            "mayo",
            "martes",
            "10:30",
            "3 de mayo de 2019 y 4 de junio",
            "May 3 2019 and more",
            "2019年5月3日",
            "32/1/2020",
        ),
        *("1589700000", "3/4/", "//2020", "de de de", "i ii iii", "v", "x" * 10_000, "9" * 500, "12 mayo 12 mayo 2012"),
    ],
)
def test_what_is_no_whole_date_is_none(text: str) -> None:
    assert read_date(text).day is None


def test_no_text_raises() -> None:
    draw = random.Random(3)
    words = [
        "3",
        "mayo",
        "May",
        "2019",
        "12",
        "/",
        "-",
        ".",
        ",",
        " ",
        "de",
        "th",
        "º",
        "T",
        ":",
        "am",
        "UTC",
        "+",
        "\x00",
        "９",
    ]
    for _ in range(5000):
        read = read_date("".join(draw.choices(words, k=draw.randrange(1, 9))))
        assert read.day is None or date.fromisoformat(read.day)


ONE_DAY = """
2021:05:25 10:00:00 | 2021:05:25 | 2021:05:25T10:00 | 2021:05:25 10:00 | 2021-05-25Z | 2021-05-25-05:00
| 2021-05-25+02:00 | 2021-05-25+0530 | 2021-05-25_10-30-00 | 2021-05-25T10:30:00.123456+02:00 | 2021-05-25T103000Z
| 2021-05-25 10:30:00 -0500 | 2021-05-25 10.30 | 2021-05-25 10h30 | 2021-05-25, 10:30 | 2021-05-25 10:30 UTC+2
| 2021-05-25 (3 fotos) | 2021-05-25 a las 9:05 h | 2021-05-25T10:00:00[Europe/Madrid] | 2021-05-25 10:00 - 11:30
| 2021-05-25T10:00/2021-05-25T11:00 | 2021-05-25/2021-05-25 | 2021-05-25 - 2021-05-25 | 2021-05-25, photo 3
| 2021-05-25. | 2021-05-25 10 am | 2021-05-25t10:00z | 2021-05-25 10:00 PM | 25/05/2021 10:00 - 11:00
| 2021-05-25 10:30:00 America/Los_Angeles | 2021-05-25T10:00 Europe/Madrid | 2021-05-25 N/A | 2021-05-25 s/n
| 2021-05-25, Madrid/Segovia | 2021-05-25, 3 fotos | 2021-05-25, 800 m | 2021-05-25 10 Uhr | 2021-05-25 25°C
| 2021-05-25; 40.4,-3.7 | 2021-05-25 10:00, 15°C | 2021-05-25 10:00/11:00 | 2021-05-25, 2 plantas y 3 flores
| 2021-05-25 - August Müller | 2021-05-25 - Mar Menor | 2021-05-25 - June Lake | 2021-05-25 playa y mar
| 2021-05-25 - 25 m | 2021-05-25 - 3 fotos | 2021-05-25 y 3 fotos | 2021-05-25, 2 plantas Madrid | 2021-05-25 25 C
| 25/05/2021 10:00 h. | May 25 2021 10:22:11 GMT+0200 | 25/05/2021, 10:30:00 | 2021-05-25 mayo
"""
SPANS = """
2021-05-25/2021-06-30 | 2021-05-25foo | 2021-05-25–2021-05-28 | 2021-05-259 | 2021-05-25 - 2021-06-30
| 2021-05-25 / 2021-06-30 | 2021-05-25 to 2021-06-30 | 2021-05-25, 2021-06-30
| 2021-05-25T00:00:00/2021-06-30T00:00:00 | 2021-05-25..2021-06-30 | 2021-05-25 2021-06-30 | 2021-05-25 y 2021-06-30
| 2021-05-25 al 30 de junio | 2021-05-25 - 30 | 2021-05-25..28 | 2021-05-25, 26 | 2021-05-25T10:00Z/2021-06-30T10:00Z
| 2021-05-25/30 | 2021-05-25 10:00 - 2021-05-26 11:00 | 2021-05-25; 2021-06-30 | 2021-05-25 (to 2021-06-30)
| 2021-05-25 to 25/06/2021 | 2021-05-25 10:00/12:00 30 | 2021-05-25 hasta el 30 | 2021-05-25-2021
| 25/05/2021 - 30/06/2021 | 25/05/2021 10:00 - 26/05/2021 11:00 | May 3 2019, 10am - May 4 2019, 11am
| 2021-05-25T10:00 / 2021-05-26 | 2021:05:25 10:00:00 - 2021:05:26 | 2021-05-25-2021-06-30 | 2021-05-25 & 26
| 2021-05-25 - junio | 2021-05-25 until June | 2021-05-25/P3D | 2021-05-25/06-01 | 2021-05-25 / 26 | 2021-05-25 26
| 2021-05-25 to 30th | 2021-05-25 to the 30th | 2021-05-25 al 30 del mes | 2021-05-25 al 30 en Madrid
| 2021-05-25 - 26 or 27 | 2021-05-25 al 26 aprox | 2021-05-25 - 26 tarde | 2021-05-25 26 Madrid | 2021-05-25 - mid June
| 2021-05-25 to end of June | 2021-05-25 a junio | 2021-05-25 and June | 2021-05-25 → 30 | 2021-05-25 até 30
| 2021-05-25 and 26 | 2021-05-25Z/2021-05-26Z | 2021-05-25 to June 30 | 2021-05-25 - 30 de junio
"""


def listed(texts: str) -> list[str]:
    return [text for line in texts.strip().split("\n| ") for text in line.split(" | ")]


@pytest.mark.parametrize("text", listed(ONE_DAY))
def test_a_day_with_a_time_a_zone_or_a_remark_is_that_day(text: str) -> None:
    assert read_date(text).day == read_date(f" {text}\n").day == "2021-05-25"


@pytest.mark.parametrize("text", listed(SPANS))
def test_a_span_is_no_day(text: str) -> None:
    assert read_date(text).day is None


IN_OTHER_WORDS = """
25 de maig de 2021 | 25 de maio de 2021 | 25 mai 2021 | 25. Mai 2021 | 25 maggio 2021 | mar. 25 may 2021
| mar, 25 may 2021 | Di., 25. Mai 2021 | terça-feira, 25 de maio de 2021 | mardi 25 mai 2021 | dt. 25/05/2021
| Martes 25/05/2021 | Tue 25/05/2021 | 25/05/2021 - 10:30 | 25/05/2021 10.30 | 25/05/2021 10h30 | 25/05/2021 à 10h30
| 25.05.2021 um 10:30 Uhr | 10:30, 25 May 2021 | 10:30 25/05/2021 | «25/05/2021» | "25/05/2021" | (25/05/2021)
| 25‑05‑2021 | 2021‑05‑25 | 25_05_2021 | 2021_05_25 | 20210525T103000Z | 20210525_103000
| 25 may '21 | am 25. Mai 2021 | le 25 mai 2021
"""
OTHER_SPANS = """
vom 25. bis 30. Mai 2021 | 25 a 30 de maio de 2021 | 25/26 mai 2021 | 25-26 août 2021 | 25 au 30 mai 2021
| 2021-05-25 au 30 mai | 2021-05-25 bis 30. Juni | Mai/Juni 2021 | 25./26.05.2021 | 20210525_20210526
| 25/05/2021 - 10.30.2021 | 31. Juni 2021 | 30 de febrer de 2021 | mar 2021 | mar mar 25 2021 | mai 2021
"""
FIRST_DAYS = """
primero de enero de 2019 | uno de enero de 2019 | 1ero de enero de 2019 | 1r de gener de 2019 | 1er janvier 2019
| 1º de janeiro de 2019 | 1 Jänner 2019 | 1. Januar 2019 | primo gennaio 2019 | premier janvier 2019
"""


@pytest.mark.parametrize("text", listed(IN_OTHER_WORDS))
def test_dates_in_the_neighbours_words_and_with_other_clocks(text: str) -> None:
    assert read_date(text).day == "2021-05-25"


@pytest.mark.parametrize("text", listed(OTHER_SPANS))
def test_spans_and_impossible_days_in_the_neighbours_words_are_none(text: str) -> None:
    assert read_date(text).day is None


@pytest.mark.parametrize("text", listed(FIRST_DAYS))
def test_the_first_of_a_month_has_names(text: str) -> None:
    assert read_date(text).day == "2019-01-01"


def test_a_remark_with_a_word_that_is_a_month_elsewhere_is_a_remark() -> None:
    assert read_date("2021-05-25, 3 plants out of 5").day == "2021-05-25"
