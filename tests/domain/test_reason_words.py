from __future__ import annotations

import pytest

from aplantida.domain.reason_words import REASON_WORDS, in_words
from aplantida.domain.record import Reason


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words_in_both_languages(reason: Reason) -> None:
    words = in_words(reason.value)
    assert words == REASON_WORDS[reason]
    for text in words:
        assert len(text.split()) >= 2
        assert "_" not in text
    assert words.es != words.en


def test_no_two_reasons_have_the_same_words_and_unknown_ones_stand_for_themselves() -> None:
    for language in ("es", "en"):
        assert len({getattr(words, language) for words in REASON_WORDS.values()}) == len(Reason)
    assert in_words("of_a_later_version") == ("of_a_later_version", "of_a_later_version")
