"""What of others ships in every bundle, under which licences: the bundler says it, and what may not ship is refused.

esbuild's metafile names each source file that went into a script and what imports it. What was compiled into a package
before we got it (the WebAssembly of TensorFlow.js) is listed by hand in ``web/notices``, like the texts of packages
that bring none.
"""

# CycloneDX makes its constructors when it is imported: a type checker does not see them
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false
from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, Licensing, get_spdx_licensing

from aplantida.domain.escaping import for_html

PAGE_FILE, BILL_FILE = "THIRD_PARTY.html", "sbom.cdx.json"
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "Unlicense", "Zlib"}
)
ALLOWED_EXCEPTIONS = frozenset({"LLVM-exception"})
_MODULES = "node_modules/"
_TEXT_NAMES = ("license", "licence", "copying")


@dataclass(frozen=True, slots=True)
class Work:
    """One work of others that ships.

    Attributes:
        name: of the npm package, or of what was compiled into one.
        version: "" where it is not known.
        license: SPDX expression, as the package gives it; "" when it gives none.
        text: the whole licence text with its copyright lines; "" when there is none.
        path: by which it gets in: our file, then whatever imports it, the last being its own.
    """

    name: str
    version: str
    license: str
    text: str
    path: tuple[str, ...]

    @property
    def problem(self) -> str | None:
        """Why it may not ship; None when it may."""
        if not allows(self.license):
            given = f"its licence is {self.license!r}" if self.license else "it names no licence"
            return f"{given}; one of {', '.join(sorted(ALLOWED))} may ship"
        return None if self.text else f"it brings no text of its licence {self.license}: add it to web/notices"


@cache
def _spdx() -> Licensing:
    return get_spdx_licensing()


def allows(expression: str, allowed: Set[str] = ALLOWED, allowed_exceptions: Set[str] = ALLOWED_EXCEPTIONS) -> bool:
    """Whether an SPDX expression can be kept by allowed licences alone: one side of an OR, all of an AND."""
    try:
        parsed = _spdx().parse(expression, validate=True)
    except ExpressionError:
        return False
    return parsed is not None and _allowed(parsed, allowed, allowed_exceptions)


def _allowed(part: Any, licenses: Set[str], exceptions: Set[str]) -> bool:
    if hasattr(part, "exception_symbol"):
        return part.license_symbol.key in licenses and part.exception_symbol.key in exceptions
    if hasattr(part, "key"):
        return part.key in licenses
    decide = any if part.operator.strip() == "OR" else all
    return decide(_allowed(each, licenses, exceptions) for each in part.args)


def third_parties(metafiles: Iterable[Path], modules: Path, notices: Path) -> list[Work]:
    """Whatever the scripts were put together from that is not ours, by name.

    Args:
        metafiles: esbuild's, one a script.
        modules: the ``node_modules`` folder.
        notices: ``web/notices``.
    """
    kept = json.loads((notices / "notices.json").read_text(encoding="utf-8"))
    found: dict[str, Work] = {}
    for file in metafiles:
        for place, path in _packages(json.loads(file.read_text(encoding="utf-8"))).items():
            if place not in found:
                found[place] = _package(place, path, modules / place, notices, kept["packages"])
    works = {(work.name, work.version, work.license, work.text): work for work in reversed(found.values())}
    for owner, parts in kept["compiled_in"].items():
        if (owning := next((work for work in found.values() if work.name == owner), None)) is not None:
            for part in parts:
                text, path = (notices / part["file"]).read_text(encoding="utf-8"), (*owning.path, part["source"])
                works[part["name"], "", "", ""] = Work(part["name"], "", part["license"], text, path)
    return sorted(works.values(), key=lambda work: (work.name.casefold(), work.version, work.license))


def _package(place: str, path: tuple[str, ...], folder: Path, notices: Path, texts_kept: Mapping[str, str]) -> Work:
    described = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    name = described.get("name") or _name_at(place)  # an alias lies under another name than its own
    kept = texts_kept.get(name)
    given = described.get("license") or ""
    texts = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name.lower().startswith(_TEXT_NAMES)]
    if kept is not None and (place == name or not texts):  # not for another version, inside another package
        texts = [notices / kept]
    text = "\n\n".join(file.read_text(encoding="utf-8") for file in texts)
    return Work(name, described["version"], given if isinstance(given, str) else str(given), text, path)


