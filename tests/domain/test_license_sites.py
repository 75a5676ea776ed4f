"""What sites and their buttons write of licences is read, and two words that limit are nobody's name."""

from __future__ import annotations

import pytest

from aplantida.domain.license_reader import read_license
from tests.domain.test_license_grammar import listed, passes

READ = """
ccby = CC-BY | CCBYSA = CC-BY-SA | CCBY4.0 = CC-BY-4.0 | CC BYSA 4.0 = CC-BY-SA-4.0 | ccbync = CC-BY-NC | CCBYNCND 4.0
= CC-BY-NC-ND-4.0 | CC-BYND 3.0 = CC-BY-ND-3.0 | cc-by-sa-all = CC-BY-SA-4.0 | CC0 waiver = CC0-1.0 | CC0 1.0
universel = CC0-1.0 | CC0 1.0 Universell = CC0-1.0 | “CC BY 4.0” = CC-BY-4.0 | publiek domein = PDM-1.0 |
{{PD-USGov-USDA-ARS}} = PDM-1.0 | {{PD-USGov-FWS}} = PDM-1.0 | {{PD-anon-70-EU}} = PDM-1.0 |
https://creativecommons.org/licenses/by/4.0/legalcode#languages = CC-BY-4.0 |
https://creativecommons.org/licenses/by-sa/3.0/es// = CC-BY-SA-3.0-ES | //creativecommons.org/licenses/by/4.0 =
CC-BY-4.0 | https://creativecommons.org//licenses/by-nc/4.0/ = CC-BY-NC-4.0 |
//creativecommons.org/licenses/by-nd/4.0/ = CC-BY-ND-4.0 | https://creativecommons.org/licenses/by/2.0/?ref=openverse
= CC-BY-2.0 | https://creativecommons.org/licenses/by-nc/2.0/?ref=ccsearch&atype=rich = CC-BY-NC-2.0 |
https://spdx.org/licenses/CC-BY-4.0.html = CC-BY-4.0 | https://spdx.org/licenses/CC-BY-SA-3.0-AT = CC-BY-SA-3.0-AT |
https://spdx.org/licenses/CC0-1.0.json = CC0-1.0 | https://spdx.org/licenses/CC-BY-NC-SA-4.0 = CC-BY-NC-SA-4.0 |
https://spdx.org/licenses/CC-BY-NC-ND-3.0-IGO.html = CC-BY-NC-ND-3.0-IGO | https://spdx.org/licenses/MIT.html = - |
https://licensebuttons.net/l/by-nc/4.0/88x31.png = CC-BY-NC-4.0 | http://i.creativecommons.org/p/zero/1.0/88x31.png =
CC0-1.0 | https://licensebuttons.net/l/by-nc.eu/4.0/88x31.png = - | <img alt="Creative Commons License"
style="border-width:0" src="https://i.creativecommons.org/l/by/4.0/88x31.png" /> = CC-BY-4.0 | <img alt="All rights
reserved" src="https://i.creativecommons.org/l/by/4.0/88x31.png"> = - | <img alt="No commercial use"
src="https://i.creativecommons.org/l/by/4.0/88x31.png"> CC BY 4.0 = - | <img style="text-decoration:line-through"
src="https://i.creativecommons.org/l/by/4.0/88x31.png"> = - | <a href="https://creativecommons.org/licenses/by/4.0"
title="Creative Commons Attribution 4.0">CC BY 4.0</a> = CC-BY-4.0 | <a
href="https://creativecommons.org/licenses/by/4.0" title="NonCommercial">CC BY 4.0</a> = - | "Rosa canina" by Ana
Pérez is licensed under CC BY 2.0 = CC-BY-2.0 | "una rosa, 2" by Ana is marked with CC0 1.0. To view a copy of this
license, visit https://creativecommons.org/publicdomain/zero/1.0/?ref=openverse. = CC0-1.0 |
"Rosa \u039dC" by Ana is licensed under CC BY 2.0 = - |
"not for sale" by Ana is
licensed under CC BY 2.0 = - | "Uso docente" by Ana is licensed under CC BY 2.0 = - | "CC BY-NC" by Ana is licensed
under CC BY 2.0 = - | "On hold" by Ana is licensed under CC BY 2.0 = - | I, Luc Viatour, CC BY-SA 3.0
<http://creativecommons.org/licenses/by-sa/3.0/>, via Wikimedia Commons = CC-BY-SA-3.0 | See page for author, Public
domain, via Wikimedia Commons = PDM-1.0 | Unknown author, CC BY 4.0 = CC-BY-4.0 | No machine-readable author provided.
Ana assumed (based on copyright claims)., CC BY 2.5, via Wikimedia Commons = CC-BY-2.5
"""


@pytest.mark.parametrize("line", listed(READ))
def test_what_sites_and_their_buttons_write_is_read_and_no_more(line: str) -> None:
    text, _, license_id = line.rpartition(" = ")
    assert str(read_license(text).license_id).replace("None", "-") == license_id


UNFRAMED = """
Fair Dealing | Low Resolution | Artificial Intelligence | Künstliche Intelligenz | On Demand | Bajo Demanda | As Is |
Nur Teilen | Todos Derechos | Orphan Work | Within Germany | Valid Until | Válido Hasta | Una Vez | One Time |
Abgeleitete Werke | Marca Registrada | Off Limits | Sin Límites | Weiterverkauf Ausgenommen | Preview Only |
Scientists And Scholars | Periodistas Acreditados | Hausgebrauch Allein | Usage Privé | Tarifa Reducida
"""


@pytest.mark.parametrize("said", listed(UNFRAMED))
@pytest.mark.parametrize("frame", ["{}, CC BY 4.0", "CC BY {}", "{} CC BY 4.0", "© {}, CC BY 4.0", "CC0, foto: {}"])
def test_no_limit_of_two_words_passes_for_a_name(said: str, frame: str) -> None:
    assert [text for text in (said, said.upper(), said.lower()) if passes(frame.format(text))] == []
