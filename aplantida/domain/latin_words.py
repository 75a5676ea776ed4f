"""Genera and epithets as words: which look Latin, and one spelling for each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from aplantida.domain.ordinary_words import NOT_A_GENUS, NOT_AN_EPITHET, ORDINARY_WORDS, REAL_AFTER

LETTERS = "a-zëïöüäæœ"
EPITHET = re.compile(rf"[{LETTERS}]{{2,}}(?:-[{LETTERS}]+)*$")
_GENUS = re.compile(rf"[A-Z][{LETTERS}]+$")
_GENUS_ENDS = re.compile(r"(?:a|[ueioay]s|um|[npb]s|x|on|en|e|i|er|ar|ago|igo|ugo|ndo|io)$")
_OTHER_GENERA = frozenset({"Aa", "Calypso", "Erato", "Ginkgo", "Io", "Juno", "Manihot", "Nelumbo", "Sabal"})
_NO_EPITHET_ENDS = re.compile(  # of Spanish, French and English
    r"(?:ad[ao]s?|[dt]ad|(?:ant|ent|er|ic|id|ill|in|iv|os)o|[ai]bles?|(?<!seneg)al|[ae]ntes?|cion|tion|ing|euse|ette|elle|ique)$"
)
_NEUTER = re.compile(r"(?:commune|estre|ustre|ense|are|ale|ile|grande|dulce|celeste|agreste|enne)$")
_NO_NEUTER_GENUS = re.compile(r"(?:(?<!m)a|ama|(?<!al)e|[ueioa]s|ys|x|o)$")
_AFTER_VOWEL = re.compile("(?<=[aeou])[äöü]|ë|ï")
_PLAIN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "œ": "oe"})
_KEEP_THEIR_HYPHEN = """
adiantum-nigrum agnus-castus anagallis-aquatica barba-caprae barba-jovis bona-nox bonus-henricus branca-ursina
bursa-pastoris capillus-medusae capillus-veneris caput-avis caput-bovis caput-galli caput-medusae
carolinae-septentrionalis coeli-rosa cornu-cervi cornu-copiae crista-castrensis crista-galli crus-corvi crus-galli
dens-canis dens-leonis ficus-indica filix-femina filix-mas flos-aeris flos-aquae flos-cuculi flos-jovis flos-reginae
herba-alba herba-barona herba-venti kok-saghyz lacryma-jobi lingua-felis morsus-ranae noli-tangere novae-angliae
novae-caesareae novae-hollandiae novae-zelandiae novi-belgii novo-granatensis nux-vomica oculus-christi
oculus-draconis pecten-veneris pes-caprae pes-equi pes-leonis pes-tigridis plantago-aquatica rosa-sinensis
ruta-muraria sanctae-helenae sancti-johannis spina-christi umbilicus-veneris unguis-cati uva-crispa uva-ursi
uva-vulpis virga-aurea vitis-idaea
"""
_HYPHENATED = {word.replace("-", ""): word for word in _KEEP_THEIR_HYPHEN.split()}


def fold_word(word: str) -> str:
    """One spelling of a genus or epithet: ASCII, with a hyphen where botanists keep it.

    A diaeresis parts vowels (Isoëtes, zoöphila) and falls away; ä, ö, ü and ligatures become two letters (Code of
    Nomenclature for algae, fungi, and plants, Art. 60.7). Whether a text has a hyphen says nothing (Art. 60.11).
    """
    plain = _AFTER_VOWEL.sub(lambda found: unicodedata.normalize("NFD", found[0])[0], word).translate(_PLAIN)
    joined = plain.replace("-", "")
    return _HYPHENATED.get(joined, joined)


def is_one_word(first: str, second: str) -> bool:
    """Whether two words are an epithet that lost its hyphen (``rosa sinensis``)."""
    return f"{first}{second}" in _HYPHENATED


def why_no_words(genus: str, epithets: Sequence[str]) -> str | None:
    """What speaks against a genus and epithets by their letters: abbreviations, other alphabets, accents."""
    for word, form in ((genus, _GENUS), *((epithet, EPITHET) for epithet in epithets)):
        if not form.match(word) or (len(word) < 3 and word not in _OTHER_GENERA):
            return f"{word!r} is no Latin word"
    return "the same word twice" if genus.lower() == epithets[0] else None


def why_not_latin(genus: str, epithets: Sequence[str]) -> str | None:
    """What speaks against words of the right letters: endings that Latin has not, ordinary words, a wrong gender.

    Spanish "silvestre" and "dulce" are neuter in Latin, and most nouns that people put before them are not.
    """
    for word in (genus.lower(), *epithets):
        if (word in ORDINARY_WORDS and REAL_AFTER.get(word) != genus) or (
            word == genus.lower() and word in NOT_A_GENUS
        ):
            return f"{word!r} is an ordinary word"
    if genus not in _OTHER_GENERA and not (_GENUS_ENDS.search(fold_word(genus)) and not genus.endswith("aceae")):
        return f"{genus!r} does not end like a genus"
    for word in epithets:
        if word in NOT_AN_EPITHET or _NO_EPITHET_ENDS.search(word):
            return f"{word!r} is no epithet"
    if _NEUTER.search(epithets[0]) and _NO_NEUTER_GENUS.search(genus):
        return f"{epithets[0]!r} does not agree with {genus!r}"
    return None