def _packages(metafile: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Where packages lie of which something is in a script's output, each with the shortest path of imports to it."""
    inputs = metafile["inputs"]
    paths: dict[str, tuple[str, ...]] = {}
    waiting: deque[str] = deque()
    used: set[str] = set()
    for output in metafile["outputs"].values():
        if entry := output.get("entryPoint"):
            paths.setdefault(entry, (entry,))
            waiting.append(entry)
        used |= {name for name, part in output["inputs"].items() if part["bytesInOutput"]}
    while waiting:
        name = waiting.popleft()
        for needed in inputs.get(name, {}).get("imports", ()):
            if needed["path"] not in paths and needed["path"] in inputs:
                paths[needed["path"]] = (*paths[name], needed["path"])
                waiting.append(needed["path"])
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(used, key=lambda each: (len(paths.get(each, ())), each)):
        if (package := _package_of(name)) is not None:
            found.setdefault(package, tuple(map(_short, paths.get(name, (name,)))))
    return found


def _package_of(path: str) -> str | None:
    """Where the npm package of a file lies below the outermost ``node_modules``; None for our own.

    That is ``@scope/name`` or ``name``, and ``a/node_modules/b`` for one that lies in another: it need not be the ``b``
    beside ``a``, nor be under its licence.
    """
    *outer, rest = path.split(_MODULES)
    if not outer:
        return None
    parts = rest.split("/")
    own = "/".join(parts[: 2 if rest.startswith("@") else 1])
    return _MODULES.join([*outer[1:], own])


def _name_at(place: str) -> str:
    """The name of the package that lies there."""
    return place.rpartition(_MODULES)[2]


def _short(path: str) -> str:
    """A file as imports name it: ours as it is, of packages below the outermost ``node_modules``."""
    _, inside, rest = path.partition(_MODULES)
    return rest if inside else path


def refusals(parties: Sequence[Work]) -> list[str]:
    """A line for each that may not ship: its name, why, and the path of imports by which it gets in."""
    return [
        f"{party.name} {party.version}: {party.problem} (by {' > '.join(party.path)})"
        for party in parties
        if party.problem is not None
    ]


def page(parties: Sequence[Work]) -> str:
    """``THIRD_PARTY.html``: every work with its licence and its whole text."""
    rows = "".join(
        f'<tr><td><a href="#{number}">{for_html(party.name)}</a></td><td>{for_html(party.version)}</td>'
        f"<td>{for_html(party.license)}</td></tr>"
        for number, party in enumerate(parties)
    )
    texts = "".join(
        f'<h2 id="{number}">{for_html(f"{party.name} {party.version}".strip())}</h2><pre>{for_html(party.text)}</pre>'
        for number, party in enumerate(parties)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Third-party software</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
        "pre{white-space:pre-wrap;font-size:.8rem}td,th{text-align:left;padding-right:1.5rem}</style></head><body>"
        "<h1>Third-party software</h1><p>The scripts and the WebAssembly of this folder are given under Apache-2.0, "
        "whose text is below. They contain these works:</p>"
        f"<table><tr><th>work</th><th>version</th><th>licence</th></tr>{rows}</table>{texts}</body></html>\n"
    )


def bill_of_materials(parties: Sequence[Work]) -> dict[str, Any]:
    """The same as a CycloneDX 1.6 bill, without serial number and time, so that equal builds have equal bills."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    bill = Bom()
    for party in parties:
        scope, _, name = party.name.rpartition("/")
        address = PackageURL("npm" if party.version else "generic", scope or None, name, party.version or None)
        licenses = [LicenseFactory().make_from_string(party.license)]
        bill.components.add(
            Component(
                name=party.name,
                version=party.version or None,
                type=ComponentType.LIBRARY,
                licenses=licenses,
                purl=address,
                bom_ref=address.to_string(),
            )
        )
    told = json.loads(JsonV1Dot6(bill).output_as_string())
    told.pop("serialNumber", None)
    told.pop("metadata", None)
    return told
