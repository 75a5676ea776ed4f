"""Dates as people write them: ``25/05/2021``, ``3 de mayo de 2019``, ``May 3rd, 2019``, ``3 d'agost de 2019``.

Words are Spanish, English, Catalan, Portuguese, French, German and Italian.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal, cast

from babel import Locale
from dateutil.parser import parser, parserinfo

from aplantida.domain.text import without_accents

DateOrder = Literal["day_first", "month_first"]
LANGUAGES = ("es", "en", "ca", "pt", "fr", "de", "it")
LONGEST = 80  # characters; no date is longer
_ROMAN = [
    "i",
    "ii",
    "iii",
    "iv",
    "v",
    "vi",
    "vii",
    "viii",
    "ix",
    "x",
    "xi",
    "xii",
]  # months, as herbarium labels have them
_FIRST_YEAR_OF_TWO_DIGITS = 1969  # 69 is 1969 and 68 is 2068, as POSIX has it
_TIME = re.compile(
    r"(?:[\s,]+(?:[-–]\s)?(?:at |um |as? |a l[ae]s )?|t)"
    r"(?:\d{1,2}(?::\d{2}|\s?h(?:\s?\d{2})?\b|\s?[ap]\.?\s?m\b)|(?:[01]?\d|2[0-3])\.[0-5]\d(?!\.?\d)).*$",
    re.DOTALL,
)
_ARTICLE = re.compile(r"^(?:the|el|le|il|am|den|on|dia)\s")
_TIME_BEFORE = re.compile(r"^\d{1,2}:\d{2}(?::\d{2})?(?:\s?h\b)?\s?,?\s(?=\S)")  # "10:30, 25 May 2021"
_FIRST_WORD = re.compile(r"^([^\W\d_]+(?:-feira)?)[.,]*\s+(?=\d)")
_AROUND = {'""', "''", "()", "[]", "«»", "“”"}
_FIRSTS = re.compile(r"^(?:primero|primer|primeiro|premier|primo|uno)(?=\s(?:d|[^\W\d_]{3}))")
_CLOCK = re.compile(r"\s\d{1,2}:\d{2}(?::\d{2})?(?:\s[a-z]{2,5})?(?=\s\d{4}$)")  # in the middle, as Unix writes dates
_HYPHENS = re.compile("[\u2010-\u2012\u2212]")
_REMARK = re.compile(r"\s*\([^()]*\)$")
_ORDINAL = re.compile(r"(?<=\d)\.?\s?(?:st|nd|rd|th|ero|er|ro|do|to|r|º|ª|°|o)(?=[\s,/.-]|$)")
_NUMBERS = re.compile(r"(\d{4}|\d{1,2})(\s*[/.\-–]\s*|_|\s+)(\d{1,2})(?:\2)(\d{4}|\d{1,2})")
# as cameras write it, and without anything between, before a time
_EXIF = re.compile(r"^(\d{4}):(\d\d):(\d\d)(?=[\sT]|$)")
_COMPACT = re.compile(r"^(\d{4})(\d\d)(\d\d)(?=T\d|[\s_](?:\d\d:\d\d|\d{6}(?!\d)))")
_OFFSET = r"[+-](?:0?\d|1[0-4])(?::?(?:00|15|30|45))?(?!\d)"
_AFTER_ISO = re.compile(rf"(?:Z|{_OFFSET})?(?:$|(?=[\sT_,;.?!(\[]))", re.IGNORECASE)  # a zone, then a time or a remark
_TIME_AS_NUMBERS = re.compile(
    r"^[\sT_]+(?:[01]\d|2[0-3])([-.]?)[0-5]\d(?:\1[0-5]\d(?:[.,]\d+)?)?(?![\d-])", re.IGNORECASE
)
_CLOCKS = re.compile(
    r"\d{1,2}(?::\d\d(?::\d\d(?:[.,]\d+)?)?|\s?h(?:\s?\d\d\b)?|\s?(?:uhr|hrs?|horas)\b)"
    rf"(?:\s?[ap]\.?\s?m\b\.?)?(?:\s?(?:[a-z]{{1,5}}\s?)?{_OFFSET})?|\b\d{{1,2}}\s?[ap]\.?\s?m\b",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]")
_A_DAY = re.compile(r"\d{1,4}\s?([-/.:])\s?\d{1,2}\s?\1\s?\d{1,4}|\b(?:1[6-9]|20)\d\d\b")
_TO = r"[-–—~→]|\b(?:to|al|au|até|ate|until|till|through|hasta|bis|tot|at[eé]|fins|jusqu['’]au)\b"
_UNITS = r"(?:[kcmd]?m|metros?|meters?|pies|feet|ft|fotos?|photos?|km|ha|grados|individuos|plantas?|plants?)\b"
_THE = r"(?:(?:el|the|dia)\s)?"
# a number that may be a day, and behind a mere comma or at the beginning none of a measure ("3 fotos", "800 m")
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?![\d°%'\"′″]|[.,]\d)"
_NO_MEASURE = rf"{_DAY}(?![^\W\d_]|\s(?:(?-i:[a-zà-ÿ])|[^\W\d_]\b))"
_GOES_ON = re.compile(
    rf"^\s*{_NO_MEASURE}|/\s*(?:\d|P\d)|\.\.|(?:{_TO}|&|\band\b)\s*{_THE}{_DAY}(?!\s?(?:{_UNITS}))|"
    rf"(?:[,;+]|\b(?:a|y|e|et|und|u)\b)\s*{_THE}{_NO_MEASURE}",
    re.IGNORECASE,
)
_AN_END = re.compile(r"\s*(?:$|\d(?!\d?:\d)|P\d|\.\.)")  # of an interval: a day, a duration or open, and no clock
_PART_OF_A_MONTH = r"(?:(?:de|el|the|of|mid|early|late|end|finales|mediados|principios|fin)\s+)*"
# a month and no more, or its day or year: "- June", "and junio", and no "- June Lake"
_TO_A_MONTH = re.compile(
    rf"(?:(?:{_TO}|/)\s*{_PART_OF_A_MONTH}([^\W\d_]{{3,}})|\b(?:a|y|e|and)\s+{_PART_OF_A_MONTH}([^\W\d_]{{4,}}))"
    r"(?=[\s.,;]*$|\s+(?:de\s+)?\d)",
    re.IGNORECASE,
)
_JOINING = ("de", "del", "of", "the", "el", "dia", "ano", "on", "do", "di", "du", "le", "der", "den", "dem", "am", "il")
_NOT_ALONE = frozenset(("out", "mag", "gen"))
_A_DAY_AND_A_YEAR = ([1, 2], [2, 2], [1, 4], [2, 4])  # their numbers of digits
# two that differ in year, month and day: what a text leaves open differs in what is read
_OPEN = (datetime(2000, 1, 1), datetime(2004, 12, 31))


@dataclass(frozen=True, slots=True)
class ReadDate:
    """What was read: ``day`` in ISO form, or None; ``ambiguous`` when only the order of dates decided it."""

    day: str | None = None
    ambiguous: bool = False


_NOTHING = ReadDate()


@lru_cache(maxsize=65_536)
def read_date(text: str, order: DateOrder = "day_first") -> ReadDate:
    """Read a text that begins with an ISO date, or is a whole date with its year, month and day.

    Args:
        text: any.
        order: of the numbers in a date that begins with no year. Where only the other order gives a date it is that.
    """
    text = _bare(text)
    iso = _iso_day(text[:10])
    if iso is not None:
        return ReadDate(iso) if _is_one_day(iso, text[10 : 10 + 2 * LONGEST]) else _NOTHING
    if len(text) > LONGEST:
        return _NOTHING
    plain = _CLOCK.sub("", _REMARK.sub("", _plain(text)))
    time = _TIME.search(plain)
    if time is not None:
        if _says_a_day(time[0]):
            return _NOTHING
        plain = plain[: time.start()]
    return _of_day(plain.strip(" ,.;"), order)


def _bare(text: str) -> str:
    """Without quotes or brackets around it, its hyphens plain; cameras' dates as ISO has them."""
    text = _HYPHENS.sub("-", text.strip())
    if text[:1] + text[-1:] in _AROUND:
        text = text[1:-1].strip()
    return _COMPACT.sub(r"\1-\2-\3", _EXIF.sub(r"\1-\2-\3", text))


