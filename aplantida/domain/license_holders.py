"""Names of institutions and people that hold a word which elsewhere limits: "Order of Malta", "Former Student".

A word of purpose limits nothing in the name of an institution that is "of" it ("Ministry of Education", "Musée des
Invalides") or that is named right behind it ("Research Institute"); "Press" follows a university, "School" is of a
subject, "Order" of a saint. Whoever else is named beside an institution is an audience ("Museum Students"). Behind a
copyright sign stands who holds the right: there an institution anywhere beside the word, or "of" and a name, is enough.
"Former" is said of a person who is somebody's ("Former Curator of Kew"), or holds the right.
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
    consiglio hotel hospital hopital laboratory laboratorio laboratoire library biblioteca bibliotheque bibliothek
    archives agency agencia office association asociacion associacao associacio associazione hochschule college station
    institution institucion instituicao institucio
    """
)
_OF_INSTITUTIONS = _INSTITUTIONS | _words(
    "royal national nacional nationale nazionale ecole escuela escola scuola high secondary primary"
)
_PRINTING = _words(
    """
    university universidad universidade universite universita universitat academy academia akademie academie accademia
    college institute institut instituto institution
    """
)
_PRESS = _words("press presse prensa")
_PURPOSES = _words(
    """
    research recherche recherches investigacion investigaciones investigacio ricerca ricerche pesquisa pesquisas recerca
    forschung invalides
    """
)
_PURPOSE_STEMS = ("educ", "scientif", "cientif", "wissenschaft", "ensenan", "enseign", "divulg")
_AUDIENCES = _words("student students estudiantes school schools schule order training learning") | _PRESS
_KINDS = _words("higher superior public publica publique nacional national plant agricultural environmental medical")
_SCHOOLS = frozenset(("school", "schule", "colegio"))
_LEVELS = _words("high secondary primary grammar")
_SUBJECT_STEMS = _words(
    """
    botan biolog ecolog forest agri horticult veterinar farmac pharmac medic natur environm geogra geolog engineer
    ingenier architect scien cienc econom
    """
)
_SUBJECTS = _words("mines arts design life earth plant tropical hygiene chemistry physics mathematics law")
_HOLY = _words("malta saint st san santo santa sant sao merit preachers")
_FORMER = frozenset(("former",))
_PEOPLE = _words(
    """
    student member employee director curator teacher professor president volunteer intern pupil keeper gardener ranger
    head fellow
    """
)
_OF_MANY = frozenset(("member", "employee"))
_OF = PARTICLES - {"y", "e", "i", "et", "und", "and"}


def is_of_holder(words: Sequence[str], place: int, *, held: bool = False) -> bool:
    """Whether the word at ``place`` of a name that limits elsewhere is a part of who holds a right.

    Args:
        words: of the name, in their own case, and whatever follows them up to the next sign or word of licences.
        place: in ``words``.
        held: whether a copyright sign stands before them.
    """
    if not words[place][:1].isupper():
        return False
    plain = [fold(word) for word in words]
    if (named := _of_a_former(words, plain, place, held=held)) is not None:
        return named
    if _is_purpose(plain[place]) and (_is_of_an_institution(plain, place) or _is_before_one(plain, place)):
        return True
    if plain[place] in _PRESS and _is_behind_a_university(plain, place):
        return True
    if _is_school_or_order(words, plain, place):
        return True
    return held and _is_beside_an_institution(words, plain, place)


def _is_purpose(word: str) -> bool:
    return word in _PURPOSES or word.startswith(_PURPOSE_STEMS)


def _of_a_former(words: Sequence[str], plain: Sequence[str], place: int, *, held: bool) -> bool | None:
    """Whether "Former" and who was that are somebody; None of any other word."""
    former = place if plain[place] in _FORMER else place - 1
    if former < 0 or plain[former] not in _FORMER:
        return None
    person = former + 1
    if person == len(plain) or plain[person] not in _PEOPLE:
        return False
    return held or (plain[person] not in _OF_MANY and _name_after(words, plain, person) != "")


def _is_of_an_institution(plain: Sequence[str], place: int) -> bool:
    """Whether an institution "of" it stands before a word of purpose: "Consejo Superior de Investigaciones"."""
    before = place - 1
    while before > 0 and (plain[before] in _KINDS or _is_purpose(plain[before])):
        before -= 1
    if before < 1 or plain[before] not in PARTICLES:
        return False
    while before > 0 and plain[before] in PARTICLES:
        before -= 1
    if _is_purpose(plain[before]):  # "Ministry of Education and Research"
        return _is_of_an_institution(plain, before)
    return not _INSTITUTIONS.isdisjoint(plain[max(0, before - 1) : before + 1])


def _is_before_one(plain: Sequence[str], place: int) -> bool:
    """Whether an institution stands right behind a word of purpose, or behind others joined to it."""
    after = place + 1
    while after < len(plain) and (plain[after] in ("and", "y", "e", "i", "et", "und") or _is_purpose(plain[after])):
        after += 1
    return after < len(plain) and plain[after] in _INSTITUTIONS


def _is_behind_a_university(plain: Sequence[str], place: int) -> bool:
    """Whether "Press" is a university's: "Harvard University Press", "University of North Carolina Press"."""
    if place and plain[place - 1] in _PRINTING:
        return True
    return any(plain[at] in _PRINTING and plain[at + 1] in _OF for at in range(max(0, place - 4), place - 2))


def _is_school_or_order(words: Sequence[str], plain: Sequence[str], place: int) -> bool:
    """Whether it is a school of a subject or saint, or one of a level that has a name; or a saint's order."""
    word, named = plain[place], _name_after(words, plain, place)
    if word == "order":
        return named in _HOLY
    if word not in _SCHOOLS:
        return False
    is_subject = named in _SUBJECTS or named in _HOLY or any(map(named.startswith, _SUBJECT_STEMS))
    has_level = place > 1 and plain[place - 1] in _LEVELS and plain[place - 2] not in _OF_INSTITUTIONS
    return is_subject or has_level


def _name_after(words: Sequence[str], plain: Sequence[str], place: int) -> str:
    """The name behind a word and "of", folded; empty where there is none."""
    after = place + 1
    while after < len(words) and plain[after] in _OF:
        after += 1
    is_name = place + 1 < after < len(words) and words[after][:1].isupper() and is_innocent(words[after])
    return plain[after] if is_name else ""


def _is_beside_an_institution(words: Sequence[str], plain: Sequence[str], place: int) -> bool:
    word = plain[place]
    if word in (_SCHOOLS | {"order"}) and _name_after(words, plain, place):
        return True
    others = _OF_INSTITUTIONS.intersection((*plain[:place], *plain[place + 1 :]))
    return bool(others) and (word in _AUDIENCES or _is_purpose(word))
