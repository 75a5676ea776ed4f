"""Licences that ended, hang on a bargain, or are struck out: they are not read; names that look like it are names."""

from __future__ import annotations

from itertools import product

import pytest

from aplantida.domain.license_reader import read_license
from tests.domain.test_license_grammar import FREE, listed, passes

ENDED_OR_BARGAINED = """
Withdrawn | Cancelled | Superseded | Retired | Terminated | Void | Invalid | Obsolete | Removed | Anulada | Vencida |
Retirada | Ungültig | Zurückgezogen | Cancelada | Rescinded | Annulé | Ritirata | Aufgehoben | Vain Oma Käyttö |
Kun Personlig Bruk | Tylko Do Użytku | Arrangement | Invitation | Payment | Subscription | Invoice | Suscripción |
Invitación | Prior Arrangement | Vereinbarung | Rechnung | Paiement | Lapsed | Outdated | Kun Etter Avtale |
Revoquée | Révoqué | Suspended | Suspendida | Suspensa | Suspesa | Sospesa | Ausgesetzt | Gekündigt | Kündigung |
Denegada | Denegado | Negata | Verweigert | Abgelehnt | Rechazada | Rechazado | Rejetée | Rejeitada | Refusée |
Rifiutata | Recusada | Rebutjada | Bloqueada | Bloqué | Blocked | Bloccata | Bloquejada | Blockiert | Gesperrt |
Pendiente | Pending | Pendent | Pendente | En Attente | In Sospeso | Ausstehend | Terminé | Terminée | Terminada |
Finalizada | Extinta | Cessata | Inactive | Inaktiv | Disabled | Desactivada | Deaktiviert | Ended | Storniert |
Vorläufig | Provisoire | Embargoed | Encerrada | Échue | Caducada | Retirat | Finalitzada |
Repealed | Abrogated | Recalled | Waived | Dissolved | Draft | Entzogen | Zurückgenommen | Beendigt | Angefochten |
Untersagt | Hinfällig | Nichtig | Interrumpida | Interrompue | Interrotta | Abrogée | Agotada | Borrador | Rascunho |
Ingetrokken | Opgeheven | Verlopen | Återkallad | Opsagt | Tilbagekaldt | Peruttu | Wygasła | Odwołana | Zrušeno |
Отозвана | Истекла | Отменена | Ophævet | Revogada | Entwurf | Iptal | Refus | Rejeté | Suspens | Suspensión |
Under Review | En Trámite | In Arbeit | Dada De Baja | En Proceso | In Prüfung | En Cours | In Corso | On Hold |
Em Análise | In Behandeling | To Be Confirmed | Por Confirmar | A Confirmar | Zu Klären | Da Confermare | Por Definir |
Sur Demande | Su Richiesta | Bajo Petición | En Litigio | Contested | Umstritten | En Pausa | Plus Valable |
Bajo Revisión | Zu Bestätigen | Club Members | Museum Visitors | Academy Pupils | Socios Del Club | Anciens Élèves
"""
BEHIND_A_SIGN = """
Hakan Termine | Echue Ngozi | Former Student | Royal Press | Student Association | Colegio de México | En Wang
"""
LIKE_THEM = """
Ana Cancela | Jaime Cancelo | Kun Zhang | Edvard Vainio | Carl Kunth | Jardín del Retiro | Günther Kunkel | Yuri Bruk |
Matthew Prior | Gary Null | Delia Fara | Jan van der Brug | Laura Lupa | Ana Invitti | Pia Payman |
Carla Denegri | Independent Photographer | Pau Bloc | Suso Pena | Ana Refoyo | Cesare Negri |
Trefusis Estate | Ana Frejet | Luis Grejet | Maria Suspensky | Ole Hold | Museo de Baja California | Li En Wang
"""
HOLDERS = """
Musée des Invalides | Hôtel des Invalides | Order of Malta | Former Curator of Kew | Oxford University Press |
Department of Scientific Research | Ministry of Higher Education | Ministerio de Educación y Ciencia |
Research and Education Centre | London School of Economics | Lincoln High School | National Research Council |
Consejo Superior de Investigaciones Científicas | University of North Carolina Press | Order of Saint John |
Colegio de San José | Ministry of Education and Research |
Research Institute | School of Botany | Royal School of Mines | Harvard University Press | University of Chicago Press |
Ministry of Education |
Ministerio de Educación | Centro de Investigación Ecológica | Institut de Recherche | Scientific Society of Malta
"""
NO_HOLDERS = """
Invalide | Order | Former | Research | School | Students | Press | Research Only | School Use | Educational Use |
Order Required | Former License | Order of Use | Museum Students Only | University Personal Use | Research Purposes |
Museum: Research | Education | Press Use | By Order | School, University
"""


