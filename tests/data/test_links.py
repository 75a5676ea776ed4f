from __future__ import annotations

from typing import Any

import pyarrow as pa

from aplantida.data.addresses import AddressGuard
from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.data.links import check_each, check_together, records_of, rejections_of
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, image_id_of

OPT_OUTS = OptOuts.of(["Nemo Nobody"], ["shy.example"])


def entry(document_id: str, position: int, species: str, name: str, **changes: Any) -> dict[str, Any]:
    url = f"http://example.org/{name}"
    return {
        "image_id": image_id_of(document_id, url),
        "document_id": document_id,
        "position": position,
        "url": url,
        "scientific_name": species,
        "license_id": "CC0-1.0",
        **changes,
    }


def checked(rows: list[dict[str, Any]], least: int = 1) -> pa.Table:
    table = pa.Table.from_pylist(rows, ENTRY_SCHEMA)
    each = check_each(table, AddressGuard.of([]), OPT_OUTS, LicensePolicy(allow_share_alike=False))
    return check_together(each, least)


def reasons(table: pa.Table) -> list[str | None]:
    return table["reason"].to_pylist()


def test_the_first_reason_counts() -> None:
    table = checked(
        [
            entry("a", 0, "Rosa canina", "1", url="http://10.0.0.1/x", license_id=None),
            entry("a", 1, "Rosa canina", "2", license_id=None),
            entry("a", 2, "Rosa canina", "3", license_id="CC-BY-SA-4.0"),
            entry("a", 3, "Rosa canina", "4", reason="entry_no_url", url=None),
            entry("a", 4, "Rosa canina", "5"),
        ]
    )
    assert reasons(table) == ["address_refused", "license_refused", "license_refused", "entry_no_url", None]


def test_who_opted_out_is_refused_whatever_the_licence_says() -> None:
    table = checked(
        [
            entry("a", 0, "Rosa canina", "1", author="nemo  NOBODY", license_id=None),
            entry("a", 1, "Rosa canina", "2", url="https://img.shy.example/2.jpg"),
            entry("a", 2, "Rosa canina", "3", author="Ana"),
        ]
    )
    assert reasons(table) == ["opted_out", "opted_out", None]


def test_a_url_repeated_in_a_species_stays_once_whatever_the_order_of_rows() -> None:
    rows = [entry("b", 0, "Rosa canina", "1"), entry("a", 5, "Rosa canina", "1"), entry("a", 9, "Rosa canina", "1")]
    for order in (rows, rows[::-1]):
        records = records_of(checked(order))
        assert records["document_id"].to_pylist() == ["a"]
        assert rejections_of(checked(order))["reason"].to_pylist() == ["same_url_in_one_species"] * 2


def test_a_url_of_two_species_is_refused_for_both_unless_one_was_refused_before() -> None:
    rows = [entry("a", 0, "Rosa canina", "1"), entry("b", 0, "Rosa gallica", "1")]
    assert reasons(checked(rows)) == ["same_url_in_two_species"] * 2
    rows[1]["license_id"] = "CC-BY-NC-4.0"
    assert reasons(checked(rows)) == [None, "license_refused"]


def test_images_are_counted_per_species_over_all_its_documents() -> None:
    rows = [entry("a", n, "Rosa canina", f"a{n}") for n in range(2)]
    rows += [entry("b", n, "Rosa canina", f"b{n}") for n in range(2)]
    rows += [entry("c", n, "Rosa gallica", f"c{n}") for n in range(3)]
    table = checked(rows, 4)
    assert reasons(table) == [None] * 4 + ["entry_of_species_with_too_few_images"] * 3


def test_tables_have_their_schemas() -> None:
    table = checked([entry("a", 0, "Rosa canina", "1"), entry("a", 1, "Rosa canina", "2", license_id=None)])
    assert records_of(table).schema == RECORD_SCHEMA
    assert rejections_of(table).schema == REJECTION_SCHEMA
