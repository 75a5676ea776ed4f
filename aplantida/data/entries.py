"""From a collection's documents to *entries*: one row per image entry, or per refused document.

The rows are built column by column: a collection holds a hundred times more entries than documents.

An anti-corruption layer. What a collection calls its fields is a :class:`FieldMapping`. What they may hold (strings for
images, nulls, numbers for text, names in any case) is settled here and in ``field_values``, and never raises: what
cannot be read is null, or a row with a reason.
"""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aplantida.data.entry_columns import ENTRY_SCHEMA, columns_of
from aplantida.data.entry_shapes import (
    addresses_in,
    are_single,
    entries_in,
    name_of,
    name_refusal,
    without_address,
)
from aplantida.data.field_mapping import (
    FIELDS,
    IMAGE_FIELDS,
    FieldMapping,
    Path,
    first_of,
    is_of_document,
    starts_at_document,
)
from aplantida.data.field_values import (
    addresses_of,
    common_names_of,
    countries_of,
    cut,
    license_id_of,
    read_each,
    text_of,
    unread_countries_of,
)
from aplantida.data.identifiers import document_id_of
from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.dates import DateOrder
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.record import Reason, image_id_of
from aplantida.domain.taxonomy import NameReader, Naming, ReadName, genus_of
from aplantida.domain.text import valid_address

_OF_DOCUMENTS = (
    *("document_id", "scientific_name", "synonym", "name_authors", "refused_name"),
    *("family", "genus", "common_names", "distribution", "unread_distribution"),
)
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NAMING, _NAMELESS = Naming(), ReadName()
_NO_TEXTS = LicenseTexts()
_BYTES_OF_ENTRY, _BYTES_OF_OFFSET = 400, 4


_NO_VALUES = (None,) * len(IMAGE_FIELDS)


