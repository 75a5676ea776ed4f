"""Secrets in addresses: signatures, tokens and passwords that open a photo to whoever reads its link.

A photo is fetched by its whole address. Its id, and whatever is shown or shipped, is made of the address without these:
they change each time a link is signed, and are nobody else's business. Which they are, ``secret_parameters`` of the
collection's file may say; :data:`USUAL` is what it says where it says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

ALWAYS = (
    # tokens and keys by their usual names
    *("access_token", "auth", "auth_token", "authorization", "id_token", "jwt", "refresh_token", "token", "__token__"),
    *("bearer", "sas", "sas_token", "secret", "client_secret", "api_key", "x-api-key", "subscription-key"),
    *("auth_key", "access_key", "secret_key", "private_key", "access_key_id"),  # Alibaba's and Huawei's among them
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
    *("expire", "expiration", "expires_at", "wstime", "txtime", "e", "deadline", "timestamp", "nonce"),
    *("sdd", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "rscc", "rscd"),
)
# what a secret's name says where it signs; the first five do so whether or not they are secrets
_SIGNATURES = frozenset(("sig", "signature", "hmac", "x-signature", "url_signature"))
_SIGNING = frozenset(("sig", "signature", "hmac", "token", "sign", "secret"))
_WORD_ENDS = re.compile(r"[_\-.\[\]]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BRACKETS = re.compile(r"[\[\]]+")
_PARAMETER = re.compile(r"\*_[a-z0-9]+|[a-z0-9_.\-]+\*?")
# Between the parameters of a query: `?` and `;` where a name follows.
_BETWEEN = re.compile(r"(&(?:amp;)*|[?;](?=[^&?;=/]+=))", re.IGNORECASE)
_IN_PATH = re.compile(r"[/;&]([^/;&=]+)=[^/;&]*")
_SCHEME = r"https?:[/\\]*|(?:[a-z][a-z0-9+.-]*:)?[/\\]{2,}"
_USER = re.compile(rf"^({_SCHEME})[^/\\?#]*@", re.IGNORECASE)
# A password that holds what ends a host: no port is made of anything but digits.
_TORN_USER = re.compile(rf"^({_SCHEME}|)(?!\[)[^/\\?#:@]+:(?!\d*(?:[/\\?#]|$)).*@", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"""(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}(?:(?!https?:[/\\])[^\s<>"'`])+""", re.IGNORECASE)
_MARKS = re.compile(r"[?@;&=]")
_ESCAPED = re.compile(r"%3a%2f%2f", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AddressSecrets:
    """Which parameters of an address are secrets.

    Attributes:
        joined: names in small letters without ``_``, ``-`` and ``.``.
        begins: what names begin with, their words joined by ``-``.
        last_words: of names, after ``_``, ``-``, ``.`` or as a word with a capital: ``userToken``.
        beside: names as in ``joined`` that are secrets beside a signature.
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
            frozenset("".join(_words(name)) for name in names if "*" not in name),
            tuple("-".join(_WORD_ENDS.split(name.removesuffix("*"))) for name in names if name.endswith("*")),
            frozenset(name.removeprefix("*_") for name in names if name.startswith("*")),
            frozenset("".join(_words(name)) for name in beside),
        )

    def public(self, url: str) -> str:
        """``url`` without its secrets; the very same text where it has none."""
        if not _MARKS.search(url):
            return url
        if "@" in url:
            url = _TORN_USER.sub(r"\1", _USER.sub(r"\1", url))
        rest, mark, fragment = url.partition("#")
        path, question, query = rest.partition("?")
        names = [_name(part) for part in _BETWEEN.split(query)[::2]]
        names += [unquote(name) for name in _IN_PATH.findall(path)]
        is_signed = any(map(self._signs, names))
        if not any(self._holds(name, is_signed) for name in names) and not _ESCAPED.search(query):
            return url
        path = _IN_PATH.sub(lambda found: self._segment(found, is_signed), path)
        return path + self._query(question, query, is_signed) + mark + fragment

    def public_text(self, text: str) -> str:
        """A text in which addresses may be, each without its secrets."""
        return _ADDRESS.sub(lambda found: self.public(found[0]), text)

    def _segment(self, found: re.Match[str], is_signed: bool) -> str:
        """What is shown of a parameter in a path."""
        if not self._holds(unquote(found[1]), is_signed):
            return found[0]
        return "/" if found[0][0] == "/" and found.string[found.end() :][:1] in (";", "&") else ""

    def _query(self, question: str, query: str, is_signed: bool) -> str:
        """What is shown of a query, with what stands before it."""
        between = question
        shown: list[str] = []
        pieces = _BETWEEN.split(query)
        for part, following in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
            if not self._holds(_name(part), is_signed):
                shown += [between if shown else question, self._inside(part)]
            between = following
        return "".join(shown)

    def _inside(self, part: str) -> str:
        """A parameter whose value may be an escaped address."""
        if not _ESCAPED.search(part):
            return part
        name, equals, value = part.partition("=")
        inner = unquote(value)
        public = self.public(inner)
        return part if public == inner else name + equals + quote(public, safe="")

    def _signs(self, name: str) -> bool:
        if name.lower() in _SIGNATURES:
            return True
        return any(words[-1] in _SIGNING and self._hold(words, False) for words in _readings(name))

    def _holds(self, name: str, is_signed: bool) -> bool:
        return any(self._hold(words, is_signed) for words in _readings(name))

    def _hold(self, words: tuple[str, ...], is_signed: bool) -> bool:
        joined = "".join(words)
        if joined in self.joined or words[-1] in self.last_words or (is_signed and joined in self.beside):
            return True
        return "-".join(words).startswith(self.begins)


def _name(part: str) -> str:
    return unquote(part.partition("=")[0]).strip()


@lru_cache(maxsize=4096)
def _readings(name: str) -> tuple[tuple[str, ...], ...]:
    """A name's words; those of each that it puts together with brackets (``auth[token]``); those without a number."""
    names = (name, *_BRACKETS.split(name), *_BRACKETS.split(name.rstrip("0123456789[]_-.")))
    return tuple(words for one in dict.fromkeys(names) if (words := _words(one)))


def _words(name: str) -> tuple[str, ...]:
    """In small letters: ``accessToken`` is access, token."""
    return tuple(word.lower() for word in _WORD_ENDS.split(name) if word)


USUAL = AddressSecrets.of(ALWAYS, BESIDE_A_SIGNATURE)


def public_address(url: str, secrets: AddressSecrets = USUAL) -> str:
    """``url`` without its secrets; the very same text where it has none."""
    return secrets.public(url)