def _of_day(plain: str, order: DateOrder) -> ReadDate:
    first = _FIRST_WORD.match(plain)
    if first is not None and _words().names_a_day(first[1]):  # "mar" is Tuesday where a whole date follows
        read = _of_day(plain[first.end() :], order)
        if read.day is not None:
            return read
    numbers = _NUMBERS.fullmatch(plain)
    if numbers is not None:
        return _of_numbers(numbers[1], numbers[3], numbers[4], order)
    return _of_words(plain)


def _iso_day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _is_one_day(day: str, rest: str) -> bool:
    """Whether what follows a day says a time, a zone or a remark, and no other day: no span begins there."""
    if rest.startswith("/") or rest.upper().startswith(("T", " ")):
        begin, slash, end = rest.partition("/")
        if slash and _AN_END.match(end) and not _IN_BRACKETS.search(rest):  # Darwin Core's intervals
            return end[:10] == day and _is_one_day(day, begin) and _is_one_day(day, end[10:])
    zone = _AFTER_ISO.match(rest)
    return zone is not None and not _says_a_day(_TIME_AS_NUMBERS.sub(" ", rest[zone.end() :].replace(day, " ")))


def _says_a_day(rest: str) -> bool:
    """Whether there is a second day, or the end of a span, in what is left without times of the day."""
    plain = _CLOCKS.sub(" ", rest)
    has_number = any(character.isdigit() for character in plain)
    words = (
        re.findall(r"[^\W\d_]{3,}", _plain(plain)) if has_number else map("".join, _TO_A_MONTH.findall(_plain(plain)))
    )
    if any(map(_words().names_a_month, words)):  # "and June 30", "to June"
        return True
    return _A_DAY.search(plain) is not None or _GOES_ON.search(_IN_BRACKETS.sub(" ", plain)) is not None


