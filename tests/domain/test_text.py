from __future__ import annotations

import random
import unicodedata

import pytest

from aplantida.domain.text import clean_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  Rosa \t\n canina\u00a0", "Rosa canina"),
        ("Isoe\u0308tes", "Isoëtes"),
        ("\ufeffRo\u00adsa\u200b", "Rosa"),
        ("a\x00b\x85c\u2028d", "a b c d"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83c\udf39", "🌹"),
        ("\u2800\u200d", ""),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_text_is_valid_and_of_one_form(text: str, clean: str) -> None:
    assert clean_text(text) == clean


def test_cleaning_twice_changes_nothing_and_utf_8_can_hold_it() -> None:
    draw = random.Random(20261126)
    for _ in range(3000):
        text = "".join(chr(draw.randrange(draw.choice((128, 0x300, 0x3000, 0x110000)))) for _ in range(8))
        clean = clean_text(text)
        assert clean_text(clean) == clean == unicodedata.normalize("NFC", clean)
        assert clean == clean.encode().decode().strip()
