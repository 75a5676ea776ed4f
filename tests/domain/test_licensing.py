from __future__ import annotations

import pytest

from aplantida.domain.license_reader import LONGEST, read_license
from aplantida.domain.licensing import (
    LicenseTexts,
    is_license_id,
    may_be_shown_alone,
    normalize_license,
)

SPELLINGS = [
    ("CC BY 2.0", "CC-BY-2.0"),
    ("cc-by", "CC-BY"),
    ("CC-BY-SA 3.0", "CC-BY-SA-3.0"),
    ("cc by sa", "CC-BY-SA"),
    ("CC_BY_4", "CC-BY-4.0"),
    ("http://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
    ("https://creativecommons.org/licenses/by-sa/3.0/es/deed.es", "CC-BY-SA-3.0-ES"),
    ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
    ("https://creativecommons.org/publicdomain/mark/1.0/", "PDM-1.0"),
    ("CC0", "CC0-1.0"),
    ("cc-zero", "CC0-1.0"),
    ("CC0 1.0", "CC0-1.0"),
    ("public domain", "PDM-1.0"),
    ("Dominio público", "PDM-1.0"),
    ("cc-by-nc", "CC-BY-NC"),
    ("CC BY-NC-ND 4.0", "CC-BY-NC-ND-4.0"),
    ("http://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0"),
    ("All rights reserved", "LicenseRef-AllRightsReserved"),
    ("Todos los derechos reservados", "LicenseRef-AllRightsReserved"),
    # GBIF
    ("CC_BY_4_0", "CC-BY-4.0"),
    ("CC0_1_0", "CC0-1.0"),
    ("CC_BY_NC_4_0", "CC-BY-NC-4.0"),
    ("http://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
    ("https://creativecommons.org/licenses/by-nc-sa/2.5/ar/", "CC-BY-NC-SA-2.5-AR"),
    ("creativecommons.org/publicdomain/zero/1.0/legalcode.es", "CC0-1.0"),
    ("UNSPECIFIED", None),
    ("UNSUPPORTED", None),
    # iNaturalist
    ("CC-BY-NC-SA", "CC-BY-NC-SA"),
    ("(c) Ana Pérez, some rights reserved (CC BY)", "CC-BY"),
    ("© Ana Pérez, algunos derechos reservados (CC BY-NC)", "CC-BY-NC"),
    ("(c) John Smith, some rights reserved (CC BY-SA), uploaded by John Smith", "CC-BY-SA"),
    ("(c) John Smith, all rights reserved", "LicenseRef-AllRightsReserved"),
    ("no rights reserved", "CC0-1.0"),
    ("no rights reserved (CC0)", "CC0-1.0"),
    ("some rights reserved", None),
    # Wikimedia Commons
    ("Cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("{{self|cc-by-sa-4.0}}", "CC-BY-SA-4.0"),
    ("cc-by-sa-3.0,2.5,2.0,1.0", "CC-BY-SA-3.0"),
    ("CC BY-SA 3.0 de", "CC-BY-SA-3.0-DE"),
    ("CC BY-SA 2.0 FR", "CC-BY-SA-2.0-FR"),
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
    ("Attribution-ShareAlike License", "CC-BY-SA-2.0"),
    ("Attribution-NonCommercial-NoDerivs License", "CC-BY-NC-ND-2.0"),
    ("Attribution-NonCommercial License", "CC-BY-NC-2.0"),
    ("Public Domain Dedication (CC0)", "CC0-1.0"),
    ("Public Domain Mark 1.0", "PDM-1.0"),
    ("No known copyright restrictions", "PDM-1.0"),
    ("United States Government Work", "PDM-1.0"),
    ("4", None),
    # versions, dashes, spaces
    ("CC-BY-4", "CC-BY-4.0"),
    ("CC BY v3.0", "CC-BY-3.0"),
    ("CC BY version 2.0", "CC-BY-2.0"),
    ("ccby", "CC-BY"),
    ("CC\u2011BY\u2011SA\u00a04.0", "CC-BY-SA-4.0"),
    ("  cc by-nc  4.0.  ", "CC-BY-NC-4.0"),
    ("CC BY/SA 4.0", "CC-BY-SA-4.0"),
    ("BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
    ("Licensed under CC BY 4.0", "CC-BY-4.0"),
    ("CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)", "CC-BY-4.0"),
    ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
    # other languages
    ("Reconocimiento 4.0 Internacional", "CC-BY-4.0"),
    ("Creative Commons Reconocimiento-NoComercial-CompartirIgual 3.0 España", "CC-BY-NC-SA-3.0-ES"),
    ("Licencia Creative Commons Atribución 4.0 Internacional", "CC-BY-4.0"),
    ("Atribución-NoComercial-SinDerivadas 4.0", "CC-BY-NC-ND-4.0"),
    ("Reconocimiento-NoComercial-SinObraDerivada 2.5 España", "CC-BY-NC-ND-2.5-ES"),
    ("Reconeixement-NoComercial 3.0", "CC-BY-NC-3.0"),
    ("Atribuição-CompartilhaIgual 4.0", "CC-BY-SA-4.0"),
    (
        "Attribution - Pas d’Utilisation Commerciale - Partage dans les Mêmes Conditions 3.0 France",
        "CC-BY-NC-SA-3.0-FR",
    ),
    ("Namensnennung - Weitergabe unter gleichen Bedingungen 4.0", "CC-BY-SA-4.0"),
    ("Namensnennung-Nicht kommerziell 2.0", "CC-BY-NC-2.0"),
    ("Attribuzione - Condividi allo stesso modo 4.0 Internazionale", "CC-BY-SA-4.0"),
    ("Domaine public", "PDM-1.0"),
    ("gemeinfrei", "PDM-1.0"),
    ("Tous droits réservés", "LicenseRef-AllRightsReserved"),
    ("©", "LicenseRef-AllRightsReserved"),
    # versions and ports as written
    ("CC BY 3.0 ES", "CC-BY-3.0-ES"),
    ("CC BY 3.0 us", "CC-BY-3.0-US"),
    ("CC BY-SA 2.1 jp", "CC-BY-SA-2.1-JP"),
    ("CC BY 3.0 IGO", "CC-BY-3.0-IGO"),
    ("CC BY-SA 3.0 UK: England & Wales", "CC-BY-SA-3.0-UK"),
    ("Creative Commons Attribution-Share Alike 3.0 Germany", "CC-BY-SA-3.0-DE"),
    ("Creative Commons Reconocimiento España", "CC-BY-ES"),
    ("http://creativecommons.org/licenses/by-sa/3.0/nl/", "CC-BY-SA-3.0-NL"),
    ("https://creativecommons.org/licenses/by/", "CC-BY"),
    ("https://creativecommons.org/licenses/by/4.0/deed.es", "CC-BY-4.0"),  # the deed's language is no port
    ("https://creativecommons.org/licenses/by/4.0/?ref=chooser-v1", "CC-BY-4.0"),
    ("CC BY 4.0 España", "CC-BY-4.0"),  # there are no ports of 4.0
    ("CC BY 3.0 de Juan Pérez", "CC-BY-3.0"),
    ("CC BY 3.0 no", None),
    ("CC BY 3.0 NO", "CC-BY-3.0-NO"),
    ("CC BY 4.0 NO", None),
    ("CC BY 5.0", None),
    ("CC BY 2.6", None),
    ("CC BY 4,0", "CC-BY-4.0"),
    (
        "Creative Commons Attribution-Share Alike 4.0 International, 3.0 Unported, 2.5 Generic and 1.0 Generic",
        "CC-BY-SA-4.0",
    ),
    ("CC BY 3.0 (https://creativecommons.org/licenses/by/3.0/es/)", "CC-BY-3.0-ES"),
    ("CC BY 3.0 ES, CC BY 3.0 FR", None),
    # a choice, and what is none
    ("CC BY-SA 3.0 / GFDL", "CC-BY-SA-3.0"),
    ("{{self|GFDL|cc-by-sa-3.0}}", "CC-BY-SA-3.0"),
    ("GFDL 1.2 or later", "GFDL-1.2-or-later"),
    ("GFDL, CC BY-SA 3.0", None),
    ("GFDL or CC BY-NC 3.0", "CC-BY-NC-3.0"),
    ("CC BY 4.0 or CC0", None),
    # sentences
    (
        "This work is licensed under a Creative Commons Attribution Non Commercial (CC-BY-NC) 4.0 License.",
        "CC-BY-NC-4.0",
    ),
    (
        'This work is licensed under a <a href="http://creativecommons.org/licenses/by/4.0/legalcode">Creative Commons '
        "Attribution (CC-BY) 4.0 License</a>.",
        "CC-BY-4.0",
    ),
    (
        "To the extent possible under law, the publisher has waived all rights to these data and has dedicated them to "
        'the <a href="http://creativecommons.org/publicdomain/zero/1.0/legalcode">Public Domain (CC0 1.0)</a>. Users '
        "may copy, modify, distribute and use the work, including for commercial purposes, without restriction.",
        "CC0-1.0",
    ),
    (
        "This work is licensed under CC BY 4.0. To view a copy of this license, visit "
        "https://creativecommons.org/licenses/by/4.0/",
        "CC-BY-4.0",
    ),
    (
        "Esta obra está bajo una licencia de Creative Commons Reconocimiento-CompartirIgual 3.0 España.",
        "CC-BY-SA-3.0-ES",
    ),
    ("Aquesta obra està subjecta a una llicència de Reconeixement 4.0 Internacional de Creative Commons", "CC-BY-4.0"),
    ("Cette œuvre est mise à disposition selon les termes de la Licence Creative Commons Attribution 4.0", "CC-BY-4.0"),
    ("Dieses Werk ist lizenziert unter einer Creative Commons Namensnennung 4.0 International Lizenz.", "CC-BY-4.0"),
    ("Quest'opera è distribuita con Licenza Creative Commons Attribuzione 4.0 Internazionale.", "CC-BY-4.0"),
    ("Este trabalho está licenciado com uma Licença Creative Commons - Atribuição 4.0 Internacional.", "CC-BY-4.0"),
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
    ("text", "word"),
    [
        ("CC BY 4.0 NC", "'NC' is not understood"),
        ("CC BY 4.0 NoComercial", "'NoComercial' is not understood"),
        ("CC BY 4.0, uso docente", "'uso' is not understood"),
        ("CC BY 4.0 © Juan Pérez, uso docente", "'uso' is not understood"),
        ("CC BY 4.0, $5", "'$' is not understood"),
        ("CC BY 5.0", "'5.0' is not understood"),
        (
            "https://creativecommons.org/licenses/by/4.0/,https://creativecommons.org/licenses/by-nc/4.0/",
            "says CC-BY-4.0 and CC-BY-NC-4.0",
        ),
        ("CC BY 4.0, https://example.org/terms-of-use", "'https://example.org/terms-of-use' is not understood"),
        (
            "CC BY 4.0 http://rightsstatements.org/vocab/NoC-NC/1.0/",
            "'http://rightsstatements.org/vocab/NoC-NC/1.0/' is",
        ),
        ("CC BY-ND-SA 4.0", "'BY ND SA' is not understood"),
        ("some rights reserved", "names no licence"),
        ("\u200b", "names no licence"),
        ("CC BY 4.0 " * LONGEST, f"more than {LONGEST} characters"),
    ],
)
def test_what_was_not_understood_is_named(text: str, word: str) -> None:
    reading = read_license(text)
    assert reading.license_id is None
    assert (reading.problem or "").startswith(word)
    assert read_license("CC BY 4.0").problem is None
    assert read_license(" ").problem is None


def test_a_config_may_say_what_a_text_means() -> None:
    texts = LicenseTexts({"Uso libre con cita": "CC-BY-4.0", "ccby": "CC-BY", "prensa": "LicenseRef-Own"})
    for written in ("uso  libre con CITA.", "Uso lib\u00adre con cita"):
        assert texts.read(written).license_id == "CC-BY-4.0"
    assert texts.read("CCBY").license_id == "CC-BY"
    assert texts.read("CC0").license_id == "CC0-1.0"
    assert texts.read("uso libre con cita y permiso").problem == "'uso' is not understood"
    with pytest.raises(ValueError, match=r"'x' is to mean 'CC BY 4\.0': want a licence id"):
        LicenseTexts({"x": "CC BY 4.0"})
    with pytest.raises(ValueError, match="'CCBY': want one meaning"):
        LicenseTexts({"ccby": "CC-BY", "CCBY": "CC-BY-4.0"})


def test_ids_are_told_from_texts() -> None:
    ids = {name for _, name in SPELLINGS if name} | {"LicenseRef-Own", "Apache-2.0", "CC-BY-NC", "CC-BY-3.0-AT"}
    assert [name for name in sorted(ids) if not is_license_id(name)] == []
    assert [name for name in ("CC BY 4.0", "cc-by", "", "CC-BY-4.0-NC", "uso libre") if is_license_id(name)] == []
    alone = {name for name in ids if may_be_shown_alone(name)}
    assert alone == {"CC0-1.0"} | {
        name for name in ids if name.startswith("CC-BY") and not {"NC", "ND", "SA"} & set(name.split("-"))
    }
