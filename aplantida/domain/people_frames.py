"""What stands around a name in the texts that say who took a photo: "Foto de …", "… (CC BY)", "© 2020 …"."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

from aplantida.domain.text import seen_letters, unpaired

# an address or mail: nobody's name
ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.|\bmailto:|\bdata:|(?<!\S)//)\S*|"
    r"(?<![^\s(,;:])[^\s@(,;:]+@[^\s@]+\.[^\s@]+",
    re.IGNORECASE,
)
_BREAK = re.compile(r"</?(?:br|p|li|ul|ol|div|td|tr)\b[^<>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]*>")
_RIGHTS = (
    r"\b(?:(?:some|all|no|algunos|todos los|alguns|todos os|tots els|certains|tous|alle|einige|tutti i|alcuni)\s+)?"
    r"(?:rights|derechos|direitos|drets|droits|rechte|diritti)\s+"
    r"(?:reserved|reservados|reservats|réservés|vorbehalten|riservati)\b|"
    r"\bpublic domain\b|\bdominio público\b|\bcreative commons\b|"
    r"\bCC(?:0|[\s-]BY(?:[\s-](?:NC|ND|SA))*)\b(?:\s+[1-4]\.[05]\b)?"
)
_DAY = r"(?<![\w.])\d{1,4}([./-])\d{1,2}\1\d{1,4}(?!\w)"
# months written whole, or in their usual short form: "Marín", "Mayer" and "Novak" begin like one and are surnames
_MONTH = (
    r"(?:jan(?:uary|uar|vier|v|eiro)?|ene(?:ro)?|gen(?:er|naio)?|feb(?:ruary|ruar|rero|rer|braio|r)?|"
    r"f[eé]v(?:rier|ereiro|r)?|mar(?:ch|s|zo|ço|ç)?|märz?|apr(?:il|ile)?|abr(?:il)?|avr(?:il)?|ma[iy]|mayo|maio|maig|"
    r"mag(?:gio)?|june?|juni|juny|junio|junho|juin|giu(?:gno)?|jul[yi]?|julio|julho|juliol|juil(?:let)?|lug(?:lio)?|"
    r"aug(?:ust)?|ago(?:sto|st)?|ao[uû]t|sept?(?:ember|iembre|embre)?|set(?:iembre|embre|tembre|embro)?|"
    r"o[ck]t(?:ober|ubre|obre)?|out(?:ubro)?|ott(?:obre)?|nov(?:ember|iembre|embre|embro)?|d[eé][cs](?:ember|embre)?|"
    r"dic(?:iembre|embre)?|dez(?:ember|embro)?)\b\.?"
)
_YEAR = r"(?:1[89]|20)\d\d\b"
_DAY_OF_MONTH = r"\b[0-3]?\d(?:st|nd|rd|th|er|º|\.)?"
_DATE = (
    rf"{_DAY}|{_DAY_OF_MONTH}\s+(?:de\s+|of\s+)?{_MONTH},?\s+(?:del?\s+)?{_YEAR}|"
    rf"\b{_MONTH}\s+{_DAY_OF_MONTH},?\s+{_YEAR}"
)
# what is nobody's name wherever it stands: signs, rights, dates
_NOBODY = re.compile(
    rf"\(c\)|[©℗Ⓒⓒ®™\u2190-\u21ff\u2500-\u27bf\U0001f000-\U0001faff]\ufe0f?|{_RIGHTS}|{_DATE}", re.IGNORECASE
)
_YEARS = rf"{_YEAR}(?:\s*[-–]\s*(?:(?:1[89]|20)\d\d|\d\d)\b)?"
_TITLES = r"dra?|prof(?:esora?)?|mrs?|ms|sra?|don|doña|herrn?|frau|mme|mlle|monsieur|sig(?:nora?|ra)?|senyora?|dhr|mevr"
_WORDS = (
    r"(?:copyright|copr|pictures?|photos?|photograph(?:s|y|ed|er)?|images?|fotos?|fotograf(?:[ií]as?|o|a|in|ie)?|"
    r"fotógraf[oa]|imagen|imatge|imagem|immagine|bild|photographie|photographe|cr[eé]dit(?:o|os|s)?|courtesy|"
    r"autor(?:a|es|as)?|authors?|auteure?|autore|autrice|urheber(?:in)?|user|taken|tomada|shot|made|uploaded|subid[oa]|"
    r"aufgenommen|fotografiert|geschossen|gemacht|hech[oa]|realizad[oa]|fotografiad[oa]|photographiée?|fotografat[oa]|"
    r"scattat[oa]|prise?|clich[eé]|scatt[oi]|gemaakt|genomen|"
    rf"{_TITLES})\b"
)
_OF = r"(?:(?:by|to|of|de|del|por|per|par|von|van|da|di)\b|d['’])"
SIGNS = "-–:;.,*'’‘`@#!¡?¿_ \t\r\n"  # at the ends of a name
# what may stand before a name, and behind it
_BEFORE = re.compile(rf"(?:{_WORDS}(?:[.\s]+{_OF})?|{_YEARS}|(?:by|por)\b)\s*", re.IGNORECASE)
_OF_TWO_WORDS = re.compile(rf"{_OF}\s*(?=\S+\s+\S)", re.IGNORECASE)  # "De Ana Pérez", and not "De Vries"
# whatever ends in these is followed by a name: "Observation by", "Cedida por", "iNaturalist user"
_BY = re.compile(
    r".*\b(?:by|por|par|per|By|Por|BY|POR|(?i:thanks\s+to|gracias\s+a|merci\s+[aà]|grazie\s+a|user|usuari[oa]?|utilisat(?:eur|rice)|utilizadora?|(?:be)?nutzer(?:in)?|"
    r"utente|member|miembro|account|cuenta))\s+(?=\S)"
)
# behind what is made, kept or given by somebody ("archivo fotográfico de"), and what was done ("hochgeladen von")
_OF_SOMEBODY = re.compile(
    r"(?<![^\W\d_])([^\W\d_]{3,})(?=(?:\s+[^\W\d_]+)?\s+(?:(?:of|de|del|von|van|di|da|do)\s+|d['’]\s*)()[^\W\d_])",
    re.IGNORECASE,
)
_SOMEBODYS = re.compile(
    r"cortes[ií]a|gentil(?:eza|lesse|ezza)|courtoisie|courtesy|obra|trabajo|trabalho|treball|travail|[oœ]uvre|work|"
    r"archivo|arxiu|arquivo|archives?|archivio|colecci[oó]n|col[·.]?lecci[oó]|cole[cç]+[aã]o|collection|collezione|"
    r"propie[dt]ad|propriedade|property|propriété|proprietà|observa\w+|observation|osservazione|retrato|captura|cesi[oó]n|"
    r"cessione|im[aá]gen(?:es)?|imat?ges?|imagens?|immagin[ei]|images?|pictures?|photos?|photograph(?:s|y|ies?)?|"
    r"foto(?:s|graf[ií]as?|grafia|grafie)?|fotograf[ií]a|toma|disparo|autor[ií]a|auteur|aportaci[oó]n|contribu\w+|"
    r"donaci[oó]n|permis(?:o|sion)|autorizaci[oó]n|autorisation|permesso|genehmigung|erlaubnis|registro|registre|record|"
    r"\w*(?:aufnahme|sammlung|eigentum|beobachtung|bild|bilder|fotos?|fotografie|archiv|werk|arbeit)|"
    r"[^\W\d_]{2,}(?:[ai]d[oa]|at[oa]|itt[oa]|ed|ée?)|(?:[^\W\d_]*ge|be|ver|er)[^\W\d_]{2,}(?:en|t)",
    re.IGNORECASE,
)
_SITE = r"[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|info|eu|cat|es|fr|de|it|pt|uk|mx|ar|cl|co|ch|at|be|nl)"
_LICENSED = r"(?-i:l?li[cz]en\w+|publi\w+|released|available|distribu\w+|shared|disponible|veröffentlicht|verfügbar)"
_BEHIND = re.compile(
    rf"(?:['’]s)?\s(?:(?-i:el|le|am|il|em|on)|{_MONTH}\s+(?:del?\s+)?{_YEAR}|{_YEARS}|{_WORDS}|{_SITE}|{_LICENSED})$",
    re.IGNORECASE,
)
_YEAR_BEHIND = re.compile(rf"\s(?:del?\s+)?{_YEARS}$", re.IGNORECASE)
# before a listed name: "Foto:", "Photo by", and "Foto", "Dr." where two words follow
_LISTED_WITH = re.compile(
    rf"{_WORDS}\s*(?::|[.\s]\s*{_OF}\s)\s*|{_WORDS}[.\s]\s*(?!{_OF}\s)(?=[^\W\d]\S*\s+[^\W\d])", re.IGNORECASE
)
_SEVERAL = re.compile(r"[;|\r\n()\[\]]")
_TWO_WHOLE_NAMES = re.compile(r"\w\S*\s+\S*\w\s+[&+/]\s+\w\S*\s+\w")
_BEHIND_TWO_WORDS = re.compile(rf"(?<=\w),?\s+{_YEARS}$")
_YEARS_AROUND = re.compile(rf"^{_YEARS}|{_YEARS}$")
_MOST_TAKEN_OFF = 8  # words and years, at either end
_LONGEST_LISTED = 1_000  # characters


def without_frame(name: str) -> str:
    """A name that somebody lists, without what is certainly none: ``Ana Pérez`` of ``© 2020 Ana Pérez`` or ``Foto: …``.

    Nothing is left of what names nobody; what may be a name stays ("Foto Pérez", "2020 Vision"), and so does what is
    too long for one.

    Raises:
        ValueError: for several names, which would be found nowhere but in the same text.
    """
    name = seen_letters(unpaired(name))
    if len(name) > _LONGEST_LISTED or ADDRESS.fullmatch(name.strip()):
        return name
    plain = without_nobody(without_markup(name))
    found = [part.strip(SIGNS) for part in _SEVERAL.split(plain) if part.strip(SIGNS)]
    if not found:
        return ""
    if len(found) > 1 or _TWO_WHOLE_NAMES.search(plain):
        raise ValueError(f"the author {name!r}: list one name an entry")
    text = found[0]
    if ";" in plain:
        text = _YEARS_AROUND.sub("", text).strip(SIGNS)
    for _ in range(_MOST_TAKEN_OFF):
        if not (end := max(_end(_LISTED_WITH, text), _end(_BY, text), _end_of_somebodys(text))):
            break
        text = text[end:].strip(SIGNS)
    without_years = _BEHIND_TWO_WORDS.sub("", text).strip(SIGNS)
    return without_years if " " in without_years else text


def without_markup(text: str) -> str:
    """The text that a page shows: entities read, tags left out, a new line where a page begins one."""
    return _MARKUP.sub(" ", _BREAK.sub("\n", html.unescape(text)))


def without_nobody(text: str) -> str:
    """A text in NFKC with a semicolon for whatever is nobody's name: addresses, signs, rights, dates."""
    plain = _NOBODY.sub(";", ADDRESS.sub(";", text)).replace("´", "'")  # which NFKC takes for a space
    return unicodedata.normalize("NFKC", plain)


