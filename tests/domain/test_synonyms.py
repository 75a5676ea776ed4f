from __future__ import annotations

import pytest

from aplantida.domain.taxonomy import read_synonyms


def test_chains_end_at_the_accepted_name() -> None:
    lines = ["synonym,accepted,note", "Rosa A L.,Rosa alba,", "Rosa rubra,Rosa alba,x", "Rosa alba,ROSA GALLICA,"]
    assert read_synonyms(lines)["Rosa rubra"] == "Rosa gallica"
    assert read_synonyms(lines)["Rosa alba"] == "Rosa gallica"


def test_a_name_for_itself_is_no_synonym() -> None:
    assert read_synonyms(["synonym,accepted", "Rosa alba,Rosa alba L."]) == {}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "columns are None"),
        (["name,accepted", "a,b"], "want synonym and accepted"),
        (["synonym,accepted", "Rosa alba"], "line 2: 'Rosa alba', None: want two plant names"),
        (["synonym,accepted", "Rosa alba,Rosa rubra", "Rosa alba,Rosa gallica"], "line 3: Rosa alba is Rosa rubra"),
        (["synonym,accepted", "Rosa alba,Rosa rubra", "Rosa rubra,Rosa alba"], "circle.*Rosa alba → Rosa rubra"),
    ],
)
def test_what_cannot_be_meant_names_the_line(lines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_synonyms(lines)