def _of_numbers(first: str, second: str, third: str, order: DateOrder) -> ReadDate:
    if len(first) == 4:
        return ReadDate(_day(int(first), int(second), int(third))) if len(third) < 4 else _NOTHING
    year = _year(third)
    day, month = (first, second) if order == "day_first" else (second, first)
    read, otherwise = _day(year, int(month), int(day)), _day(year, int(day), int(month))
    if read is None:
        return ReadDate(otherwise, len(third) < 4)
    return ReadDate(read, len(third) < 4 or otherwise not in (None, read))


def _of_words(plain: str) -> ReadDate:
    info = _words()
    words = re.findall(r"[^\W\d_]+", plain)
    lengths = sorted(map(len, re.findall(r"\d+", plain)))
    if lengths not in _A_DAY_AND_A_YEAR or not any(info.month(word) for word in words):
        return _NOTHING
    try:
        read = [parser(info).parse(plain, default=default, ignoretz=True) for default in _OPEN]
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError):  # its ways to say that it is no date
        return _NOTHING
    if read[0].date() != read[1].date():
        return _NOTHING
    return ReadDate(read[0].date().isoformat(), lengths[1] < 4)


def _day(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _year(digits: str) -> int:
    return int(digits) if len(digits) == 4 else _of_two_digits(int(digits))


def _of_two_digits(number: int) -> int:
    return (number - _FIRST_YEAR_OF_TWO_DIGITS) % 100 + _FIRST_YEAR_OF_TWO_DIGITS


def _plain(text: str) -> str:
    """In small letters without accents, ordinals without their endings."""
    plain = without_accents(text.casefold().replace("º", "°").replace("ª", "°"), compatible=True)
    plain = re.sub(r"\bd['’]\s?(?=[^\W\d_])", "de ", " ".join(plain.split()))
    plain = re.sub(r"(?<=\s)['’](?=\d\d$)", "", plain)  # "12 Aug '17"
    return _ORDINAL.sub("", _FIRSTS.sub("1", _ARTICLE.sub("", _TIME_BEFORE.sub("", plain))))


class _Words(parserinfo):
    """The words of dates in all languages, for dateutil."""

    def __init__(self) -> None:
        locales = [Locale(language) for language in LANGUAGES]
        forms = [
            locale.months[context][width]
            for locale in locales
            for context in ("format", "stand-alone")
            for width in ("wide", "abbreviated")
        ]
        months = [
            tuple({*(_plain(form[number]).rstrip(".").removeprefix("de ") for form in forms), _ROMAN[number - 1]})
            for number in range(1, 13)
        ]
        months[0] += ("janner",)
        months[8] += ("sep", "sept", "set", "setiembre")
        taken = {word for month in months for word in month}
        days = [
            {
                _plain(locale.days["format"][width][number]).rstrip(".")
                for locale in locales
                for width in ("wide", "abbreviated")
            }
            for number in range(7)
        ]
        self._days: frozenset[str] = frozenset[str]().union(*days)
        self.MONTHS = cast("Any", months)
        self.WEEKDAYS = cast("Any", [tuple(day - taken) for day in days])  # "mar" is March before it is martes
        self.JUMP = [*" .,;-/", *_JOINING]
        super().__init__()

    def names_a_day(self, word: str) -> bool:
        """Whether a word may be a day of the week."""
        return word in self._days

    def names_a_month(self, word: str) -> bool:
        """Whether a word among others is a month: not what is another word of a language."""
        return word not in _NOT_ALONE and self.month(word) is not None

    def convertyear(self, year: int, century_specified: bool = False) -> int:
        """Two digits mean the same year whenever they are read."""
        return year if century_specified or year >= 100 else _of_two_digits(year)


@lru_cache(maxsize=1)
def _words() -> _Words:
    return _Words()
