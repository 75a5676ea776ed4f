from __future__ import annotations

from typing import Any

from aplantida.release.attributions import to_html, where_listed

PHOTOS: dict[str, Any] = {
    "num_photos": 7,
    "num_species": 2,
    "num_authors": 2,
    "num_nameless": 1,
    "by_license": {"CC-BY-4.0": 6, "LicenseRef-Own": 1},
    "authors": [["Ana", 4], ["Luis", 2]],
}


def test_the_page_sums_up_and_says_where_every_photo_is_listed() -> None:
    page = to_html(PHOTOS, "Credits", where_listed("https://plants.example/credits.csv", "ab" * 32))
    assert "7 photos of 2 species, by 2 authors" in page
    assert '<a href="https://creativecommons.org/licenses/by/4.0/" rel="noopener">CC-BY-4.0</a></td><td>6</td>' in page
    assert "<td>LicenseRef-Own</td><td>1</td>" in page
    assert "<td>Ana</td><td>4</td>" in page
    assert '<a href="https://plants.example/credits.csv" rel="noopener">' in page
    assert "<h2>Authors</h2>" in page


def test_a_licence_without_version_is_credited_without_one() -> None:
    page = to_html({**PHOTOS, "by_license": {"CC-BY": 4, "CC-BY-3.0-ES": 3}}, "Credits", "")
    assert '<a href="https://creativecommons.org/licenses/by/" rel="noopener">CC BY</a></td><td>4</td>' in page
    assert '<a href="https://creativecommons.org/licenses/by/3.0/es/" rel="noopener">CC-BY-3.0-ES</a>' in page
    assert "4.0" not in page


def test_a_list_that_is_not_published_is_named_by_its_artifact() -> None:
    where = where_listed(None, "0123456789abcdef" * 4)
    assert where == "attributions.csv and attributions.parquet of the model's license_report 0123456789ab."
    assert where in to_html(PHOTOS, "Credits", where).replace("&#x27;", "'")


def test_what_a_collection_says_cannot_break_out_of_the_page() -> None:
    photos = {**PHOTOS, "authors": [['<script>alert("x")</script>', 1]], "num_authors": 9}
    page = to_html(photos, "Credits & thanks", 'javascript:alert("x")')
    assert "<script>" not in page
    assert 'href="javascript:' not in page
    assert "&lt;script&gt;" in page
    assert "<title>Credits &amp; thanks</title>" in page
    assert "The 1 authors of most photos" in page
