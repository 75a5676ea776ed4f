"""People and places in the fields of a collection: texts, lists of them, and mappings that say a name in parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import pyarrow as pa

from aplantida.data import people_keys as keys
from aplantida.data.field_values import each_text, text_of
from aplantida.data.people_keys import Key, read_key
from aplantida.domain.people import ADDRESS
from aplantida.domain.text import valid_text

_LINE_ENDS = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+")
_WORD = re.compile(r"[^\W\d_]{2}")
_PART_WORDS = frozenset((*keys.FIRST, *keys.INITIALS, *keys.MIDDLE, *keys.PARTICLES, *keys.LAST, *keys.SECOND_LAST))
_UNNUMBERED = "000"
_MOST_OF_ONE = 4  # first names of one person, each under a number or in a list


class _Said(NamedTuple):
    """A text of a mapping and its key."""

    key: Key
    text: str


class _Parts(NamedTuple):
    """What may be parts of one name, or of several that numbers and places tell apart."""

    first: Sequence[_Said]
    middle: Sequence[_Said]
    last: Sequence[_Said]
    second_last: Sequence[_Said]

    def only(self, end: str) -> _Parts:
        """Those whose keys end with a number."""
        return _Parts(*([said for said in part if said.key.end == end] for part in self))


def people_of(values: Sequence[Any]) -> pa.StringArray:
    """The people, or places, that each value names, between semicolons.

    Of a list it is every text in it; of a mapping all whole names, names in parts put together ("Ana Pérez" of first
    and last), who stands under a role ("co_authors", "credit"), or, where no key says what is a name, every text in it.
    Roles and numbers in keys (``first2``, ``author1_last``) and lists of one length tell people apart; where first
    names may be one person's too, that one is named beside them. Initials are a name beside the one of first names. An
    account (``login``) is named behind them, and silences no other text.
    Addresses among them are nobody's name: they are left out, and with them what opens them. Lines of a text are
    people each.
    """
    return each_text(values, lambda value: "; ".join(dict.fromkeys(_named(value))) or None, _lines_apart)


def _lines_apart(text: str) -> str:
    return "; ".join(filter(None, map(valid_text, _LINE_ENDS.split(text))))


def _named(value: Any, inside: bool = False) -> Iterator[str]:
    """The names in a value; ``inside`` a list or mapping addresses are none."""
    if isinstance(value, Mapping):
        yield from _named_by_key(_by_key(value))
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, inside=True)
    else:
        text = _lines_apart(value) if isinstance(value, str) else text_of(value)
        if text and not (inside and ADDRESS.fullmatch(text)):
            yield text


def _named_by_key(value: Sequence[_Said]) -> list[str]:
    """All whom the keys name: who is named in parts, who else, accounts; a word of a name that is said is nobody."""
    parts = [said for said in value if said.key.word in _PART_WORDS or said.key.word in keys.NAMES]
    put_together, used = _of_parts(parts)
    whole = [said for said in _under(value, keys.NAMES) if said not in used]
    names = [*put_together, *(said.text for said in whole if not _is_word_of_another(said, whole, put_together))]
    people = [said.text for said in value if said.key.word in keys.PEOPLE]
    accounts = [said.text for said in value if said.key.word in keys.ACCOUNT]
    others = [said.text for said in value if said.key.word == keys.SOMEBODY and _WORD.search(said.text)]
    if names or people:
        return [*names, *people, *others, *accounts]
    unknown = [said.text for said in value if said.key.word not in keys.KNOWN and said.key.word != keys.SOMEBODY]
    return [*accounts, *others, *(text for text in unknown if not (accounts and text[0].isdigit()))]  # dates, counts


def _is_word_of_another(said: _Said, whole: Sequence[_Said], put_together: Iterable[str]) -> bool:
    """Whether it is a word alone of what names the same one: "Ana" beside "Ana Pérez"."""
    names = [*put_together, *(other.text for other in whole if other.key[1:] == said.key[1:])]
    words = _words(said.text)
    return len(words) == 1 and any(words < _words(name) for name in names)


def _of_parts(said: Sequence[_Said]) -> tuple[list[str], list[_Said]]:
    """Names that are said in parts, and the texts of these; numbers inside keys and roles tell people apart.

    What of a role is no name by itself goes with the others of its number.
    """
    names: list[str] = []
    used: list[_Said] = []
    for number in sorted({item.key.number for item in said}):
        mine = [item for item in said if item.key.number == number]
        rest: list[_Said] = []
        for role in dict.fromkeys(item.key.whose for item in mine):
            of_role = [item for item in mine if item.key.whose == role]
            if all(_first_and_last(of_role)):
                names += _names_of(of_role, used)
            else:
                rest += of_role
        names += _names_of(rest, used)
    return names, used


def _first_and_last(said: Sequence[_Said]) -> tuple[list[list[_Said]], list[list[_Said]]]:
    """First and last names, as each key says them: ``name`` is one beside the other."""
    first, last = _by_word(said, keys.FIRST), _by_word(said, keys.LAST)
    initials = _by_word(said, keys.INITIALS)
    if last and not first:
        first = _by_word(said, keys.FIRST_BESIDE_A_LAST)[:1]
    elif (first or initials) and not last:
        last = _by_word(said, keys.LAST_BESIDE_A_FIRST)[:1]
    return [*first, *initials], last


def _names_of(said: Sequence[_Said], used: list[_Said]) -> Iterator[str]:
    """The names of what may go together: of each first name, or initials, with each last name."""
    first, last = _first_and_last(said)
    middle, particles = _under(said, keys.MIDDLE), _under(said, keys.PARTICLES)
    second_last = _under(said, keys.SECOND_LAST)
    for one, other in product(first or [[]], last or [[]]):
        used += [*one, *other]
        yield from _in_numbers(_Parts(one, [*middle, *particles], other, second_last))
        if middle and one and one[0].key.word in keys.INITIALS:
            yield from _in_numbers(_Parts(one, particles, other, second_last))


def _in_numbers(parts: _Parts) -> Iterator[str]:
    """People differ in the number at the end of their keys where first names do; or else these are of one person.

    Both are read where both may be. Numbers at the end of surnames alone ("apellido2") are of one person.
    """
    ends = {said.key.end for said in parts.first}
    if len(ends) < 2:
        yield from _in_places(parts)
        return
    shared = parts.only(_UNNUMBERED)
    for end in sorted({said.key.end for part in parts for said in part}):
        own = parts.only(end)
        if own.first or end != _UNNUMBERED:
            yield from _in_places(own)
        if own.first and not own.last and shared.last:
            yield from _in_places(shared._replace(first=own.first, middle=own.middle or shared.middle))
    if len(ends) <= _MOST_OF_ONE:
        yield from _put_together(parts)


def _in_places(parts: _Parts) -> Iterator[str]:
    """One name; and one for each place of lists that are of one length ("first": ["Ana", "Luis"], "last": […])."""
    count = len(parts.first)
    are_lists = count > 1 and len(parts.last) == count and len({said.key.end for said in parts.last}) == 1
    if are_lists and {len(parts.middle), len(parts.second_last)} <= {0, count}:
        for at in range(count):
            yield from _put_together(_Parts(*(part[at : at + 1] for part in parts)))
        if count > _MOST_OF_ONE:
            return
    yield from _put_together(parts)


def _put_together(parts: _Parts) -> Iterator[str]:
    """First and last name with a space between them, or what there is of them."""
    first, middle, last, second_last = ([said.text for said in part] for part in parts)
    if not (first and last):
        alone = [*first, *last]
        if not middle and not second_last:
            yield from alone
        if alone or second_last:
            yield " ".join((*first, *middle, *last, *second_last))
        return
    given, family = " ".join((*first, *middle)), " ".join((*last, *second_last))
    ours, theirs = _words(given), _words(family)
    if ours & theirs:  # of "Ana Pérez" and "Pérez"; of "Ana Pérez" and "Pérez Gil"
        sides = ((given, ours, theirs), (family, theirs, ours))
        yield from (name for name, words, others in sides if len(words) > 1 and not words < others)
    if (ours - theirs and theirs - ours) or (ours == theirs and len(ours) == 1):
        yield _joined(given.split(), family.split())


def _joined(given: list[str], family: list[str]) -> str:
    """Both, and once what ends the one and begins the other; but "Martín Martín"."""
    for count in range(min(len(given), len(family), max(len(given), len(family)) - 1), 0, -1):
        if _words(" ".join(given[-count:])) == _words(" ".join(family[:count])):
            return " ".join((*given, *family[count:]))
    return " ".join((*given, *family))


def _words(text: str) -> set[str]:
    return set(text.casefold().split())


def _under(value: Sequence[_Said], words: Iterable[str]) -> list[_Said]:
    return [said for texts in _by_word(value, words) for said in texts]


def _by_word(value: Sequence[_Said], words: Iterable[str]) -> list[list[_Said]]:
    """What is said under each of the words that are there."""
    said: dict[str, list[_Said]] = {}
    for item in value:
        said.setdefault(item.key.word, []).append(item)
    return [said[word] for word in words if word in said] if said else []


def _by_key(value: Mapping[Any, Any]) -> list[_Said]:
    """The texts under each key; of numbered keys in the order of their numbers."""
    read = [(read_key(str(written)), item) for written, item in value.items()]
    return [
        _Said(_told_by_value(key, item), text)
        for key, item in sorted(read, key=lambda pair: (pair[0].number, pair[0].end))
        for text in _named(item, inside=True)
    ]


def _told_by_value(key: Key, item: Any) -> Key:
    """An account that is a person by its value, and an unknown word whose value has first or last names."""
    is_person = isinstance(item, Mapping) or (isinstance(item, str) and len(item.split()) > 1)
    if key.word in keys.ACCOUNT and is_person:
        return key._replace(word="person")
    if key.word not in keys.KNOWN and any(
        read_key(str(inner)).word in (*keys.FIRST, *keys.LAST)
        for part in (item if isinstance(item, list) else [item])
        if isinstance(part, Mapping)
        for inner in part
    ):
        return key._replace(word=keys.SOMEBODY)
    return key
