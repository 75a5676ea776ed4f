"""Shapes of names and entries: what is plainly meant is read, all else is named, and nothing is lost without a word."""

from __future__ import annotations

import string
from typing import Any

import pytest

from aplantida.data.entries import EntryBuilder
from aplantida.data.entry_shapes import Unread, addresses_in
from aplantida.domain.record import Reason, image_id_of
from aplantida.phases._collection import MappingSection

A, B, C = (f"https://example.org/{name}.jpg" for name in "abc")


SEPARATORS = (
    *(" - ", " / ", " & ", " y ", " and ", " + ", " • ", " ,, ", ", y ", "<br/> ", "<br>", " — ", " &amp; ", ",, "),
    *(" ,", ", ,", ",;"),
)
NOT_PLAIN = (
    *(f"1) {A} 2) {B}", f"{A} (front) {B} (leaf)", f"({A}) ({B})", f"{A}. {B}.", f"{A}- {B}", f"{A}• {B}"),
    *(f"•{A} •{B}", f"'{A}', '{B}'", f"see {A} {B}", f"{A} or better {B}", f"https://h/a b.jpg, {B}", f'"{A}" "{B}"'),
    *(f"{A}/ {B}", f"{A}) {B}"),
)


def entry(url: Any, **more: Any) -> dict[str, Any]:
    return {"url": url, "license": "CC BY 4.0", "author": "Ana", **more}


def rows_of(images: Any, name: Any = "Rosa canina", **mapping: Any) -> list[dict[str, Any]]:
    builder = EntryBuilder(MappingSection(**mapping).to_mapping(), "CC0-1.0")
    builder.add({"_id": "d", "scientificName": name, "images": images})
    return builder.take().to_pylist()


@pytest.mark.parametrize(
    "images",
    [
        [entry(A), entry(B)],
        {"front": entry(A), "leaf": entry(B)},
        {"0": entry(A), "1": entry(B)},
        {"front": [entry(A)], "leaf": [entry(B)]},
        [[entry(A), entry(B)]],
        [[entry(A)], entry(B)],
        {"front": A, "leaf": B},
        [A, B],
        [[A], [B]],
        [[[entry(A)]], [[[entry(B)]]]],
        [entry([[A], [[B]]])],
        [entry([A, None, "", B])],
        {"front": entry(A), "leaf": None, "root": [], "fruit": {}, "bark": " ", "leaf2": entry(B), "count": 2},
        {"front": [[entry(A)], entry(B)]},
        {"front": A, "leaf": None, "fruit": [B]},
        *(f"{A}{between}{B}" for between in (", ", " ", "\n", ";", ",", " | ", "|", "\t", " ;\r\n", "; ")),
        *([entry(f"{A}{between}{B}")] for between in (", ", " ", "\n", ";", ",", " | ", "|", "\t", " ;\r\n", "; ")),
        *([entry(f"{A}{between}{B}")] for between in SEPARATORS),
        *(f"{A}{between}{B}" for between in SEPARATORS),
        *([entry(text)] for text in (f"{A}, {B},", f" ; {A} | {B} |", f"{A},\n{B}\n")),
        [entry([A, B])],
        [entry([f"{A} {B}"])],
    ],
)
def test_entries_by_any_shape_are_those_of_a_list(images: Any) -> None:
    rows = rows_of(images)
    assert [(row["url"], row["reason"], row["position"]) for row in rows] == [(A, None, 0), (B, None, 1)]
    assert [row["image_id"] for row in rows] == [image_id_of("d", url) for url in (A, B)]
    assert all(row["license_id"] for row in rows)


@pytest.mark.parametrize(
    "url",
    [
        "https://h/fit-in/300x300/https://example.org/a.jpg",
        "https://h/?url=https://example.org/a.jpg",
        "https://h/w_200,h_100/https://example.org/a.jpg",
        "https://h/resize:300,https://example.org/a.jpg",
        "https://h/x;https://example.org/a",
        "https://h/0.125,https://example.org/a.jpg",
        "https://h/v1.2024,https://example.org/a.jpg",
        "https://h/?url=https://example.org/a b.jpg",
        "https://h/a b.jpg",
        "https://h/a,b;c.jpg",
    ],
)
def test_an_address_that_holds_another_is_one(url: str) -> None:
    assert addresses_in(url) == [url]
    assert [row["url"] for row in rows_of([entry(url)])] == [url]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ({"photo": {"url": A}}, "a mapping) without a URL: there is one at photo.url"),
        ({"url": {"large": A, "small": B}}, "there is one at url.large"),
        ({"photo": {"file": {"href": A}}}, "there is one at photo.file.href"),
        ({"photos": [{"href": A}]}, "there is one at photos[0].href, in a list, where no path leads"),
        ({"url": [{"href": A}]}, "there is one at url[0].href, in a list"),
        ({f"{A}?token=t": {"x": A}}, f"there is one at {A},"),
        ({"license": "CC0"}, "an image entry (a mapping) without a URL"),
        (None, "an image entry (null) without a URL"),
        (7, "an image entry (a int) without a URL"),
    ],
)
def test_an_entry_whose_address_lies_elsewhere_says_where(image: Any, said: str) -> None:
    rows = rows_of([entry(A), image, entry(B)])
    assert [row["reason"] for row in rows] == [None, Reason.ENTRY_NO_URL, None]
    assert said in rows[1]["detail"]
    assert [row["position"] for row in rows] == [0, 1, 2]


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_several_addresses_that_are_not_plain_are_shown_and_not_guessed(text: str) -> None:
    (row,) = rows_of([entry(text)])
    assert (row["url"], row["reason"]) == (None, Reason.ENTRY_NO_URL)
    assert text[:100] in row["detail"]
    _document, row = rows_of([entry(text)], ["Rosa", "Viola"])
    assert (row["url"], row["reason"]) == (None, Reason.ENTRY_OF_REFUSED_NAME)


