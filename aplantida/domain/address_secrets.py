"""Secrets in addresses: signatures, tokens and passwords that open a photo to whoever reads its link.

A photo is fetched by its whole address. Its id, and whatever is shown or shipped, is made of the address without these:
they change each time a link is signed, and are nobody else's business.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

SECRET_PARAMETERS = frozenset(
    (
        # tokens and keys by their usual names
        *("access_token", "accesstoken", "auth", "auth_token", "authtoken", "authorization", "id_token", "jwt"),
        *("refresh_token", "token", "__token__", "bearer", "sas", "sastoken", "sas_token", "secret", "client_secret"),
        *("api_key", "apikey", "api-key", "x-api-key", "subscription-key", "ocp-apim-subscription-key", "appkey"),
        *("password", "passwd", "pwd", "sessionid", "jsessionid", "phpsessid"),
        *("signature", "sig", "hmac", "x-signature", "signed", "url_signature", "hdnea", "hdnts", "hdntl"),
        # who signed: Amazon S3 and CloudFront, Google, Alibaba, Tencent
        *("awsaccesskeyid", "key-pair-id", "googleaccessid", "ossaccesskeyid", "security-token"),
        *("q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature"),
    )
)
SECRET_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-cos-", "x-obs-")
# what a signature is about (Azure's shared access, and when it ends): secrets beside one, ordinary words without
BESIDE_A_SIGNATURE = frozenset(
    (
        *("expires", "expiry", "exp", "policy", "sv", "ss", "srt", "sr", "sp", "st", "se", "spr", "sip", "si", "ses"),
        *("sdd", "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "rscc", "rscd"),
    )
)
_SIGNATURES = frozenset(("sig", "signature", "hmac", "x-signature", "url_signature"))
_JOINED = frozenset(name.replace("_", "").replace("-", "") for name in SECRET_PARAMETERS)
_SECRET_WORDS = frozenset(("token", "secret", "signature", "password", "hmac", "jwt"))  # as the last word of a name
_WORD_ENDS = re.compile(r"[_\-.]")
_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")


def public_address(url: str) -> str:
    """``url`` without its secrets; the very same text where it has none."""
    if "?" not in url and "@" not in url:
        return url
    url = _USER.sub(r"\1", url)
    rest, mark, fragment = url.partition("#")
    path, question, query = rest.partition("?")
    parts = query.split("&")
    names = [unquote(part.partition("=")[0]).strip().lower() for part in parts]
    is_signed = not _SIGNATURES.isdisjoint(names)
    kept = [part for part, name in zip(parts, names, strict=True) if not _is_secret(name, is_signed)]
    if len(kept) == len(parts):
        return url
    return path + (question + "&".join(kept) if kept else "") + mark + fragment


def _is_secret(name: str, is_signed: bool) -> bool:
    if name.startswith(SECRET_PREFIXES) or (is_signed and name in BESIDE_A_SIGNATURE):
        return True
    words = _WORD_ENDS.split(name.removesuffix("[]"))
    return name in SECRET_PARAMETERS or "".join(words) in _JOINED or words[-1] in _SECRET_WORDS
