"""The words of licence texts, in English, Spanish, Catalan, Portuguese, French, Italian and German.

Phrases are compared *squeezed*: lower case, without accents and whatever stands between words, so that "No Comercial",
"no-comercial" and "NoComercial" are one. What is not listed here is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from functools import lru_cache

from aplantida.domain import license_titles as titles
from aplantida.domain.license_limits import NO_NAME_STEMS_AS_WRITTEN, NO_NAME_WORDS
from aplantida.domain.text import without_accents


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Kind(Enum):
    """What a phrase is to the grammar of ``license_reader``."""

    COMMONS = auto()  # "Creative Commons"
    ELEMENT = auto()  # BY, NC, ND, SA
    STATEMENT = auto()  # a whole licence
    LICENSE = auto()  # the word itself
    VERSION = auto()
    PORT = auto()
    SOME_RIGHTS = auto()
    COPYRIGHT = auto()
    NAME_LEAD = auto()  # what a name may follow
    UPLOADER = auto()  # what a name or an account may follow
    SOURCE = auto()
    OR = auto()
    FILLER = auto()  # says nothing


ELEMENTS = {
    "by": "by | attribution | atribucion | reconocimiento | reconeixement | atribuicao | attribuzione | paternite | "
    f"namensnennung | {titles.ATTRIBUTION}",
    "nc": "nc | noncommercial | non commercial use | no comercial | uso no comercial | sense us comercial | "
    "nao comercial | uso nao comercial | non commerciale | uso non commerciale | pas d utilisation commerciale | "
    "utilisation non commerciale | nicht kommerziell | keine kommerzielle nutzung",
    "nd": "nd | no derivatives | no derivs | no derivative works | sin derivadas | sin obra derivada | "
    "sin obras derivadas | sense obra derivada | sense obres derivades | sem derivacoes | sem derivados | "
    "sem derivadas | sem obras derivadas | pas de modification | pas de modifications | keine bearbeitung | "
    "keine bearbeitungen | non opere derivate | nessuna opera derivata",
    "sa": "sa | share alike | compartir igual | compartilha igual | compartilhamento pela mesma licenca | "
    "partage dans les memes conditions | partage a l identique | weitergabe unter gleichen bedingungen | "
    f"condividi allo stesso modo | {titles.SHARE_ALIKE}",
}
STATEMENTS = {
    "CC0-1.0": "cc0 | cc0 waiver | cc zero | creative commons 0 | creative commons zero | no rights reserved | "
    "sin derechos reservados | ningun derecho reservado | cap dret reservat | nenhum direito reservado | "
    "aucun droit reserve | nessun diritto riservato | keine rechte vorbehalten",
    "PDM-1.0": "public domain | public domain mark | public domain dedication | pdm | dominio publico | "
    "domini public | domaine public | publiek domein | allman egendom | domena publiczna | "
    "pubblico dominio | dominio pubblico | gemeinfrei | "
    "no known copyright restriction | no known copyright restrictions | united states government work | "
    "us government work",
    "LicenseRef-AllRightsReserved": "all rights reserved | todos los derechos reservados | "
    "tots els drets reservats | todos os direitos reservados | tous droits reserves | tutti i diritti riservati | "
    "alle rechte vorbehalten",
    "GFDL-1.3-or-later": "gfdl | gnu fdl | gnu free documentation license | gnu free documentation licence",
    "LAL-1.3": "free art license | licence art libre",
}
# whole texts that mean a licence which a policy may name in also_allowed, and what Flickr calls its licences
WHOLE_TEXTS = {
    "cc-by-all": "CC-BY-4.0",
    "cc-by-sa-all": "CC-BY-SA-4.0",
    "fal": "LAL-1.3",
    "open government licence v3.0": "OGL-UK-3.0",
    "ogl 3": "OGL-UK-3.0",
    "licence ouverte": "etalab-2.0",
    "etalab 2.0": "etalab-2.0",
    "unsplash license": "LicenseRef-Unsplash",
    "pixabay license": "LicenseRef-Pixabay",
    "pexels license": "LicenseRef-Pexels",
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "c": "LicenseRef-AllRightsReserved",
    "copyrighted": "LicenseRef-AllRightsReserved",
    "attribution license": "CC-BY-2.0",
    "attribution-sharealike license": "CC-BY-SA-2.0",
    "attribution-noderivs license": "CC-BY-ND-2.0",
    "attribution-noncommercial license": "CC-BY-NC-2.0",
    "attribution-noncommercial-sharealike license": "CC-BY-NC-SA-2.0",
    "attribution-noncommercial-noderivs license": "CC-BY-NC-ND-2.0",
}
# Wikimedia's templates of works in the public domain: "PD-" and any of these
PUBLIC_DOMAIN_TEMPLATE = _words(
    """
    pd self old 70 80 90 100 auto expired us usgov usda ars nps fws interior usgs blm usfs nasa noaa eu scan author
    user art anon ineligible shape 1923 1996
    """
)
PORTS = {
    "": "international | internacional | internazionale | unported | no portada | no adaptada | nao adaptada | "
    f"non transpose | nicht portiert | generic | generica | generico | generique | universal | {titles.INTERNATIONAL}",
    "ar": "argentina | argentine | argentinien",
    "at": "austria | osterreich | autriche",
    "au": "australia | australie | australien",
    "be": "belgium | belgica | belgique | belgien",
    "bg": "bulgaria",
    "br": "brazil | brasil | bresil | brasile | brasilien",
    "ca": "canada | kanada",
    "ch": "switzerland | suiza | suisse | schweiz | svizzera",
    "cl": "chile",
    "cn": "china mainland",
    "co": "colombia",
    "cr": "costa rica",
    "cz": "czech republic",
    "de": "germany | alemania | alemanya | allemagne | deutschland | germania",
    "dk": "denmark",
    "ec": "ecuador",
    "ee": "estonia",
    "eg": "egypt",
    "es": "spain | espana | espanya | espanha | espagne | spagna | spanien",
    "fi": "finland",
    "fr": "france | francia | franca | frankreich",
    "gr": "greece",
    "gt": "guatemala",
    "hk": "hong kong",
    "hr": "croatia",
    "hu": "hungary",
    "ie": "ireland",
    "igo": "igo | intergovernmental organisations",
    "il": "israel",
    "in": "india",
    "it": "italy | italia | italie | italien",
    "jp": "japan",
    "kr": "korea",
    "lu": "luxembourg",
    "mk": "macedonia",
    "mt": "malta",
    "mx": "mexico",
    "my": "malaysia",
    "nl": "netherlands",
    "no": "norway",
    "nz": "new zealand",
    "pe": "peru",
    "ph": "philippines",
    "pl": "poland",
    "pr": "puerto rico",
    "pt": "portugal",
    "ro": "romania",
    "rs": "serbia",
    "scotland": "uk scotland | scotland",
    "se": "sweden",
    "sg": "singapore",
    "si": "slovenia",
    "th": "thailand",
    "tw": "taiwan",
    "ug": "uganda",
    "uk": "england wales | england and wales | uk england wales | uk england and wales | united kingdom",
    "us": "united states | estados unidos | etats unis | stati uniti | usa",
    "ve": "venezuela",
    "vn": "vietnam",
    "za": "south africa",
}
OTHER_PHRASES = {
    Kind.COMMONS: f"cc | creative commons | {titles.COMMONS}",
    Kind.LICENSE: f"""
        license | licence | public license | public licence | licencia | licencia publica | llicencia | licenca
        | licenza | lizenz | licenses | licences | {titles.LICENSE}
    """,
    Kind.VERSION: "v | version | versio | versao | versione | ver",
    Kind.SOME_RIGHTS: """
        some rights reserved | algunos derechos reservados | alguns drets reservats | alguns direitos reservados
        | certains droits reserves | alcuni diritti riservati | einige rechte vorbehalten
    """,
    Kind.COPYRIGHT: "copyright",
    Kind.NAME_LEAD: """
        photo | photos | photograph | photography | photographer | foto | fotos | fotografia | fotografo |
        fotografa | fotograf | fotografin | photographie | photographe | image | imagen | imatge | imagem |
        immagine | bild | author | authors | autor | autora | autores | auteur | autrice | autore | urheber |
        creator | credit | credits | credito | creditos | credit photo | by | por | par | von | per | de | di |
        da | via | from | on | source | fuente | font | fonte | quelle | courtesy of |
        no machine readable author provided
    """,
    Kind.UPLOADER: """
        uploaded by | subida por | subido por | pujada per | carregado por | enviado por | televerse par |
        hochgeladen von | caricato da
    """,
    Kind.SOURCE: """
        inaturalist | inaturalist org | gbif | gbif org | flickr | wikimedia | wikimedia commons | commons |
        wikipedia | wikidata | plantnet | eol | europeana | unsplash | own work | trabajo propio | obra propia |
        treball propi | obra do proprio | travail personnel | opera propria | eigenes werk
    """,
    Kind.OR: "or | o | ou | oder | and or | y o",
    Kind.FILLER: """
        see page for author | unknown author | assumed based on copyright claims | is marked with |
        or later | or any later version | migrated | ce | document | self | deed | legal code | legalcode |
        dedication | attribution required | and | y | e | i | et | und | u | rights | usage rights | derechos |
        drets | direitos | droits | diritti | under the terms of | los terminos de | els termes de | os termos de |
        les termes de | i termini della | den bedingungen der | to view a copy of this license visit |
        to view a copy of this licence visit | to the extent possible under law the publisher has waived all rights
        to these data and has dedicated them to | users may copy modify distribute and use the work including for
        commercial purposes without restriction | this | these | data | work | works | file | media | is | are |
        licensed | licenced | released | published | available | made | shared | distributed | provided | under
        | with | a | an | the | of | in | at | esta | este | obra | archivo | fichero | bajo | una | un | la |
        el | los | del | con | licenciada | licenciado | publicada | publicado | disponible | se distribuye | se
        publica | sujeta a | sujeto a | en | aquesta | aquest | fitxer | sota | subjecta a | subjecte a | amb |
        trabalho | ficheiro | arquivo | sob | uma | um | com | licenciado | disponibilizado | do | os | cette |
        cet | oeuvre | fichier | est | sous | mise | mis | disposition | selon | une | le | les | quest | questa
        | questo | opera | distribuita | distribuito | rilasciata | rilasciato | sotto | il | della | dieses |
        diese | werk | datei | ist | lizenziert | steht | unter | einer | einem | der | die | das | mit |
        veroffentlicht
    """,
}
PARTICLES = _words(
    """
    of the de del la las los da das do dos di du des van von der den ter ten vom zu y e i et and und bin al el
    le af av
    """
)
_FOLDED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
_DIGITS_FOR_LETTERS = str.maketrans("013457", "oieast")


def fold(text: str) -> str:
    """Lower case, without accents."""
    return text.lower() if text.isascii() else without_accents(text.casefold()).translate(_FOLDED)


def squeeze(text: str) -> str:
    """The letters and digits of a text, folded; a point between digits stays."""
    return re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w.]|_", "", fold(text))


def _listed() -> Iterator[tuple[str, Kind, str]]:
    named: Mapping[Kind, Mapping[str, str]] = {
        **{kind: {"": phrases} for kind, phrases in OTHER_PHRASES.items()},
        Kind.PORT: PORTS,
        Kind.STATEMENT: STATEMENTS,
        Kind.ELEMENT: ELEMENTS,
    }
    for kind, meanings in named.items():
        for meaning, phrases in meanings.items():
            for phrase in phrases.split("|"):
                yield squeeze(phrase), kind, meaning


NO_NAME_STEMS = tuple(map(fold, NO_NAME_STEMS_AS_WRITTEN))
PHRASES: Mapping[str, tuple[Kind, str]] = {phrase: (kind, meaning) for phrase, kind, meaning in _listed()}
PREFIXES = frozenset(phrase[:length] for phrase in PHRASES for length in range(1, len(phrase) + 1))
WHOLE: Mapping[str, str] = {squeeze(text): license_id for text, license_id in WHOLE_TEXTS.items()}


@lru_cache(maxsize=65536)
def is_innocent(word: str) -> bool:
    """Whether nothing in a word limits, forbids or points elsewhere."""
    plain = fold(word)
    if plain.isdigit():
        return True
    spelled = plain.translate(_DIGITS_FOR_LETTERS)
    if not NO_NAME_WORDS.isdisjoint((plain, spelled)) or re.fullmatch(r"(?:by|nc|nd|sa|cc){2,}", plain):
        return False
    return not any(stem in spelled for stem in NO_NAME_STEMS)