def test_no_secret_of_an_address_is_told() -> None:
    rows = rows_of([entry(f"1) {A}?token=opensesame 2) {B}?w=1,{C}?sig=opensesame")])
    rows += rows_of([entry(A)], {"u": f"{A}?token=opensesame"}) + rows_of([entry(A)], f"see {A}?token=opensesame")
    rows += rows_of([entry(A)], [{"u": f"{A}?token=opensesame"}, "x"])
    assert [row["reason"] for row in rows if row["detail"] is None] == []
    assert "opensesame" not in str(rows)


@pytest.mark.parametrize("beside", ["seen in May", {"license": "CC0"}, ["a", "b"], {"photo": {"href": B}}])
def test_an_entry_by_name_is_taken_whatever_lies_beside_it(beside: Any) -> None:
    rows = rows_of({"leaf": beside, "front": entry(A)})
    assert [(row["url"], row["reason"]) for row in rows] == [(None, Reason.ENTRY_NO_URL), (A, None)]
    assert rows[1]["license_id"] == "CC-BY-4.0"


@pytest.mark.parametrize("field", ["license", "author", "source", "country", "taken by"])
def test_entries_by_name_that_have_a_licence_need_none_of_all(field: str) -> None:
    rows = rows_of({field: "CC BY-NC 4.0", "front": entry(A), "leaf": [entry(B)]})
    assert [row["url"] for row in rows] == [None, A, B]
    assert [row["license_id"] for row in rows[1:]] == ["CC-BY-4.0"] * 2


@pytest.mark.parametrize(
    "images",
    [
        {"license": "CC BY-NC 4.0", "front": A, "leaf": B},
        {"terms": "CC BY-NC 4.0", "front": A, "leaf": B},
        {"license": "CC BY-NC 4.0", "front": {"url": A}},
        {"author": "Ana", "file": {"url": A}},
    ],
)
def test_what_may_be_the_licence_of_all_is_not_passed_over(images: Any) -> None:
    (row,) = rows_of(images)
    assert row["reason"] == Reason.ENTRY_NO_URL
    assert "there is one at" in row["detail"]


def test_what_is_no_list_of_entries_is_named() -> None:
    (row,) = rows_of(7)
    assert (row["reason"], row["detail"]) == (Reason.DOCUMENT_INVALID, "images is 7 (int): want a list of entries")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (["Rosa canina", "Rosa alba"], "['Rosa canina', 'Rosa alba']: a list, want a text"),
        ({"latin": "Rosa canina", "es": "rosal"}, "want the path of a text"),
        ({"n": 1}, "{'n': 1}: a mapping"),
        (True, "True: a bool, want a text"),
        ([], "[]: a list"),
        (["x" * 500], None),
        ([["Rosa canina"]], "['Rosa canina']: a list"),
    ],
)
def test_a_name_that_is_no_text_is_shown_with_its_value(name: Any, said: str | None) -> None:
    document, *entries = rows_of([entry(A), entry(B)], name)
    assert document["reason"] == Reason.DOCUMENT_NAME_REFUSED
    assert document["refused_name"] == document["detail"]
    assert said is None or said in document["refused_name"]
    assert [row["reason"] for row in entries] == [Reason.ENTRY_OF_REFUSED_NAME] * 2
    assert len(document["refused_name"]) < 700


def test_a_list_of_one_name_is_that_name() -> None:
    (row,) = rows_of([entry(A)], ["Rosa canina L."])
    assert (row["scientific_name"], row["reason"]) == ("Rosa canina", None)


def test_every_printable_separator_leaves_two_addresses_or_the_text_as_it_was() -> None:
    for between in (*string.punctuation, *string.whitespace):
        for text in (f"{A}{between}{B}", f"{A}{between} {B}", f"{A} {between}{B}", f"{A}{between}\n{B}{between}"):
            assert addresses_in(text) in ([A, B], [text], [Unread(text)])
            assert " " not in text or addresses_in(text) != [text]
