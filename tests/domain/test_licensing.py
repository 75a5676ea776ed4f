from __future__ import annotations

import pytest

from aplantida.domain.licensing import LicensePolicy, license_url, normalize_license

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
    # GBIF
    ("CC_BY_4_0", "CC-BY-4.0"),
    ("CC0_1_0", "CC0-1.0"),
    ("CC_BY_NC_4_0", "CC-BY-NC-4.0"),
    ("http://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
    ("https://creativecommons.org/licenses/by-nc-sa/2.5/ar/", "CC-BY-NC-SA-2.5"),
    ("creativecommons.org/publicdomain/zero/1.0/legalcode.es", "CC0-1.0"),
    ("UNSPECIFIED", None),
    ("UNSUPPORTED", None),
    # iNaturalist
    ("CC-BY-NC-SA", "CC-BY-NC-SA-4.0"),
    ("(c) Ana Pérez, some rights reserved (CC BY)", "CC-BY-4.0"),
    ("© Ana Pérez, algunos derechos reservados (CC BY-NC)", "CC-BY-NC-4.0"),
    ("(c) John Smith, some rights reserved (CC BY-SA), uploaded by John Smith", "CC-BY-SA-4.0"),
    ("(c) John Smith, all rights reserved", "LicenseRef-AllRightsReserved"),
    ("no rights reserved", "CC0-1.0"),
    ("no rights reserved (CC0)", "CC0-1.0"),
    ("some rights reserved", None),
    # Wikimedia Commons
    ("Cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("{{self|cc-by-sa-4.0}}", "CC-BY-SA-4.0"),
    ("cc-by-sa-3.0,2.5,2.0,1.0", "CC-BY-SA-3.0"),
    ("CC BY-SA 3.0 de", "CC-BY-SA-3.0"),
    ("CC BY-SA 2.0 FR", "CC-BY-SA-2.0"),
    ("GFDL or CC BY-SA 3.0", "CC-BY-SA-3.0"),
    ("GFDL", "GFDL-1.3-or-later"),
    ("Attribution-Share Alike 4.0 International", "CC-BY-SA-4.0"),
    ("Creative Commons Attribution-Share Alike 3.0 Unported", "CC-BY-SA-3.0"),
    ("Creative Commons Attribution 2.5 Generic license", "CC-BY-2.5"),
    ("PD-self", "PDM-1.0"),
    ("PD-old-100", "PDM-1.0"),
    ("Creative Commons Zero", "CC0-1.0"),
    # Flickr
    ("Attribution License", "CC-BY-2.0"),
    ("Attribution-ShareAlike License", "CC-BY-SA-4.0"),
    ("Attribution-NonCommercial-NoDerivs License", "CC-BY-NC-ND-4.0"),
    ("Attribution-NonCommercial License", "CC-BY-NC-4.0"),
    ("Public Domain Dedication (CC0)", "CC0-1.0"),
    ("Public Domain Mark 1.0", "PDM-1.0"),
    ("No known copyright restrictions", "PDM-1.0"),
    ("United States Government Work", "PDM-1.0"),
    ("4", None),
    # versions, dashes, spaces
    ("CC-BY-4", "CC-BY-4.0"),
    ("CC BY v3.0", "CC-BY-3.0"),
    ("CC BY version 2.0", "CC-BY-2.0"),
    ("ccby", None),
    ("CC\u2011BY\u2011SA\u00a04.0", "CC-BY-SA-4.0"),
    ("  cc by-nc  4.0.  ", "CC-BY-NC-4.0"),
    ("CC BY/SA 4.0", "CC-BY-SA-4.0"),
    ("BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
    ("Licensed under CC BY 4.0", "CC-BY-4.0"),
    ("CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)", "CC-BY-4.0"),
    ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
    # other languages
    ("Reconocimiento 4.0 Internacional", "CC-BY-4.0"),
    ("Creative Commons Reconocimiento-NoComercial-CompartirIgual 3.0 España", "CC-BY-NC-SA-3.0"),
    ("Licencia Creative Commons Atribución 4.0 Internacional", "CC-BY-4.0"),
    ("Atribución-NoComercial-SinDerivadas 4.0", "CC-BY-NC-ND-4.0"),
    ("Reconocimiento-NoComercial-SinObraDerivada 2.5 España", "CC-BY-NC-ND-2.5"),
    ("Reconeixement-NoComercial 3.0", "CC-BY-NC-3.0"),
    ("Atribuição-CompartilhaIgual 4.0", "CC-BY-SA-4.0"),
    ("Attribution - Pas d’Utilisation Commerciale - Partage dans les Mêmes Conditions 3.0 France", "CC-BY-NC-SA-3.0"),
    ("Namensnennung - Weitergabe unter gleichen Bedingungen 4.0", "CC-BY-SA-4.0"),
    ("Namensnennung-Nicht kommerziell 2.0", "CC-BY-NC-2.0"),
    ("Attribuzione - Condividi allo stesso modo 4.0 Internazionale", "CC-BY-SA-4.0"),
    ("Domaine public", "PDM-1.0"),
    ("gemeinfrei", "PDM-1.0"),
    ("Tous droits réservés", "LicenseRef-AllRightsReserved"),
    ("©", "LicenseRef-AllRightsReserved"),
    # what must not pass
    ("see website", None),
    ("", None),
    (None, None),
    ("CC something", None),
    ("CC", None),
    ("Creative Commons", None),
    ("Attribution", None),
    ("by Ana Pérez", None),
    ("not in the public domain", None),
    ("zero rights granted", None),
    ("CC BY 4.0, not for commercial use", None),
    ("CC BY, no derivative works without permission", None),
    ("CC BY 4.0?", None),
    ("CC BY 4.0 or CC BY-NC 4.0", None),
    ("CC BY 4.0, all rights reserved", None),
    ("CC BY-ND-SA 4.0", None),
    ("free for personal use", None),
    ("public domain in the US only", None),
    ("https://creativecommons.org/licenses/sampling+/1.0/", None),
    ("https://example.org/licenses/by/4.0/", None),
    ("https://notcreativecommons.org/licenses/by/4.0/", None),
    ("https://example.org/creativecommons.org/licenses/by/4.0/", None),
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


@pytest.mark.parametrize(
    ("license_id", "address"),
    [
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
        ("CC-BY-SA-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
        ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("PDM-1.0", "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("LicenseRef-AllRightsReserved", None),
    ],
)
def test_license_addresses(license_id: str, address: str | None) -> None:
    assert license_url(license_id) == address