def unframed(part: str) -> Iterator[str]:
    """A part of a text, and what is left of it each time that a word, sign or year at its ends is taken off."""
    yield part
    yield (text := part.strip(SIGNS))
    for _ in range(_MOST_TAKEN_OFF):
        if not (end := led(text)):
            break
        yield (text := text[end:].strip(SIGNS))
    for _ in range(_MOST_TAKEN_OFF):
        if not (found := _BEHIND.search(text[-40:])):
            break
        if year := _YEAR_BEHIND.search(text[-40:]):  # "Ana May 2019" may be somebody's surname, or a month
            yield text[: len(text) - len(year[0])].strip(SIGNS)
        yield (text := text[: len(text) - len(found[0])].strip(SIGNS))


def led(text: str) -> int:
    """Where a name begins that has something before it; 0 where nothing is."""
    text = text.rstrip()
    start = len(text) - len(text.lstrip(SIGNS))
    text = text[start:]
    end = _end(_BEFORE, text) or _end(_OF_TWO_WORDS, text) or _end(_BY, text) or _end_of_somebodys(text)
    return start + end if end else 0


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


def _end_of_somebodys(text: str) -> int:
    """Where a name begins behind "Cortesía de", "archivo fotográfico de"; 0 in "María de Luis Gil"."""
    found = next((found for found in _OF_SOMEBODY.finditer(text) if _SOMEBODYS.fullmatch(found[1])), None)
    return found.end(2) if found else 0
