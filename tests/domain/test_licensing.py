from __future__ import annotations

import pytest

from aplantida.domain.licensing import LicensePolicy, normalize_license

SPELLINGS = [
    ("CC BY 2.0", "CC-BY-2.0"),
    ("cc-by", "CC-BY-4.0"),
    ("CC-BY-SA 3.0", "CC-BY-SA-3.0"),
    ("cc by sa", "CC-BY-SA-4.0"),
    ("CC_BY_4", "CC-BY-4.0"),
    ("http://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
    ("https://creativecommons.org/licenses/by-sa/3.0/es/deed.es", "CC-BY-SA-3.0"),
    ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
    ("https://creativecommons.org/publicdomain/mark/1.0/", "PDM-1.0"),
    ("CC0", "CC0-1.0"),
    ("cc-zero", "CC0-1.0"),
    ("CC0 1.0", "CC0-1.0"),
    ("public domain", "PDM-1.0"),
    ("Dominio público", "PDM-1.0"),
    ("cc-by-nc", "CC-BY-NC-4.0"),
    ("CC BY-NC-ND 4.0", "CC-BY-NC-ND-4.0"),
    ("http://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0"),
    ("All rights reserved", "LicenseRef-AllRightsReserved"),
    ("Todos los derechos reservados", "LicenseRef-AllRightsReserved"),
    ("see website", None),
    ("", None),
    (None, None),
    ("CC something", None),
]


@pytest.mark.parametrize(("text", "license_id"), SPELLINGS)
def test_spellings(text: str | None, license_id: str | None) -> None:
    assert normalize_license(text) == license_id


@pytest.mark.parametrize(
    ("license_id", "refusal"),
    [
        ("CC0-1.0", None),
        ("PDM-1.0", None),
        ("CC-BY-4.0", None),
        ("CC-BY-SA-3.0", None),
        ("CC-BY-NC-4.0", "forbids commercial use"),
        ("CC-BY-NC-ND-4.0", "forbids commercial use"),
        ("CC-BY-ND-4.0", "forbids derived works"),
        ("LicenseRef-AllRightsReserved", "not on the list"),
        (None, "unreadable"),
    ],
)
def test_policy(license_id: str | None, refusal: str | None) -> None:
    said = LicensePolicy().refusal(license_id)
    assert said is None if refusal is None else said is not None and refusal in said


def test_share_alike_can_be_excluded_and_others_allowed() -> None:
    assert "share-alike" in (LicensePolicy(allow_share_alike=False).refusal("CC-BY-SA-4.0") or "")
    assert LicensePolicy(also_allowed=("Apache-2.0",)).refusal("Apache-2.0") is None
    assert LicensePolicy().refusal("Apache-2.0") is not None
