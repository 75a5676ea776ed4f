from __future__ import annotations

import random
import unicodedata

import pytest

from aplantida.domain.text import clean_text, valid_address, valid_text


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


@pytest.mark.parametrize(
    ("text", "valid", "address"),
    [
        ("  Ana   Pérez \t", "Ana   Pérez", "Ana   Pérez"),
        ("Pe\u0301rez", "Pérez", "Pe\u0301rez"),
        ("\ufeffa\u200b\x00b\x85\u2028c\u200d \x01", "a b c", "a\u200b\x00b\x85\u2028c"),
        ("\ud800x\ud83c\udf39", "\ufffdx🌹", "\ufffdx🌹"),
        (" \ufeff \u200b", "", ""),
    ],
)
def test_a_text_keeps_its_spaces_and_an_address_its_spelling(text: str, valid: str, address: str) -> None:
    assert valid_text(text) == valid_text(valid) == valid
    assert valid_address(text) == valid_address(address) == address


def test_no_text_that_was_made_valid_holds_what_utf_8_or_a_line_cannot() -> None:
    draw = random.Random(5)
    for _ in range(3000):
        text = "".join(chr(draw.randrange(draw.choice((0x40, 0x300, 0x3000, 0x110000)))) for _ in range(8))
        valid = valid_text(text)
        assert valid == valid_text(valid) == unicodedata.normalize("NFC", valid) == valid.strip()
        assert len(valid.splitlines()) <= 1
        assert valid.encode()
        assert valid_address(text).encode()
