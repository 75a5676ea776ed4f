"""What a sample of documents suggests that a collection calls its fields: a mapping to look through, with examples.

A field is proposed for what its values are read as (names, licences, dates, countries, addresses), and for what people
call such fields in Spanish and English.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aplantida.data.field_mapping import DOCUMENT, IMAGE_FIELDS, Path, first_of
from aplantida.data.field_values import common_names_of, countries_of, country_of, date_of, license_id_of, text_of
from aplantida.data.identifiers import observation_id_of
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.taxonomy import NameReader, Naming

SAMPLE = 200  # documents
MOST_FIELDS = 100  # that are listed
_DEEPEST, _MOST_EXAMPLES, _LONGEST_EXAMPLE = 5, 3, 60
_LEAST_READ = 0.3  # of the values: fewer, and the field is something else
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
_NO_TEXTS, _NAMES = LicenseTexts(), NameReader(Naming(), {})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A field to be found: what it may be called, and whether a value is one."""

    called: str
    is_one: Callable[[Any], bool]
    by_value: bool = False  # what it is called need not say it
    unread: bool = False  # what it is called says it, even where no value can be read: the audit lists those


def _is_text(value: Any) -> bool:
    return text_of(value) is not None and not _is_address(value)


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and _ADDRESS.match(value.strip()) is not None and not _is_license(value)


def _is_id(value: Any) -> bool:
    return observation_id_of(value) is not None


def _is_license(value: Any) -> bool:
    return license_id_of(value, _NO_TEXTS) is not None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAMES.read(str(value)).name is not None


def _is_country(value: Any) -> bool:
    return country_of(value) is not None


def _is_date(value: Any) -> bool:
    return not isinstance(value, int | float) and date_of(value, "day_first").day is not None


