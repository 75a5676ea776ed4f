"""What the image installs is under licences that somebody decided on."""

from __future__ import annotations

import json
import tomllib
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

import yaml

from aplantida.export.third_parties import allows
from aplantida.pipeline.config import CHECKOUT

RULES: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker/licenses.yaml").read_text(encoding="utf-8"))


def locked_names() -> set[str]:
    """The packages of the lock that the project needs, its dev group not counted."""
    lock = tomllib.loads((CHECKOUT / "uv.lock").read_text(encoding="utf-8"))
    packages = {package["name"]: package for package in lock["package"]}
    names: set[str] = set()
    waiting = ["aplantida"]
    while waiting:
        name = waiting.pop()
        if name in names or name not in packages:
            continue
        names.add(name)
        more = packages[name].get("optional-dependencies", {}).values()
        for needed in [*packages[name].get("dependencies", ()), *(each for group in more for each in group)]:
            waiting.append(needed["name"])
    return names - {"aplantida"}


def license_of(name: str) -> str | None:
    """As an SPDX expression, as the installed package gives it; None when it is for another system."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return None
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License")]
    given = [told["License-Expression"]] if told["License-Expression"] else classifiers
    given = given or [(told["License"] or "").partition("\n")[0]]
    return " OR ".join(RULES["spellings"].get(text, text) for text in given)


def exception_of(name: str) -> str | None:
    return next((pattern for pattern in RULES["exceptions"] if fnmatch(name, pattern)), None)


def test_everything_installed_is_allowed_or_named() -> None:
    found = {name: license_of(name) for name in sorted(locked_names())}
    assert len([name for name, given in found.items() if given is not None]) > 100
    rules = (frozenset(RULES["allowed"]), frozenset(RULES["allowed_exceptions"]))
    unnamed = {
        name: given
        for name, given in found.items()
        if given is not None and exception_of(name) is None and not allows(given, *rules)
    }
    assert unnamed == {}


def test_no_exception_is_kept_for_nothing() -> None:
    used = {exception_of(name) for name in locked_names()}
    assert set(RULES["exceptions"]) <= used
    rules = (frozenset(RULES["allowed"]), frozenset(RULES["allowed_exceptions"]))
    needless = [
        name
        for name in RULES["exceptions"]
        if "*" not in name and (given := license_of(name)) is not None and given and allows(given, *rules)
    ]
    assert needless == []


def npm_refusals(lock: dict[str, Any]) -> list[str]:
    """Packages of an npm lock that a page may be built from and that may not ship, each with who asks for it."""
    packages: dict[str, dict[str, Any]] = lock["packages"]
    found: list[str] = []
    for place, package in packages.items():
        if not place or package.get("dev") or allows(package.get("license", "")):
            continue
        name = place.rpartition("node_modules/")[2]
        asks = [other or "ours" for other, by in packages.items() if name in by.get("dependencies", {})]
        found.append(f"{name} {package['version']}: {package.get('license')}, by way of {', '.join(asks)}")
    return found


def test_what_a_page_may_be_built_from_is_allowed_before_it_is_built() -> None:
    """The build refuses what is really in a script (tests/export/test_third_parties.py); the lock tells earlier."""
    lock = json.loads((CHECKOUT / "aplantida/export/web/package-lock.json").read_text(encoding="utf-8"))
    assert len([place for place, package in lock["packages"].items() if place and not package.get("dev")]) > 10
    assert npm_refusals(lock) == []
    for given in ({"license": "CC-BY-NC-4.0"}, {"license": "SEE LICENSE IN LICENSE"}, {}):
        planted = {"version": "1.2.3", **given}
        packages = {**lock["packages"], "node_modules/planted": planted}
        packages["node_modules/seedrandom"] = {**packages["node_modules/seedrandom"], "dependencies": {"planted": "*"}}
        said = f"planted 1.2.3: {given.get('license')}, by way of node_modules/seedrandom"
        assert npm_refusals({"packages": packages}) == [said]
