from __future__ import annotations

import pytest

from aplantida.domain.licensing import LicensePolicy, license_label, license_url, normalize_license


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
        ("CC-BY", None),
        ("CC-BY-SA", None),
        ("CC-BY-3.0-ES", None),
        ("CC-BY-NC", "forbids commercial use"),
        ("CC-BY-ND-3.0-FR", "forbids derived works"),
        ("CC-BY-9.0", "not on the list"),
        ("CC-BY-4.0-NC", "not on the list"),
        ("CC-BYNC-4.0", "not on the list"),
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


@pytest.mark.parametrize(
    ("license_id", "address"),
    [
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
        ("CC-BY-SA-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
        ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("PDM-1.0", "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("CC-BY-3.0-ES", "https://creativecommons.org/licenses/by/3.0/es/"),
        ("CC-BY-SA-2.0-UK", "https://creativecommons.org/licenses/by-sa/2.0/uk/"),
        ("CC-BY-3.0-IGO", "https://creativecommons.org/licenses/by/3.0/igo/"),
        ("CC-BY", "https://creativecommons.org/licenses/by/"),
        ("CC-BY-SA", "https://creativecommons.org/licenses/by-sa/"),
        ("CC-BY-ES", "https://creativecommons.org/licenses/by/"),
        ("LicenseRef-AllRightsReserved", None),
    ],
)
def test_license_addresses(license_id: str, address: str | None) -> None:
    assert license_url(license_id) == address
    if address is not None and address.count("/") > 5:
        assert normalize_license(address) == license_id


def test_no_version_is_made_up_in_credits() -> None:
    assert license_label("CC-BY") == "CC BY"
    assert license_label("CC-BY-SA") == "CC BY-SA"
    assert license_label("CC-BY-ES") == "CC BY ES"
    assert license_label("CC-BY-3.0-ES") == "CC-BY-3.0-ES"
    assert license_label("LicenseRef-Own") == "LicenseRef-Own"
