"""Names of institutions and people that hold a word which elsewhere limits: "Order of Malta", "Former Student".

A word of purpose or schooling limits nothing in the name of an institution that bears it ("Ministry of Education",
"University Press", "Musée des Invalides"). "School" and "Order" are institutions themselves where "of" and a name
follow. "Former" is said of a person. By themselves, or beside other words, all of these limit as before.
"""

from __future__ import annotations

from collections.abc import Sequence

from aplantida.domain.license_words import PARTICLES, fold, is_innocent


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INSTITUTIONS = _words(
    """
    museum musee museo museu ministry ministere ministerio ministeri ministero ministerium institute institut instituto
    istituto centre center centro zentrum department departamento departament departement dipartimento faculty facultad
    facultat faculdade faculte facolta fakultat university universidad universidade universite universita universitat
    society sociedad sociedade societat societe societa gesellschaft academy academia akademie academie accademia
    foundation fundacion fundacao fundacio fondation fondazione stiftung council consejo consell conselho conseil
    consiglio royal national nacional nationale nazionale hotel hospital hopital laboratory laboratorio laboratoire
    library biblioteca bibliotheque bibliothek archives agency agencia office association asociacion associacao
    associacio associazione ecole escuela escola scuola hochschule college high secondary primary station
    """
)
_BORNE = _words(
    """
    research recherche recherches investigacion investigaciones investigacio ricerca ricerche pesquisa pesquisas recerca
    forschung student students estudiantes school schools schule press presse prensa invalides order training learning
    """
)
_BORNE_STEMS = ("educ", "scientif", "cientif", "wissenschaft", "ensenan", "enseign", "divulg")
_THEMSELVES = frozenset(("school", "order", "schule", "colegio"))
_FORMER = frozenset(("former",))
_PEOPLE = _words(
    """
    student students member members employee employees staff director curator teacher teachers professor president
    volunteer volunteers intern interns pupil pupils keeper gardener ranger head fellow
    """
)
_OF = PARTICLES - {"y", "e", "i", "et", "und", "and"}


def is_of_holder(words: Sequence[str], place: int) -> bool:
    """Whether the word at ``place`` of a name that limits elsewhere is a part of who holds a right.

    Args:
        words: of the name, in their own case, and whatever follows them up to the next sign.
        place: in ``words``.
    """
    if not words[place][:1].isupper():
        return False
    plain = [fold(word) for word in words]
    word = plain[place]
    if word in _FORMER:
        return plain[place + 1 : place + 2] != [] and plain[place + 1] in _PEOPLE
    if word in _PEOPLE and place and plain[place - 1] in _FORMER:
        return True
    if word in _THEMSELVES and _is_of_a_name(words, plain, place):
        return True
    others = _INSTITUTIONS.intersection((*plain[:place], *plain[place + 1 :]))
    return bool(others) and (word in _BORNE or word.startswith(_BORNE_STEMS))


def _is_of_a_name(words: Sequence[str], plain: Sequence[str], place: int) -> bool:
    """Whether "of" and a name follow a word."""
    after = place + 1
    while after < len(words) and plain[after] in _OF:
        after += 1
    return place + 1 < after < len(words) and words[after][:1].isupper() and is_innocent(words[after])
