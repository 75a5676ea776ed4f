"""Secrets in addresses: signatures, tokens and passwords that open a photo to whoever reads its link.

A photo is fetched by its whole address. Its id, and whatever is shown or shipped, is made of the address without these:
they change each time a link is signed, and are nobody else's business. Which they are, ``secret_parameters`` of the
collection's file may say; :data:`USUAL` is what it says where it says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

ALWAYS = (
    # tokens and keys by their usual names
    *("access_token", "auth", "auth_token", "authorization", "id_token", "jwt", "refresh_token", "token", "__token__"),
    *("bearer", "sas", "sas_token", "secret", "client_secret", "api_key", "x-api-key", "subscription-key"),
    *("ocp-apim-subscription-key", "appkey", "password", "passwd", "pwd", "sessionid", "jsessionid", "phpsessid"),
    *("signature", "sig", "hmac", "x-signature", "signed", "url_signature", "hdnea", "hdnts", "hdntl"),
    # who signed: Amazon S3 and CloudFront, Google, Alibaba, Tencent
    *("awsaccesskeyid", "key-pair-id", "googleaccessid", "ossaccesskeyid", "security-token"),
    *("q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature"),
    *("x-amz-*", "x-goog-*", "x-oss-*", "x-cos-*", "x-obs-*"),
    *("*_token", "*_secret", "*_signature", "*_password", "*_hmac", "*_jwt"),
)
# what a signature is about (Azure's shared access, and when it ends): secrets beside one, ordinary words without
BESIDE_A_SIGNATURE = (
    *("expires", "expiry", "exp", "policy", "sv", "ss", "srt", "sr", "sp", "st", "se", "spr", "sip", "si", "ses"),
    *("sdd", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "rscc", "rscd"),
)
_SIGNATURES = frozenset(("sig", "signature", "hmac", "x-signature", "url_signature"))
_WORD_ENDS = re.compile(r"[_\-.]")
_PARAMETER = re.compile(r"\*_[a-z0-9]+|[a-z0-9_.\-]+\*?")
_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")


@dataclass(frozen=True, slots=True)
class AddressSecrets:
    """Which parameters of an address are secrets.

    Attributes:
        joined: names without ``_``, ``-`` and ``.``.
        begins: what names begin with.
        last_words: of names, after ``_``, ``-`` or ``.``.
        beside: names that are secrets beside a signature.
    """

    joined: frozenset[str]
    begins: tuple[str, ...]
    last_words: frozenset[str]
    beside: frozenset[str]

    @classmethod
    def of(cls, always: Iterable[str], beside_a_signature: Iterable[str]) -> AddressSecrets:
        """Build from names in small letters; ``x-amz-*`` is all that begin so, ``*_token`` all whose last word it is.

        Raises:
            ValueError: for what is no name.
        """
        names, beside = list(always), list(beside_a_signature)
        for name in (*names, *beside):
            if not _PARAMETER.fullmatch(name) or (name in beside and "*" in name):
                raise ValueError(f"{name!r}: want a parameter's name in small letters, e.g. sig, x-amz-* or *_token")
        return cls(
            frozenset(_joined(name) for name in names if "*" not in name),
            tuple(name.removesuffix("*") for name in names if name.endswith("*")),
            frozenset(name.removeprefix("*_") for name in names if name.startswith("*")),
            frozenset(beside),
        )

    def _hold(self, name: str, is_signed: bool) -> bool:
        if name.startswith(self.begins) or (is_signed and name in self.beside):
            return True
        words = _WORD_ENDS.split(name.removesuffix("[]"))
        return "".join(words) in self.joined or words[-1] in self.last_words

    def public(self, url: str) -> str:
        """``url`` without its secrets; the very same text where it has none."""
        if "?" not in url and "@" not in url:
            return url
        url = _USER.sub(r"\1", url)
        rest, mark, fragment = url.partition("#")
        path, question, query = rest.partition("?")
        parts = query.split("&")
        names = [unquote(part.partition("=")[0]).strip().lower() for part in parts]
        is_signed = not _SIGNATURES.isdisjoint(names)
        kept = [part for part, name in zip(parts, names, strict=True) if not self._hold(name, is_signed)]
        if len(kept) == len(parts):
            return url
        return path + (question + "&".join(kept) if kept else "") + mark + fragment


def _joined(name: str) -> str:
    return "".join(_WORD_ENDS.split(name))


USUAL = AddressSecrets.of(ALWAYS, BESIDE_A_SIGNATURE)


def public_address(url: str, secrets: AddressSecrets = USUAL) -> str:
    """``url`` without its secrets; the very same text where it has none."""
    return secrets.public(url)
