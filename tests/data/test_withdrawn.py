from __future__ import annotations

import logging
import random
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplantida.data.addresses import host_of
from aplantida.data.withdrawn import COLUMNS, listed_among, withdrawn_among
from aplantida.domain.opt_out import OptOuts
from aplantida.phases._collection_file import OptOutSection, SecretSection
from aplantida.phases._opt_outs import tell_unmatched

HOSTS = ["a.org", "img.a.org", "ñandú.es", "xn--and-6ma2c.es", "b.example:8080", "A.ORG"]
AUTHORS = ["Ana Pérez", "ANA PÉREZ", "Bo", None, "", "Ana"]


def addresses(position: int) -> list[str]:
    """With secrets in the query, and in the path."""
    name = f"f {position % 50}ñ.jpg"
    return [f"http://{host}/{name}?token={position}" for host in HOSTS] + [
        f"http://a.org/t/token=x{position}/{name}",
        f"http://a.org/t;sig=x{position}/{name}",
    ]


def photos(number: int) -> pa.Table:
    draw = random.Random(number)
    rows = [
        {
            "image_id": f"{position:032x}",
            "author": draw.choice(AUTHORS),
            "url": draw.choice([None, *addresses(position)]),
        }
        for position in range(1000)
    ]
    return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in COLUMNS]))


@pytest.mark.parametrize(
    "opt_outs",
    [
        OptOuts.of(["ana pérez"], []),
        OptOuts.of([], ["a.org", "ÑANDÚ.es"]),
        OptOuts.of([], [], [f"{7:032X}", "http://A.org/f%207%C3%B1.jpg", "http://b.example:8080/f 9ñ.jpg"]),
        OptOuts.of([], [], [f"http://a.org/f {number}ñ.jpg" for number in range(40)]),
        OptOuts.of([], [], ["http://a.org/t/f 7ñ.jpg", "http://a.org/t/token=another/f 8ñ.jpg"]),
        OptOuts.of(["Bo"], ["b.example"], [f"{3:032x}"]),
        OptOuts(),
    ],
)
def test_by_columns_the_same_photos_are_refused_as_one_by_one(opt_outs: OptOuts) -> None:
    table = photos(20261126)
    want = {
        row["image_id"]: why
        for row in table.to_pylist()
        if (why := opt_outs.refusal(row["author"], host_of(row["url"]), row["image_id"], row["url"])) is not None
    }
    found = withdrawn_among(table, opt_outs)
    assert dict(zip(found["image_id"].to_pylist(), found["refusal"].to_pylist(), strict=True)) == want
    assert bool(want) == bool(opt_outs)


PIECES = ("a", "B1", "%41", "%2F", "%25", "ñ", " ", "(1)", "'", ".", ";token=x", "&sig=9", ";v=1", "http:\\\\", "//")
ADDRESSES = ("https://u:p@h.org/c", "//u:p@h.org", "http://h.org?token=9", "x?y=1", "u@h")
PARTS = st.one_of(
    st.sampled_from(PIECES),
    st.sampled_from(ADDRESSES),
    st.builds(lambda text, times: encoded(text, times), st.sampled_from(ADDRESSES), st.integers(1, 2)),
)
STORED = st.builds(
    lambda head, parts: head + "/".join(parts),
    st.sampled_from(("http://a.org/", "HTTP://A.org:80/", "http://u:p@a.org/", "//a.org/", "http:/\ta.org/")),
    st.lists(st.lists(PARTS, max_size=4).map("".join), min_size=1, max_size=4),
)


def encoded(text: str, times: int) -> str:
    for _ in range(times):
        text = quote(text, safe="()")
    return text


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(STORED, min_size=1, max_size=8), st.integers(0, 7))
def test_no_photo_that_is_meant_is_passed_over_however_its_address_is_written(urls: list[str], at: int) -> None:
    rows = [{"image_id": f"{place:032x}", "author": None, "url": url} for place, url in enumerate(urls)]
    table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in COLUMNS]))
    listed = [f"http:{url}" if url[:1] == "/" else url.replace("\t", "/") for url in urls[at % len(urls) :][:1]]
    for opt_outs in (OptOuts.of([], ["a.org"]), OptOuts.of([], [], listed)):
        want = {row["image_id"] for row in rows if opt_outs.refusal(None, host_of(row["url"]), None, row["url"])}
        assert set(withdrawn_among(table, opt_outs)["image_id"].to_pylist()) == want
    assert listed[0] not in urls or listed_among(table, opt_outs)


def test_what_is_listed_and_no_photo_is_told(caplog: pytest.LogCaptureFixture) -> None:
    table = photos(20261126)
    there = [f"{7:032X}", "http://a.org/f 7ñ.jpg", "http://a.org/t/f 8ñ.jpg"]
    for absent in ([], ["http://a.org/none.jpg?token=SECRET", "f" * 32]):
        caplog.clear()
        with caplog.at_level("WARNING"):
            said = OptOutSection(images=[*there, *absent])
            tell_unmatched([table[:500], table[500:]], said, SecretSection(), logging.getLogger("told"))
        want = ["opt_out.images: 2 of 5 are of no photo here, the first is http://a.org/none.jpg"] if absent else []
        assert [record.getMessage() for record in caplog.records] == want