class EntryBuilder:
    """Gathers the entries of documents into tables of ``ENTRY_SCHEMA``.

    Args:
        mapping: the collection's field names.
        default_license: licence of entries whose shape has no place for one (a bare string, or a mapping without
            ``image_license`` paths). An entry that could name a licence and does not is not covered.
        synonyms: accepted name by name; see :func:`aplantida.domain.taxonomy.read_synonyms`.
        naming: how names become classes.
        license_texts: how licence texts are read.
        date_order: what comes first in dates of numbers that begin with no year.
        mixed_ids: whether the collection has ``_id`` of more than one BSON type.
        secrets: of addresses, which are no part of an image id.

    Attributes:
        num_bytes: about how much memory the rows gathered since the last :meth:`take` will need.
    """

    def __init__(
        self,
        mapping: FieldMapping,
        default_license: str | None,
        synonyms: Mapping[str, str] = _NOTHING,
        naming: Naming = _NAMING,
        license_texts: LicenseTexts = _NO_TEXTS,
        date_order: DateOrder = "day_first",
        mixed_ids: bool = False,
        secrets: AddressSecrets = USUAL,
    ) -> None:
        self._paths: dict[str, Sequence[Path]] = {name: getattr(mapping, name) for name in FIELDS}
        self._roots = mapping.roots()
        self._image_paths = [self._paths[name] for name in IMAGE_FIELDS]
        self._keys = [_plain_key(paths) for paths in self._image_paths]
        self._are_plain = None not in self._keys
        self._names_licenses = bool(mapping.image_license)
        self._default_is_for_bare = not starts_at_document(mapping.image_license)
        self._date_order: DateOrder = date_order
        self._mixed_ids, self._secrets = mixed_ids, secrets
        self._license_texts = license_texts
        self._default_license = license_texts.read(default_license).license_id
        self._names = NameReader(naming, synonyms)
        self._clear()

    def __len__(self) -> int:
        """Rows gathered since the last :meth:`take`."""
        return len(self._owners)

    def add(self, document: Mapping[str, Any], problems: Mapping[str, str] = _NOTHING) -> None:
        """Gather one document, as the collection holds it: its image entries, or itself when it is refused.

        Args:
            document: what could be read of it.
            problems: of its fields that could not be read, why; they count where the mapping asks for them.
        """
        name = name_of(self._first(document, "scientific_name"))
        name_text, no_name = text_of(name), name_refusal(name, self._secrets)
        read = self._names.read(name_text) if name_text else _NAMELESS
        images = self._images_of(document)
        owner = {
            "document_id": document_id_of(document.get("_id"), mixed=self._mixed_ids),
            "scientific_name": read.name,
            "synonym": read.synonym,
            "name_authors": read.authors,
            "refused_name": self._secrets.public_text(read.refusal) if read.refusal else no_name,
        }
        if unread := sorted(self._roots & set(problems)):
            owner = {"document_id": owner["document_id"]}
            self._refuse(owner, Reason.DOCUMENT_INVALID, f"field {unread[0]!r}: {problems[unread[0]]}")
        elif read.name is None:
            self._refuse_name(owner, name_text, document, images if isinstance(images, Sequence) else ())
        elif images is None or images == []:
            self._refuse(owner, Reason.DOCUMENT_NO_IMAGES)
        elif not isinstance(images, Sequence):
            shown = f"{cut(str(images))} ({type(images).__name__})"
            self._refuse(owner, Reason.DOCUMENT_INVALID, f"images is {shown}: want a list of entries")
        else:
            distribution = self._first(document, "distribution")
            owner |= {
                "family": text_of(self._first(document, "family")),
                "genus": text_of(self._first(document, "genus")) or genus_of(read.name),
                "common_names": common_names_of(self._first(document, "common_names")),
                "distribution": countries_of(distribution),
                "unread_distribution": unread_countries_of(distribution),
            }
            self._add_images(owner, document, images)

    def take(self) -> pa.Table:
        """The rows gathered so far, in the order they came; the builder is empty afterwards."""
        owners = pa.table({name: pa.array(self._documents[name], _type(name)) for name in _OF_DOCUMENTS})
        owned = owners.take(pa.array(self._owners, pa.int32()))
        columns = {name: owned[name] for name in _OF_DOCUMENTS} | self._entries(owned["document_id"].to_pylist())
        self._clear()
        return pa.table({name: columns[name] for name in ENTRY_SCHEMA.names}, schema=ENTRY_SCHEMA)

    def _clear(self) -> None:
        self._documents: dict[str, list[Any]] = {name: [] for name in _OF_DOCUMENTS}
        self._owners: list[int] = []  # of each row: its document's place in _documents
        self._positions: list[int | None] = []
        self._values: list[list[Any]] = [[] for _ in IMAGE_FIELDS]  # of each row, as the collection holds them
        self._bare: list[int] = []  # rows of entries that are no mappings
        self._said: dict[int, tuple[Reason, str | None]] = {}  # what speaks against rows
        self.num_bytes = 0

    def _own(self, owner: Mapping[str, Any], positions: Sequence[int | None]) -> None:
        for name, values in self._documents.items():
            values.append(owner.get(name))
        self._owners += [len(self._documents["document_id"]) - 1] * len(positions)
        self._positions += positions
        words = [*owner.get("common_names", ()), *owner.get("distribution", ())]
        self.num_bytes += len(positions) * (_BYTES_OF_ENTRY + sum(map(len, words)) + _BYTES_OF_OFFSET * len(words))

    def _refuse(self, owner: Mapping[str, Any], reason: Reason, detail: str | None = None) -> None:
        self._said[len(self)] = reason, detail
        self._own(owner, [None])
        self._keep([_NO_VALUES])

    def _refuse_name(
        self, owner: Mapping[str, Any], text: str | None, document: Mapping[str, Any], images: Sequence[Any]
    ) -> None:
        refusal = owner["refused_name"]
        if refusal is None:
            self._refuse(owner, Reason.DOCUMENT_NO_NAME, f"name is {text!r}")
        else:
            self._refuse(owner, Reason.DOCUMENT_NAME_REFUSED, refusal)
        said = Reason.ENTRY_OF_REFUSED_NAME if refusal else Reason.ENTRY_OF_NAMELESS_DOCUMENT, refusal
        urls = [url for image in images for url in addresses_in(self._read(image, document)[0])]
        self._said |= dict.fromkeys(range(len(self), len(self) + len(urls)), said)
        self._own({"document_id": owner["document_id"]}, range(len(urls)))
        self._keep([(url, *_NO_VALUES[1:]) for url in urls])

    def _images_of(self, document: Mapping[str, Any]) -> Any:
        paths = self._paths["images"]
        images = document if not paths else self._first(document, "images")
        return [document] if images is document else entries_in(images, self._image_paths)

    def _add_images(self, owner: Mapping[str, Any], document: Mapping[str, Any], images: Sequence[Any]) -> None:
        if self._are_plain and set(map(type, images)) == {dict}:  # nearly always: and there are very many
            columns = [
                [image.get(key) for image in images] if key else [first_of(document, paths)] * len(images)
                for key, paths in zip(self._keys, self._image_paths, strict=True)
            ]
            if all(columns[0]) and are_single(columns[0]):
                self._own(owner, range(len(images)))
                for values, column in zip(self._values, columns, strict=True):
                    values += column
                return
        rows: list[tuple[Any, ...]] = []
        for image in images:
            values = self._read(image, document)
            for address in addresses_in(values[0]):
                row = len(self) + len(rows)
                if not isinstance(image, Mapping):
                    self._bare.append(row)
                if not (valid_address(address) if isinstance(address, str) else text_of(address)):
                    self._said[row] = Reason.ENTRY_NO_URL, without_address(image, address, self._secrets)
                rows.append((address, *values[1:]))
        self._own(owner, range(len(rows)))
        self._keep(rows)

    def _keep(self, rows: Sequence[tuple[Any, ...]]) -> None:
        for number, values in enumerate(self._values):
            values += [row[number] for row in rows]

    def _read(self, image: Any, document: Mapping[str, Any]) -> tuple[Any, ...]:
        """``IMAGE_FIELDS`` of an entry of any shape."""
        if isinstance(image, str):
            return image, *(first_of(_NOTHING, paths, document) for paths in self._image_paths[1:])
        if not isinstance(image, Mapping):
            return _NO_VALUES
        return tuple(first_of(image, paths, document) for paths in self._image_paths)

    def _entries(self, document_ids: Sequence[str]) -> dict[str, pa.Array]:
        """The columns that belong to entries."""
        urls = addresses_of(self._values[0])
        for row in np.flatnonzero(urls.is_null().to_numpy(zero_copy_only=False)).tolist():
            self._said.setdefault(row, (Reason.ENTRY_NO_URL, without_address({}, None, self._secrets)))
            for values in self._values:
                values[row] = None
        values = dict(zip(IMAGE_FIELDS, self._values, strict=True))
        return {
            **columns_of(values, self._date_order),
            "url": urls,
            "image_id": pa.array(map(self._id, document_ids, urls.to_pylist()), pa.string()),
            "position": pa.array(self._positions, pa.int32()),
            "license_id": self._license_ids(values["image_license"], urls),
            "reason": self._column_of_said(0),
            "detail": self._column_of_said(1),
        }

    def _license_ids(self, values: Sequence[Any], urls: pa.Array) -> pa.Array:
        ids = read_each(values, lambda value: license_id_of(value, self._license_texts))
        bare = self._bare if self._default_is_for_bare else []
        if self._default_license is None or (self._names_licenses and not bare):
            return ids
        covered = np.zeros(len(values), bool)
        covered[bare if self._names_licenses else slice(None)] = True
        covered[[row for row, (reason, _detail) in self._said.items() if reason != Reason.ENTRY_NO_URL]] = False
        return pc.if_else(pc.and_(pa.array(covered), urls.is_valid()), self._default_license, ids)

    def _column_of_said(self, which: int) -> pa.Array:
        column: list[str | None] = [None] * len(self)
        for row, said in self._said.items():
            column[row] = said[which]
        return pa.array(column, pa.string())

    def _id(self, document_id: str, url: str | None) -> str | None:
        return image_id_of(document_id, url, self._secrets) if url else None

    def _first(self, value: Any, field: str) -> Any:
        return first_of(value, self._paths[field])


def _plain_key(paths: Sequence[Path]) -> str | None:
    """The one field that the only path is; empty where every entry of a document has one value; else None."""
    if not paths or is_of_document(paths):
        return ""
    path = paths[0]
    return path if len(paths) == 1 and isinstance(path, str) and "." not in path else None


def _type(name: str) -> pa.DataType:
    return ENTRY_SCHEMA.field(name).type
