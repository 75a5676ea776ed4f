"""A place where no species of the bundle is known to live is refused, by whichever way it is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aplantida.export.node import NodeClassifier, NodeError
from aplantida.predict import main, predict, predict_plant, read_photo
from tests.fixtures.bundle import write_bundle
from tests.fixtures.ruled_bundle import PLACES, RuledBundle, ruled_bundle

Way = Callable[[Path, list[str], str | None], Any]
WAYS: dict[str, Way] = {
    "predict": lambda bundle, photos, place: list(predict(bundle, photos, place=place)),
    "predict_plant": lambda bundle, photos, place: predict_plant(bundle, photos, place=place),
}


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> RuledBundle:
    return ruled_bundle(tmp_path_factory.mktemp("ruled"))


@pytest.mark.parametrize("way", WAYS)
def test_the_functions_refuse_what_is_no_place(ruled: RuledBundle, way: str) -> None:
    photos = [str(path) for path in ruled.photos[:2]]
    for place in ("atlantis", "es", ""):
        with pytest.raises(NodeError, match=f'the place is "{place}"; .*; places are {", ".join(PLACES)}$'):
            WAYS[way](ruled.folder, photos, place)
    assert all(WAYS[way](ruled.folder, photos, place) for place in (None, *PLACES))


@pytest.mark.parametrize("more", [[], ["--plant"], ["--json"]])
def test_the_command_line_refuses_it_in_a_line(
    ruled: RuledBundle, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--bundle", str(ruled.folder), *more, *map(str, ruled.photos[:2])]
    assert main(["--place", "atlantis", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.startswith('predict: the place is "atlantis"')
    assert err.endswith(f"places are {', '.join(PLACES)}\n")
    assert main(["--place", PLACES[0], *words]) == 0


def test_where_nobody_knows_of_places_there_are_none(ruled: RuledBundle, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    with NodeClassifier(bundle) as node:
        pixels = read_photo(ruled.photos[0])
        with pytest.raises(NodeError, match="; places are none"):
            node.classify(pixels, place="ES")
        assert node.classify(pixels)["decision"]  # it goes on
