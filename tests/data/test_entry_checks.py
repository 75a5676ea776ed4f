from __future__ import annotations

from typing import Any

import pyarrow as pa

from aplantida.data.addresses import AddressGuard
from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.data.entry_checks import check_each
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts
from tests.fixtures.entries import entry

OPT_OUTS = OptOuts.of(["Nemo Nobody"], ["shy.example"])


def reasons(rows: list[dict[str, Any]]) -> list[str | None]:
    table = pa.Table.from_pylist(rows, ENTRY_SCHEMA)
    checked = check_each(table, AddressGuard.of([]), OPT_OUTS, LicensePolicy(allow_share_alike=False))
    assert checked.schema == ENTRY_SCHEMA
    return checked["reason"].to_pylist()


def test_the_first_reason_counts() -> None:
    assert reasons(
        [
            entry("a", 0, "Rosa canina", "1", url="http://10.0.0.1/x", license_id=None),
            entry("a", 1, "Rosa canina", "2", license_id=None),
            entry("a", 2, "Rosa canina", "3", license_id="CC-BY-SA-4.0"),
            entry("a", 3, "Rosa canina", "4", reason="entry_no_url", url=None),
            entry("a", 4, "Rosa canina", "5"),
        ]
    ) == ["address_refused", "license_refused", "license_refused", "entry_no_url", None]


def test_the_word_that_was_not_understood_is_in_the_row() -> None:
    rows = [
        entry("a", 0, "Rosa canina", "1", license_id=None, license_text="CC BY 4.0, uso docente"),
        entry("a", 1, "Rosa canina", "2", license_id=None),
        entry("a", 2, "Rosa canina", "3", license_id="CC-BY-NC", license_text="cc-by-nc"),
    ]
    table = pa.Table.from_pylist(rows, ENTRY_SCHEMA)
    assert check_each(table, AddressGuard.of([]), OPT_OUTS, LicensePolicy())["detail"].to_pylist() == [
        "unreadable licence: 'uso' is not understood ('CC BY 4.0, uso docente')",
        "unreadable or missing licence (None)",
        "CC-BY-NC forbids commercial use ('cc-by-nc')",
    ]


def test_who_opted_out_is_refused_whatever_the_licence_says() -> None:
    assert reasons(
        [
            entry("a", 0, "Rosa canina", "1", author="nemo  NOBODY", license_id=None),
            entry("a", 1, "Rosa canina", "2", url="https://img.shy.example/2.jpg"),
            entry("a", 2, "Rosa canina", "3", author="Ana"),
        ]
    ) == ["opted_out", "opted_out", None]


def test_an_address_that_could_be_allowed_says_how() -> None:
    urls = [
        "http://10.0.0.1/x",
        "https://cdn.local:8443/x",
        "ftp://a.org/x",
        "http://[::1]:8080/x",
        "http://a b/",
        "http://[",
    ]
    rows = [entry("a", number, "Rosa canina", "1", url=url) for number, url in enumerate(urls)]
    details = check_each(pa.Table.from_pylist(rows, ENTRY_SCHEMA), AddressGuard.of([]), OPT_OUTS, LicensePolicy())[
        "detail"
    ]
    assert [detail.partition("; ")[2] for detail in details.to_pylist()] == [
        "allow_addresses: ['10.0.0.1:80'] accepts it",
        "allow_addresses: ['cdn.local:8443'] accepts it",
        "",
        "allow_addresses: ['::1:8080'] accepts it",
        "",
        "",
    ]


def test_a_withdrawn_photo_is_refused_by_id_and_by_address_without_its_secrets() -> None:
    first = entry("a", 0, "Rosa canina", "1", license_id=None)
    rows = [first, entry("a", 1, "Rosa canina", "2?token=now"), entry("a", 2, "Rosa canina", "3")]
    outs = OptOuts.of([], [], [first["image_id"], "http://example.org/2?token=then"])
    checked = check_each(pa.Table.from_pylist(rows, ENTRY_SCHEMA), AddressGuard.of([]), outs, LicensePolicy())
    assert checked["reason"].to_pylist() == ["opted_out", "opted_out", None]
    assert checked["detail"].to_pylist()[1] == "the photo at http://example.org/2 was withdrawn"
