from __future__ import annotations

import pytest

from aplantida.release.attributions import attribution_of, license_url, to_html, to_jsonl
from tests.fixtures.artifacts import photo_row


@pytest.mark.parametrize(
    ("license_id", "address"),
    [
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
        ("CC-BY-SA-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
        ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("PDM-1.0", "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("LicenseRef-AllRightsReserved", None),
    ],
)
def test_license_addresses(license_id: str, address: str | None) -> None:
    assert license_url(license_id) == address


def test_what_a_collection_says_cannot_break_out_of_the_page() -> None:
    row = attribution_of(photo_row(0, 1, author='<script>alert("x")</script>', url='javascript:alert("x")'))
    page = to_html([row], "Credits & thanks")
    assert "<script>" not in page
    assert "javascript:" not in page
    assert "&lt;script&gt;" in page
    assert "<title>Credits &amp; thanks</title>" in page


def test_photos_of_one_author_share_a_line() -> None:
    rows = [attribution_of(photo_row(0, number, author="Ana", license_id="CC-BY-4.0")) for number in range(3)]
    page = to_html(rows, "Credits")
    assert page.count("<li>Ana, ") == 1
    assert "[3]" in page
    assert "author not given" in to_html([{**rows[0], "author": None}], "Credits")


def test_no_photo_still_gives_a_page() -> None:
    assert "0 photos of 0 species" in to_html([], "Credits")
    assert to_jsonl([]) == ""
