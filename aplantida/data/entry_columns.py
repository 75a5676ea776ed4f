"""The columns of entries: what all readers of a collection write down, and what only values of one column decide."""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aplantida.data.field_values import (
    country_of,
    date_of,
    license_text_of,
    read_each,
    unread_of,
)
from aplantida.data.identifiers import observation_id_of
from aplantida.data.people_values import people_of
from aplantida.domain.dates import DateOrder
from aplantida.domain.record import RECORD_SCHEMA

ENTRY_SCHEMA = pa.schema(
    [
        *(field.with_nullable(True) for field in RECORD_SCHEMA),
        pa.field("synonym", pa.string()),  # the document's name where the synonyms file gave another
        pa.field("name_authors", pa.string()),  # of the scientific name, as the document gives them
        pa.field("refused_name", pa.string()),  # of a document refused for its name: what was read, and why not
        pa.field("unread_distribution", pa.string()),  # what of the document's distribution is no country
        pa.field("unread_date", pa.string()),  # what is there in place of a date
        pa.field("unread_country", pa.string()),  # what is there in place of a country
        pa.field("is_date_ambiguous", pa.bool_()),  # whether only `date_order` decided what is day and what month
        pa.field("position", pa.int32()),  # of the entry inside its document; null for a refused document
        pa.field("reason", pa.string()),  # null while nothing speaks against the entry
        pa.field("detail", pa.string()),
    ]
)


def columns_of(values: Mapping[str, Sequence[Any]], order: DateOrder) -> dict[str, pa.Array]:
    """What entries say, but for their address and the licence it comes to.

    Args:
        values: by field of :class:`FieldMapping`, of every entry, as the collection holds them.
        order: of numbers in dates.
    """
    dates, countries = values["image_observed_on"], values["image_country"]
    observed_on = read_each(dates, lambda value: date_of(value, order).day)
    ambiguous = read_each(dates, lambda value: "yes" if date_of(value, order).ambiguous else None)
    country = read_each(countries, country_of)
    return {
        "license_text": read_each(values["image_license"], license_text_of),
        "author": people_of(values["image_author"]),
        "source": people_of(values["image_source"]),
        "observation_id": read_each(values["image_observation_id"], observation_id_of),
        "observed_on": observed_on,
        "country": country,
        "unread_date": _unread(dates, observed_on),
        "unread_country": _unread(countries, country),
        "is_date_ambiguous": ambiguous.is_valid(),
    }


def _unread(values: Sequence[Any], read: pa.StringArray) -> pa.StringArray:
    """Of values of which nothing was read, the text."""
    unread: list[str | None] = [None] * len(values)
    for row in np.flatnonzero(read.is_null().to_numpy(zero_copy_only=False)).tolist():
        unread[row] = unread_of(values[row])
    return pa.array(unread, pa.string())