_OF_DOCUMENTS = {
    "scientific_name": _Wanted(r"scien|cient|latin|binom|especie|species|tax[oó]n|^nombre$|^name$", _is_name, True),
    "family": _Wanted(r"famil", _is_text),
    "genus": _Wanted(r"^gen(us|ero)$|^género$", _is_text),
    "common_names": _Wanted(r"common|vernac|vulgar|com[uú]n|popular", lambda value: bool(common_names_of(value))),
    "distribution": _Wanted(
        r"distrib|range|nativ|[aá]rea|pa[ií]ses|countries", lambda value: bool(countries_of(value))
    ),
}
_OF_ENTRIES = {
    "image_url": _Wanted(r"url|f[oó]to|photo|imag|media|pic|file|archivo|src|href", _is_address, True),
    "image_license": _Wanted(r"licen|rights|derechos|copyright", _is_license, True, True),
    "image_author": _Wanted(r"aut(h)?or|photog|f[oó]t[oó]gr|creator|credit|user|usuario|observer|holder", _is_text),
    "image_source": _Wanted(r"source|fuente|origen|provider|dataset|procedencia", _is_text),
    "image_observation_id": _Wanted(
        r"obs.*id|id.*obs|occurrence|ejemplar|individu|plant.?id|specimen", lambda _value: True
    ),
    "image_observed_on": _Wanted(r"date|fecha|obs.*on$|when|cu[aá]ndo|taken|^d[ií]a", _is_date, unread=True),
    "image_country": _Wanted(r"country|countries|pa[ií]s|nation", _is_country, unread=True),
}
_GENUS = re.compile(r"gen(us|ero)|género", re.IGNORECASE)
_EPITHET = re.compile(r"ep[ií]t|specific|espec|species", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping, and what it was made of.

    Attributes:
        num_documents: of the sample.
        paths: of the mapping, by field; empty where nothing was found.
        examples: by field, values its first path leads to.
        seen: values of the documents by dotted path, the fields of lists of mappings after ``[].``.
    """

    num_documents: int
    paths: Mapping[str, tuple[Path, ...]]
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    seen: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])

    def fields_seen(self) -> dict[str, int]:
        """How many values each field has, the most frequent fields first."""
        counts = [(path, len(values)) for path, values in self.seen.items()]
        counts.sort(key=lambda item: (-item[1], item[0]))
        return dict(counts[:MOST_FIELDS])


def propose(documents: Sequence[Mapping[str, Any]]) -> Proposal:
    """Propose a mapping for documents as the collection holds them."""
    top, mappings = _values_of(documents)
    images, entries = _images_in(documents, top)
    inside, _ = _values_of([entry for entry in entries if isinstance(entry, Mapping)])
    own = top if images == DOCUMENT else inside
    paths: dict[str, tuple[Path, ...]] = {name: _one(_best(top, wanted)) for name, wanted in _OF_DOCUMENTS.items()}
    paths["scientific_name"] = paths["scientific_name"] or _joined(documents, top)
    paths["common_names"] = _one(_best({**top, **mappings}, _OF_DOCUMENTS["common_names"]))
    paths["images"] = _one(images)
    for name, wanted in _OF_ENTRIES.items():
        found = _best(own, wanted)
        above = None if found or images == DOCUMENT or name == "image_url" else _best(top, wanted)
        paths[name] = _one(found) or _one(f"{DOCUMENT}.{above}" if above else None)
    names = [text_of(first_of(document, paths["scientific_name"])) for document in documents]
    if not paths["image_observation_id"] and images not in (None, DOCUMENT) and len(set(names)) < len(names) / 2:
        paths["image_observation_id"] = (f"{DOCUMENT}._id",)  # species are repeated: a document is an observation
    seen = top if images == DOCUMENT else {**top, **{f"{images}[].{path}": some for path, some in inside.items()}}
    return Proposal(len(documents), paths, _examples(paths, documents, entries), seen)


def _images_in(
    documents: Sequence[Mapping[str, Any]], top: Mapping[str, Sequence[Any]]
) -> tuple[str | None, list[Any]]:
    """The path of the list that names most addresses, with its elements; the document where none does."""
    lists = {
        path: [item for value in values if isinstance(value, list) for item in value] for path, values in top.items()
    }
    counts = {path: sum(map(_names_address, items)) for path, items in lists.items()}
    best = max(counts, key=lambda path: (counts[path], -len(path)), default=None)
    if best is not None and counts[best]:
        return best, lists[best]
    has_address = any(_is_address(value) for values in top.values() for value in values)
    return (DOCUMENT, list(documents)) if has_address else (None, [])


def _names_address(entry: Any) -> bool:
    if isinstance(entry, Mapping):
        return any(_is_address(value) for values in _values_of([entry])[0].values() for value in values)
    return _is_address(entry)


def _best(fields: Mapping[str, Sequence[Any]], wanted: _Wanted) -> str | None:
    """The field whose values are read best; what it is called weighs as much as half of them."""
    scores: dict[str, float] = {}
    for path, values in fields.items():
        called = any(re.search(wanted.called, step, re.IGNORECASE) for step in path.split("."))
        read = _share(values, wanted.is_one)
        is_read = read >= _LEAST_READ and (called or (wanted.by_value and read > 1 - _LEAST_READ))
        if is_read or (called and wanted.unread):
            scores[path] = read + called / 2
    return max(scores, key=lambda path: (scores[path], len(fields[path]), -len(path)), default=None)


def _joined(documents: Sequence[Mapping[str, Any]], top: Mapping[str, Sequence[Any]]) -> tuple[Path, ...]:
    """Genus and epithet where only both together are a name."""
    pairs = [
        (genus, epithet)
        for genus in top
        for epithet in top
        if genus != epithet and _GENUS.search(genus.rpartition(".")[2]) and _EPITHET.search(epithet.rpartition(".")[2])
    ]
    shares = {pair: _share([first_of(document, [pair]) for document in documents], _is_name) for pair in pairs}
    best = max(shares, key=lambda pair: shares[pair], default=None)
    return (best,) if best is not None and shares[best] >= _LEAST_READ else ()


def _values_of(documents: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The values that are there, by dotted path, and the mappings they lie in; what lies in lists stays in them."""
    found: dict[str, list[Any]] = {}
    mappings: dict[str, list[Any]] = {}

    def walk(value: Any, path: str, depth: int) -> None:
        if isinstance(value, Mapping) and depth < _DEEPEST:
            mappings.setdefault(path, []).append(value)
            for key, inner in value.items():
                if key and "." not in str(key) and not str(key).startswith("$"):
                    walk(inner, f"{path}.{key}" if path else str(key), depth + 1)
        elif value is not None and path:
            found.setdefault(path, []).append(value)

    for document in documents:
        walk(document, "", 0)
    return found, {path: values for path, values in mappings.items() if path}


def _share(values: Sequence[Any], is_one: Callable[[Any], bool]) -> float:
    return sum(map(is_one, values)) / len(values) if values else 0.0


def _one(path: Path | None) -> tuple[Path, ...]:
    return () if path is None else (path,)


def _examples(
    paths: Mapping[str, tuple[Path, ...]], documents: Sequence[Mapping[str, Any]], entries: Sequence[Any]
) -> dict[str, Sequence[str]]:
    examples: dict[str, Sequence[str]] = {}
    for name, given in paths.items():
        inside = name in IMAGE_FIELDS and not any(isinstance(path, str) and path.startswith(DOCUMENT) for path in given)
        values = [first_of(item, given) for item in (entries if inside else documents)] if name != "images" else []
        texts = dict.fromkeys(example_of(value) for value in values if value is not None)
        examples[name] = list(texts)[:_MOST_EXAMPLES]
    return examples


def example_of(value: Any) -> str:
    """A value in a few characters of one line."""
    text = text_of(value)
    shown = json.dumps(text, ensure_ascii=False) if text is not None else f"{type(value).__name__}: {value!r}"
    shown = " ".join(shown.split())
    return shown if len(shown) <= _LONGEST_EXAMPLE else f"{shown[:_LONGEST_EXAMPLE]}…"
