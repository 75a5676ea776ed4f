from __future__ import annotations

import io

import pytest

from aplantida.domain.taxonomy import NameReader, Naming, ReadName, name_as_written, read_synonyms

AS_WRITTEN = Naming("as_written")


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
        (["synonym,accepted", "Rosa alba,Rosa sp."], "line 2: 'Rosa alba', 'Rosa sp.': want two plant names"),
        (["synonym,accepted", 'Rosa rubra,"Rosa', "alba", 'Rosa glauca"'], "line 4: .*want two plant names"),
        (["synonym,accepted", 'Rosa rubra,"Rosa alba'], "line 2: unexpected end of data"),
    ],
)
def test_what_cannot_be_meant_names_the_line(lines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_synonyms(lines)


def test_a_line_break_in_a_cell_is_a_space() -> None:
    text = 'synonym,accepted\r\n"Rosa\r\nrubra L.","Rosa\ngallica"\r\nRosa\u2028alba,Rosa gallica\r\n'
    expected = {"Rosa rubra": "Rosa gallica", "Rosa alba": "Rosa gallica"}
    assert read_synonyms(io.StringIO(text, newline="")) == expected
    assert read_synonyms(text.split("\n")) == expected


def test_the_file_settles_what_the_reader_would_refuse() -> None:
    lines = ["synonym,accepted", "rosal  silvestre,Rosa canina", "Flor alba,Flor alba", "Rosa sp.,Rosa canina"]
    names = NameReader(synonyms=read_synonyms(lines))
    assert names.read("ROSAL SILVESTRE") == ReadName("Rosa canina", synonym="Rosal silvestre")
    assert names.read("Flor alba") == ReadName("Flor alba")
    assert names.read("Rosa sp.").name == "Rosa canina"
    assert names.read("Rosa spp.").name is None


def test_what_is_below_a_species_is_a_class_or_counts_as_its_species() -> None:
    subspecies, lines = (
        "Quercus ilex ssp. ballota (Desf.) Samp.",
        ["synonym,accepted", "Quercus ballota,Quercus ilex f. al-ba"],
    )
    own, species = NameReader(), NameReader(Naming(infraspecific="species"))
    assert own.read(subspecies) == ReadName("Quercus ilex subsp. ballota", authors="(Desf.) Samp.")
    assert species.read(subspecies) == ReadName("Quercus ilex")  # whose authors are not known
    assert species.read("Quercus ilex L.") == ReadName("Quercus ilex", authors="L.")
    assert read_synonyms(lines)["Quercus ballota"] == "Quercus ilex f. alba"
    assert read_synonyms(lines, Naming(infraspecific="species"))["Quercus ballota"] == "Quercus ilex"
    of_subspecies = {"Quercus ilex subsp. ballota": "Quercus rotundifolia"}
    assert NameReader(Naming(infraspecific="species"), of_subspecies).read(subspecies).name == "Quercus rotundifolia"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" sweet\u00a0 pea ", "Sweet pea"),
        ("LILY OF THE VALLEY", "Lily of the valley"),
        ("Lily of the Valley", "Lily of the valley"),
        ("CARDAMINE CALIFORNICA ", "Cardamine californica"),
        ("rosal de jardi\u0301n", "Rosal de jardín"),
        ("Rosa sp.", "Rosa sp."),
        ("玫瑰", "玫瑰"),
        ("ŉ x", "ŉ x"),
        ("123", None),
        ("\u200b", None),
    ],
)
def test_names_as_written(text: str, name: str | None) -> None:
    read = NameReader(AS_WRITTEN).read(text)
    assert read.name == name_as_written(text) == name
    assert (read.refusal is None) == (name is not None)
    if name:
        assert name_as_written(name) == name
    assert read_synonyms(["synonym,accepted", "Sweet  PEA,pea"], AS_WRITTEN) == {"Sweet pea": "Pea"}
