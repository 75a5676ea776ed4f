"""Addresses of licences: the deeds of Creative Commons, its buttons, and the pages of SPDX's list."""

from __future__ import annotations

import re

from aplantida.domain.license_statements import CommonsLicense
from aplantida.domain.license_words import PORTS

VERSIONS = {name: f"{name}.0" for name in "1234"} | {name: name for name in ("1.0", "2.0", "2.1", "2.5", "3.0", "4.0")}
WITHOUT_PORTS = "4.0"
_LANGUAGE = r"(?!n[cd]\b)[a-z]{2,3}(?:[_-](?:hans|hant|latn|br|cn|es|hk|tw))?"
_QUERY = rf"\?(?:ref=(?:chooser-v1|openverse|ccsearch)(?:&atype=(?:rich|html|plain))?|lang={_LANGUAGE})?"
_DEED = re.compile(
    r"(?:(?:https?:)?//)?(?:www\.)?creativecommons\.org/+(?:licenses/(?P<code>by(?:-nc)?(?:-nd|-sa)?|by-nd-nc)"
    r"(?:/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2}|igo|scotland))?)?|publicdomain/(?P<public>zero|mark)(?:/1\.0)?)"
    rf"/*(?:(?:deed|legalcode)(?:\.{_LANGUAGE})?(?:\.(?:html|txt))?/*)?(?:{_QUERY})?(?:#(?:languages)?)?"
)
_BUTTON = re.compile(
    r"https?://(?:i\.creativecommons\.org|licensebuttons\.net)/[lp]/(?P<place>[a-z/0-9.-]+)/(?:80x15|88x31)\.png"
)
_LISTED = re.compile(r"https?://(?:www\.)?spdx\.org/licenses/cc(?P<id>0-1\.0|-by[a-z0-9.-]*?)(?:\.(?:html|json))?/?")


def license_at(address: str) -> CommonsLicense | str | None:
    """The Creative Commons licence, or the id of CC0 or the public domain mark, that is read there; None elsewhere."""
    match = _DEED.fullmatch(_deed_of(address.casefold()))
    if match is None or match["version"] not in (None, *VERSIONS.values()) or (match["port"] or "igo") not in PORTS:
        return None
    if match["public"]:
        return {"zero": "CC0-1.0", "mark": "PDM-1.0"}[match["public"]]
    port = "" if match["version"] == WITHOUT_PORTS else match["port"] or ""
    return CommonsLicense(frozenset(match["code"].split("-")), match["version"], port)


def _deed_of(address: str) -> str:
    """The address of the deed that a button or a page of SPDX stands for; any other as it is."""
    if (button := _BUTTON.fullmatch(address)) is not None:
        kind = "publicdomain" if button["place"].startswith(("zero", "mark")) else "licenses"
        return f"https://creativecommons.org/{kind}/{button['place']}/"
    if (listed := _LISTED.fullmatch(address)) is not None:
        if listed["id"] == "0-1.0":
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        steps = re.sub(r"-(?=\d)|(?<=\d)-", "/", listed["id"].removeprefix("-"))  # by-sa-3.0-es
        return f"https://creativecommons.org/licenses/{steps}/"
    return address
