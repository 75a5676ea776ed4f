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

from aplantida.domain.text import unpaired

ALWAYS = (
    # tokens and keys by their usual names
    *("access_token", "auth", "auth_token", "authorization", "id_token", "jwt", "refresh_token", "token", "__token__"),
    *("bearer", "sas", "sas_token", "secret", "client_secret", "api_key", "x-api-key", "subscription-key"),
    *("auth_key", "access_key", "secret_key", "private_key", "access_key_id"),  # Alibaba's and Huawei's among them
    *("rlkey", "resourcekey", "tempauth", "passphrase"),  # of shared folders
    *("ocp-apim-subscription-key", "appkey", "password", "passwd", "pwd", "sessionid", "jsessionid", "phpsessid"),
    *("signature", "sig", "hmac", "x-signature", "signed", "url_signature", "hdnea", "hdnts", "hdntl"),
    # who signed: Amazon S3 and CloudFront, Google, Alibaba, Tencent
    *("awsaccesskeyid", "key-pair-id", "googleaccessid", "ossaccesskeyid", "security-token"),
    *("q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature"),
    *("x-amz-*", "x-goog-*", "x-oss-*", "x-cos-*", "x-obs-*"),
    *("*_token", "*_secret", "*_signature", "*_password", "*_hmac", "*_jwt"),
)
# What a signature is about (Azure's shared access, and when it ends): secrets beside one, ordinary words without. Short
# ones are ordinary beside a mere token too, one letter even beside a signature, unless they say a time: ``sp=rosa``.
BESIDE_A_SIGNATURE = (
    *("expires", "expiry", "exp", "policy", "sv", "ss", "srt", "sr", "sp", "st", "se", "spr", "sip", "si", "ses"),
    *("expire", "expiration", "expires_at", "wstime", "txtime", "e", "deadline", "timestamp", "nonce"),
    *("sdd", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "rscc", "rscd"),
)
# what a secret's name ends in where it signs; the first five do so whether or not they are secrets
_SIGNATURES = frozenset(("sig", "signature", "hmac", "x-signature", "url_signature"))
_SIGNING = {"sig": 2, "signature": 2, "hmac": 2, "sign": 2, "token": 1, "secret": 1}
_SHORT = {1: 3, 2: 1}  # letters of a name that may be an ordinary word
_TIME = re.compile(r"\d{9,13}(?:\.\d+)?|\d{4}-\d\d-\d\d|\d{4}-?\d\d-?\d\d[T\s].*", re.IGNORECASE)
_WORD_ENDS = re.compile(r"[_\-.\[\]]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BRACKETS = re.compile(r"[\[\]]+")
_PARAMETER = re.compile(r"\*_[a-z0-9]+|[a-z0-9_.\-]+\*?")
# Between the parameters of a query: `?` and `;` where a name follows.
_BETWEEN = re.compile(r"(&(?:amp;)*|[?;](?=[^&?;=/]+=))", re.IGNORECASE)
_IN_PATH = re.compile(r"[/;&]([^/;&=]+)=[^/;&]*")
_SCHEME = r"https?:[/\\]*|(?:[a-z][a-z0-9+.-]*:)?[/\\]{2,}"
# Behind a user and no host the next one begins.
_BEGINS = re.compile(_SCHEME, re.IGNORECASE)
_USER = re.compile(rf"^({_SCHEME})(?:[/\\]*[^/\\?#]*@)+", re.IGNORECASE)
# A password that holds what ends a host: no port is made of anything but digits.
_TORN_USER = re.compile(rf"^({_SCHEME}|)(?!\[)[^/\\?#:@]+:(?!\d*(?:[/\\?#]|$)).*@", re.IGNORECASE | re.DOTALL)
# looked for from the beginning of a word only: each letter of a long one would be tried
_ADDRESS = re.compile(
    r"""(?:(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*:)?[/\\]{2}(?:(?!https?:[/\\])[^\s<>"'`])+|"""
    r"""(?<![\w@/\\.:%-])(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?[/?][^\s<>"'`]+""",  # without a scheme: photos.org/ana?token=…
    re.IGNORECASE,
)
ESCAPED = re.compile(r"%(?:25)*(?:3a|3f|26|40)", re.IGNORECASE)  # what an address, a query or a user may lie behind
_MARKS = re.compile(rf"[?@;&=]|{ESCAPED.pattern}", re.IGNORECASE)
_INNER_USER = re.compile(
    r"(?<!^)((?:https?|ftp):[/\\]+)(?:[/\\]*[^/\\?#&]*@)+|(?<!^)(?<![:/\\])(//)[^/\\?#&:@]+:[^/\\?#&]*@", re.IGNORECASE
)
_DEEPEST = 4  # addresses in addresses, of which what lies deeper is not shown, and times that one is looked at


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
        for _ in range(_DEEPEST):
            shown = self._public(url, 0)
            if shown == url or "@" not in shown:
                return shown
            url = shown  # what was taken out may have stood between two slashes and a user
        return url

    def _public(self, url: str, depth: int) -> str:
        if not _MARKS.search(url):
            return url
        if "@" in url:
            url = _USER.sub(r"\1", url)
            if depth == 0 or _BEGINS.match(url):  # any other text in a query may have a colon and an at sign
                url = _TORN_USER.sub(r"\1", url)
            url = _INNER_USER.sub(lambda found: found[1] or found[2], url)
        rest, mark, fragment = url.partition("#")
        path, question, query = rest.partition("?")
        given = [_given(part) for part in _BETWEEN.split(query)[::2]]
        given += [_given(found[0][1:]) for found in _IN_PATH.finditer(path)]
        signed = max((self._strength(name) for name, _ in given), default=0)
        if not any(self._holds(*one, signed) for one in given) and not ESCAPED.search(rest):
            return url
        path = _IN_PATH.sub(lambda found: self._segment(found, signed), path)
        path = "/".join(self._inside(segment, depth) for segment in path.split("/"))
        return path + self._query(question, query, signed, depth) + mark + fragment

    def public_text(self, text: str) -> str:
        """A text in which addresses may be, each without its secrets."""
        return _ADDRESS.sub(lambda found: self.public(found[0]), text)

    def _segment(self, found: re.Match[str], signed: int) -> str:
        """What is shown of a parameter in a path."""
        if not self._holds(*_given(found[0][1:]), signed):
            return found[0]
        return "/" if found[0][0] == "/" and found.string[found.end() :][:1] in (";", "&") else ""

    def _query(self, question: str, query: str, signed: int, depth: int) -> str:
        """What is shown of a query, with what stands before it."""
        between = question
        shown: list[str] = []
        pieces = _BETWEEN.split(query)
        for part, following in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
            if not self._holds(*_given(part), signed):
                name, equals, value = part.partition("=")
                shown += [between if shown else question, name + equals + self._inside(value, depth)]
            between = following
        return "".join(shown)

    def _inside(self, text: str, depth: int) -> str:
        """A value, or a segment of a path, which may be an escaped address."""
        if not ESCAPED.search(text):
            return text
        if depth == _DEEPEST:
            return ""
        inner = unquote(unpaired(text), errors="surrogateescape")  # bytes that are no UTF-8 stay what they are
        public = self._public(inner, depth + 1)
        return text if public == inner else quote(public, safe="", errors="surrogateescape")

    def _strength(self, name: str) -> int:
        """2 for a signature, 1 for a token, 0 for what signs nothing."""
        if name.lower() in _SIGNATURES:
            return 2
        return max((_SIGNING.get(words[-1], 0) for words in _readings(name) if self._is_held(words)), default=0)

    def _holds(self, name: str, value: str, signed: int) -> bool:
        return any(self._is_held(words) or self._is_beside(words, value, signed) for words in _readings(name))

    def _is_held(self, words: tuple[str, ...]) -> bool:
        if "".join(words) in self.joined or words[-1] in self.last_words:
            return True
        return "-".join(words).startswith(self.begins)

    def _is_beside(self, words: tuple[str, ...], value: str, signed: int) -> bool:
        name = "".join(words)
        if not signed or name not in self.beside:
            return False
        return len(name) > _SHORT[signed] or _TIME.fullmatch(value) is not None


def _given(part: str) -> tuple[str, str]:
    """Name and value of a parameter."""
    name, _, value = part.partition("=")
    return unquote(name).strip(), unquote(value)


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