def test_no_licence_is_read_that_ended_or_is_bargained_for_and_names_like_that_are_names() -> None:
    frames = (
        "© {}, CC BY 4.0",
        "CC BY 4.0 © {}",
        "CC BY 4.0 by {}",
        "CC0 per {}",
        "{}, CC BY 4.0",
        "Photo: {} / CC BY",
    )
    texts = [frame.format(said) for frame, said in product(frames, listed(ENDED_OR_BARGAINED))]
    assert [text for text in texts if passes(text)] == []
    texts = [frame.format(name) for frame, name in product(frames, listed(LIKE_THEM))]
    assert [(text, read_license(text).problem) for text in texts if not passes(text)] == []


def test_what_institutions_bear_in_their_names_limits_nothing_there_and_does_elsewhere() -> None:
    frames = (
        *("© {}, CC BY 4.0", "CC BY 4.0 © {}", "CC BY 4.0 by {}", "{}, CC BY 4.0", "Photo: {} / CC BY"),
        *("(c) {}, some rights reserved (CC BY)", "Copyright {} 2019. CC BY 4.0"),
    )
    texts = [frame.format(holder) for frame, holder in product(frames, listed(HOLDERS))]
    assert [(text, read_license(text).problem) for text in texts if not passes(text)] == []
    texts = [frame.format(said) for frame, said in product((*frames, "CC BY 4.0 {}"), listed(NO_HOLDERS))]
    assert [text for text in texts for text in (text, text.upper(), text.lower()) if passes(text)] == []
    assert [holder for holder in listed(HOLDERS) if passes(f"CC BY 4.0 {holder.lower()}")] == []


AUDIENCES = """
Museum Students | University Students | Royal Press | Museum School | Association Press | Institute Order |
University of Students | Former Members | Former Employee | Order of Court | School of Kids | Museum Research |
National Education | Former Teacher | Society Learning | School of Teenagers | Museum Training | Royal Research |
Former Student | Former Staff | Academy Order | Hotel Press | Order of Judges | Council Education
"""


def test_who_is_named_beside_an_institution_is_an_audience_and_behind_a_copyright_sign_the_holder() -> None:
    frames = ("{}: CC BY 4.0", "{} CC BY 4.0", "{}, CC BY 4.0", "CC BY 4.0 by {}")
    texts = [frame.format(said) for frame, said in product(frames, listed(AUDIENCES))]
    assert [text for text in texts if passes(text)] == []
    assert not passes("Photo: Research CC BY by Ana Museum")
    assert not passes("© Press CC BY Copyright Royal Museum")
    signs = (
        "© {}, CC BY 4.0",
        "CC BY 4.0 © 2019 {}",
        "(c) {}, some rights reserved (CC BY)",
        "Copyright {} 2019. CC BY",
    )
    texts = [frame.format(holder) for frame, holder in product(signs, listed(BEHIND_A_SIGN))]
    assert [(text, read_license(text).problem) for text in texts if not passes(text)] == []


OVERLAYS = (
    "\u0334\u0335\u0336\u0337\u0338\u20d2\u20d3\u20d8\u20d9\u20da\u20e5\u20e6\u20e7\u20e8\u20e9\u20ea\u20eb\u20dd\u0489"
)


@pytest.mark.parametrize("free", FREE)
def test_what_is_struck_out_is_not_read(free: str) -> None:
    for overlay in OVERLAYS:
        assert not passes(overlay.join(free) + overlay), hex(ord(overlay))
        assert not passes(free[:2] + overlay + free[2:]), hex(ord(overlay))
    for element in ("del", "s", "strike", "DEL", "del class='x'"):
        for left, right in ("<>", "[]"):
            end = f"{left}/{element.split()[0]}{right}"
            assert not passes(f"{left}{element}{right}{free}{end}")
            assert not passes(f"{left}{element}{right}{free}{end} Ana Pérez")
    assert not passes(f"<span style='text-decoration: line-through'>{free}</span>")
    assert not passes(f"~~{free}~~")
    assert not passes(f"{free} \u2260")  # one character, whose stroke is a mark only once it is taken apart
