"""What the codes of reasons mean, in Spanish and English: for lists and pages that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aplantida.domain.record import Reason


class Words(NamedTuple):
    """A sentence's worth of words in both languages."""

    es: str
    en: str


REASON_WORDS: Mapping[Reason, Words] = {
    Reason.DOCUMENT_INVALID: Words("el documento no se puede leer", "the document cannot be read"),
    Reason.DOCUMENT_NO_NAME: Words("el documento no tiene nombre científico", "the document has no scientific name"),
    Reason.DOCUMENT_NAME_REFUSED: Words(
        "el nombre del documento no es el de una especie", "the document's name is not that of a species"
    ),
    Reason.DOCUMENT_NO_IMAGES: Words("el documento no tiene fotos", "the document has no photos"),
    Reason.ENTRY_OF_NAMELESS_DOCUMENT: Words(
        "foto de un documento sin nombre científico", "photo of a document without a scientific name"
    ),
    Reason.ENTRY_OF_REFUSED_NAME: Words(
        "foto de un documento cuyo nombre no es el de una especie",
        "photo of a document whose name is not that of a species",
    ),
    Reason.ENTRY_NO_URL: Words("la foto no tiene dirección", "the photo has no address"),
    Reason.ADDRESS_REFUSED: Words(
        "la dirección no es pública o no es una dirección web", "the address is not public, or no web address"
    ),
    Reason.LICENSE_REFUSED: Words(
        "la licencia falta, no se entiende o no se acepta", "the licence is missing, not understood or not accepted"
    ),
    Reason.SAME_URL_IN_ONE_SPECIES: Words(
        "la misma dirección otra vez en la misma especie", "the same address again within one species"
    ),
    Reason.SAME_URL_IN_TWO_SPECIES: Words("la misma dirección en dos especies", "the same address in two species"),
    Reason.SPECIES_WITH_TOO_FEW_IMAGES: Words("su especie tiene muy pocas fotos", "its species has too few photos"),
    Reason.MISSING: Words("la foto ya no está en el servidor", "the photo is no longer on its server"),
    Reason.FORBIDDEN: Words("el servidor no permite verla", "the server does not allow access to it"),
    Reason.HTTP_ERROR: Words("el servidor respondió con un error", "the server answered with an error"),
    Reason.TIMED_OUT: Words("el servidor no respondió a tiempo", "the server did not answer in time"),
    Reason.CONNECTION_FAILED: Words("no se pudo conectar con el servidor", "the server could not be reached"),
    Reason.TOO_MANY_REDIRECTS: Words("demasiadas redirecciones", "too many redirects"),
    Reason.TOO_LARGE: Words("el archivo es demasiado grande", "the file is too large"),
    Reason.OPTED_OUT: Words(
        "su autor, su sitio o quien la retiró no quiere participar",
        "its author, its site or whoever withdrew it opted out",
    ),
    Reason.EMPTY: Words("el archivo está vacío", "the file is empty"),
    Reason.NOT_AN_IMAGE: Words("el archivo no es una imagen", "the file is no image"),
    Reason.UNSUPPORTED_FORMAT: Words("el formato de la imagen no se acepta", "the image's format is not accepted"),
    Reason.DECOMPRESSION_BOMB: Words("la imagen tiene demasiados píxeles", "the image has too many pixels"),
    Reason.TRUNCATED: Words("la imagen está incompleta o dañada", "the image is incomplete or damaged"),
    Reason.TOO_SMALL: Words("la imagen es demasiado pequeña", "the image is too small"),
    Reason.DUPLICATE_PIXELS: Words("otra foto tiene los mismos píxeles", "another photo has the same pixels"),
    Reason.NEAR_DUPLICATE_OF_ANOTHER_SPECIES: Words(
        "casi igual a una foto de otra especie", "nearly equal to a photo of another species"
    ),
    Reason.SHARES_GROUP_WITH_FROZEN_TEST: Words(
        "de la misma planta que una foto reservada para la prueba", "of the same plant as a photo kept for the test"
    ),
    Reason.HELD_OUT_SPECIES: Words("su especie se reserva a propósito", "its species is held out on purpose"),
}

_WORDS_OF = {reason.value: words for reason, words in REASON_WORDS.items()}


def in_words(reason: str) -> Words:
    """What a code means; the code itself for one that is unknown (of a later version, say)."""
    return _WORDS_OF.get(reason) or Words(reason, reason)
