from __future__ import annotations

import logging
import random

import pyarrow as pa
import pytest

from aplantida.data.addresses import host_of
from aplantida.data.withdrawn import COLUMNS, withdrawn_among
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
