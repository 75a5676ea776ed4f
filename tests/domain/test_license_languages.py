"""The names that Creative Commons gives its licences in twenty-six languages: BY and SA are read, limits refused."""

from __future__ import annotations

import pytest

from aplantida.domain.license_reader import read_license
from aplantida.domain.licensing import LicensePolicy
from tests.fixtures.deeds import DEEDS, SENTENCES

JOINED_BY = ("-", " - ", " ", ", ", "–", "; ", "/", "\n")
BEFORE = ("", "CC ", "Creative Commons ", "Creative Commons - ", "(c) Ana Pérez, ")


@pytest.mark.parametrize("language", DEEDS)
@pytest.mark.parametrize("between", JOINED_BY)
def test_a_deeds_title_is_read_unless_it_limits(language: str, between: str) -> None:
    by, limited, whole, share_alike, everywhere = DEEDS[language]
    policy = LicensePolicy()
    for before in BEFORE:
        for version in (f" 4.0 {everywhere}", " 4.0", *([f" ({everywhere}) 4.0"] if everywhere else [])):
            for limits in ((limited,), (whole,), (limited, whole), (limited, share_alike), (share_alike, limited)):
                title = before + between.join((by, *limits)) + version
                assert policy.refusal(read_license(title).license_id) is not None, title
                assert policy.refusal(read_license(f"CC BY 4.0 {title}").license_id) is not None, title
    for before in () if language in SENTENCES else BEFORE[:3]:
        assert read_license(f"{before}{by} 4.0 {everywhere}").license_id == "CC-BY-4.0"
        assert read_license(f"{before}{by}-{share_alike} 4.0 {everywhere}").license_id == "CC-BY-SA-4.0"


@pytest.mark.parametrize("language", DEEDS)
def test_a_word_that_limits_is_refused_behind_a_licence_by_code(language: str) -> None:
    _by, limited, whole, _share_alike, _everywhere = DEEDS[language]
    for word in (limited, whole):
        for text in (f"CC BY 4.0 {word}", f"CC BY 4.0, {word}", f"CC BY 4.0 ({word})", f"{word} CC BY 4.0"):
            assert LicensePolicy().refusal(read_license(text).license_id) is not None, text
            assert LicensePolicy().refusal(read_license(text.upper()).license_id) is not None, text
            assert LicensePolicy().refusal(read_license(text.lower()).license_id) is not None, text
