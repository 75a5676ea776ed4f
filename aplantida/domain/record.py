"""One photo of one plant, as it flows through every data phase."""

# pyarrow ships no types: what comes from it is unknown to a strict reader
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
from __future__ import annotations

import hashlib
from enum import StrEnum

import pyarrow as pa

from aplantida.domain.address_secrets import USUAL, AddressSecrets

IMAGE_ID_LENGTH = 32


class Reason(StrEnum):
    """Why a document or an image entry did not become a stored photo. A row carries the first one that applies."""

    DOCUMENT_INVALID = "document_invalid"
    DOCUMENT_NO_NAME = "document_no_name"
    DOCUMENT_NAME_REFUSED = "document_name_refused"
    DOCUMENT_NO_IMAGES = "document_no_images"
    ENTRY_OF_NAMELESS_DOCUMENT = "entry_of_nameless_document"
    ENTRY_OF_REFUSED_NAME = "entry_of_refused_name"
    ENTRY_NO_URL = "entry_no_url"
    ADDRESS_REFUSED = "address_refused"
    LICENSE_REFUSED = "license_refused"
    SAME_URL_IN_ONE_SPECIES = "same_url_in_one_species"
    SAME_URL_IN_TWO_SPECIES = "same_url_in_two_species"
    SPECIES_WITH_TOO_FEW_IMAGES = "entry_of_species_with_too_few_images"
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    HTTP_ERROR = "http_error"
    TIMED_OUT = "timed_out"
    CONNECTION_FAILED = "connection_failed"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    OPTED_OUT = "opted_out"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    DECOMPRESSION_BOMB = "decompression_bomb"
    TRUNCATED = "truncated"
    TOO_SMALL = "too_small"
    DUPLICATE_PIXELS = "duplicate_pixels"
    NEAR_DUPLICATE_OF_ANOTHER_SPECIES = "near_duplicate_of_another_species"
    SHARES_GROUP_WITH_FROZEN_TEST = "shares_group_with_frozen_test"
    HELD_OUT_SPECIES = "held_out_species"


def image_id_of(document_id: str, url: str, secrets: AddressSecrets = USUAL) -> str:
    """A photo's identity everywhere: 32 hex digits of sha256(``document_id`` + newline + ``url`` without secrets)."""
    return hashlib.sha256(f"{document_id}\n{secrets.public(url)}".encode()).hexdigest()[:IMAGE_ID_LENGTH]


def observation_of(source: str | None, observation_id: str | None) -> str | None:
    """What tells an observation from all others: ids are unique within their source. None where there is no id."""
    return f"{source or ''}:{observation_id}" if observation_id else None


def shard_of(image_id: str, num_shards: int) -> int:
    """The shard in [0, ``num_shards``) of a photo: by hash, so that a new photo touches one shard only."""
    return int(hashlib.sha256(image_id.encode()).hexdigest(), 16) % num_shards


RECORD_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("scientific_name", pa.string(), nullable=False),
        pa.field("family", pa.string()),
        pa.field("genus", pa.string()),
        pa.field("common_names", pa.list_(pa.string())),  # language:name, e.g. es:Amapola
        pa.field("distribution", pa.list_(pa.string())),  # ISO 3166-1 alpha-2 codes
        pa.field(
            "license_id", pa.string(), nullable=False
        ),  # SPDX-like: CC-BY-4.0, CC-BY-3.0-ES; CC-BY where no version is given
        pa.field("license_text", pa.string()),  # what the collection said
        pa.field("author", pa.string()),
        pa.field("source", pa.string()),
        pa.field("observation_id", pa.string()),
        pa.field("observed_on", pa.string()),  # an ISO date
        pa.field("country", pa.string()),  # ISO 3166-1 alpha-2 code
    ]
)

IMAGE_SCHEMA = pa.schema(
    [
        *RECORD_SCHEMA,
        pa.field("image", pa.binary(), nullable=False),  # re-encoded JPEG, upright, RGB
        pa.field("width", pa.int32(), nullable=False),  # of `image`, pixels
        pa.field("height", pa.int32(), nullable=False),
        pa.field("original_width", pa.int32(), nullable=False),  # after EXIF rotation
        pa.field("original_height", pa.int32(), nullable=False),
        pa.field("exif_rotated", pa.bool_(), nullable=False),
        pa.field("content_type", pa.string(), nullable=False),  # by the bytes, not by the server
        pa.field("source_bytes", pa.int64(), nullable=False),
        pa.field("source_sha256", pa.string(), nullable=False),
        pa.field("pixel_sha256", pa.string(), nullable=False),  # of the stored pixels, before they were encoded
        pa.field("perceptual_hash", pa.string(), nullable=False),  # 64-bit pHash, 16 hex digits
    ]
)

REJECTION_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string()),  # null when the entry has no URL
        pa.field("document_id", pa.string(), nullable=False),
        pa.field("scientific_name", pa.string()),
        pa.field("url", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)
