from __future__ import annotations

import json
from pathlib import Path

import pytest

from aplantida.export.third_parties import (
    BILL_FILE,
    PAGE_FILE,
    allows,
    bill_of_materials,
    page,
    refusals,
    third_parties,
)
from aplantida.export.web_build import WEB, build_web

NOTICES = WEB / "notices"


@pytest.mark.parametrize(
    "expression",
    ["MIT", "mit", "Apache-2.0 WITH LLVM-exception", "MIT OR GPL-3.0-only", "(MIT AND (ISC OR CC-BY-NC-4.0))", "0BSD"],
)
def test_what_permissive_licenses_alone_can_keep_may_ship(expression: str) -> None:
    assert allows(expression)


@pytest.mark.parametrize(
    "expression",
    [
        *("", "CC-BY-NC-4.0", "GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT OR", "BSD", "UNLICENSED"),
        *(
            "SEE LICENSE IN LICENSE.md",
            "Apache-2.0 WITH Classpath-exception-2.0",
            "MIT AND (GPL-2.0-only OR AGPL-3.0-only)",
        ),
    ],
)
def test_what_they_cannot_keep_or_nobody_can_read_may_not(expression: str) -> None:
    assert not allows(expression)


def _bundled(folder: Path, licenses: dict[str, str | None]) -> Path:
    """A metafile of a script that imports the first package, which imports the second, and so on."""
    inputs: dict[str, object] = {}
    previous = "src/app.ts"
    for name, given in licenses.items():
        package = folder / "node_modules" / name
        package.mkdir(parents=True)
        described = {
            "name": name.rpartition("node_modules/")[2],
            "version": "1.2.3",
            **({} if given is None else {"license": given}),
        }
        (package / "package.json").write_text(json.dumps(described))
        (package / "LICENSE").write_text(f"Copyright the authors of {name}")
        inputs[previous] = {"imports": [{"path": f"../node_modules/{name}/index.js"}]}
        previous = f"../node_modules/{name}/index.js"
    inputs[previous] = {"imports": []}
    output = {"entryPoint": "src/app.ts", "inputs": {name: {"bytesInOutput": 10} for name in inputs}}
    (folder / "meta.json").write_text(json.dumps({"inputs": inputs, "outputs": {"app.js": output}}))
    return folder / "meta.json"


@pytest.mark.parametrize("given", ["CC-BY-NC-4.0", "SEE LICENSE IN LICENSE", None])
def test_a_package_that_may_not_ship_is_named_with_the_path_of_its_imports(tmp_path: Path, given: str | None) -> None:
    metafile = _bundled(tmp_path, {"@good/one": "MIT", "planted": given})
    parties = third_parties([metafile], tmp_path / "node_modules", NOTICES)
    assert [party.name for party in parties] == ["@good/one", "planted"]
    (line,) = refusals(parties)
    assert line.startswith("planted 1.2.3: ")
    assert "src/app.ts > @good/one/index.js > planted/index.js" in line


def test_a_package_without_the_text_of_its_license_is_refused(tmp_path: Path) -> None:
    metafile = _bundled(tmp_path, {"bare": "MIT"})
    (tmp_path / "node_modules/bare/LICENSE").unlink()
    (line,) = refusals(third_parties([metafile], tmp_path / "node_modules", NOTICES))
    assert "brings no text" in line


def test_the_page_carries_every_text_and_its_bill() -> None:
    page = build_web().page
    shown, bill = (page / PAGE_FILE).read_text(encoding="utf-8"), json.loads((page / BILL_FILE).read_text())
    names = {part["name"] for part in bill["components"]}
    assert {"@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-wasm", "XNNPACK", "Emscripten", "musl"} <= names
    for words in ("Apache License", "Copyright 2019 David Bau", "Copyright 2019 Google LLC", "Emscripten authors"):
        assert words in shown
    assert all(part["licenses"] for part in bill["components"])
    assert not {"serialNumber", "metadata"} & bill.keys()


def test_no_notice_is_kept_for_nothing() -> None:
    kept = json.loads((NOTICES / "notices.json").read_text())
    files = [*kept["packages"].values(), *(part["file"] for parts in kept["compiled_in"].values() for part in parts)]
    assert {path.name for path in NOTICES.glob("*.txt")} == set(files)


def test_a_package_in_a_package_is_judged_by_its_own_licence(tmp_path: Path) -> None:
    """``b`` beside ``a`` is free, and another ``b`` inside of ``a`` is what ``a`` imports."""
    metafile = _bundled(tmp_path, {"b": "MIT", "a": "MIT", "a/node_modules/b": "GPL-3.0-only"})
    parties = third_parties([metafile], tmp_path / "node_modules", NOTICES)
    assert [(party.name, party.license) for party in parties] == [("a", "MIT"), ("b", "GPL-3.0-only"), ("b", "MIT")]
    (line,) = refusals(parties)
    assert line.startswith("b 1.2.3: its licence is 'GPL-3.0-only'")
    assert line.endswith("a/index.js > a/node_modules/b/index.js)")


def test_two_copies_of_a_package_are_one_work_and_two_versions_two(tmp_path: Path) -> None:
    metafile = _bundled(tmp_path, {"b": "MIT", "@s/a": "MIT", "@s/a/node_modules/b": "MIT"})
    inner = tmp_path / "node_modules/@s/a/node_modules/b"
    (inner / "LICENSE").write_text((tmp_path / "node_modules/b/LICENSE").read_text())
    assert [party.name for party in third_parties([metafile], tmp_path / "node_modules", NOTICES)] == ["@s/a", "b"]
    (inner / "package.json").write_text(json.dumps({"name": "b", "version": "2.0.0", "license": "MIT"}))
    parties = third_parties([metafile], tmp_path / "node_modules", NOTICES)
    assert [(party.name, party.version) for party in parties] == [("@s/a", "1.2.3"), ("b", "1.2.3"), ("b", "2.0.0")]
    assert page(parties).count("<h2 ") == 3
    (inner / "package.json").write_text(json.dumps({"name": "c", "version": "2.0.0", "license": "MIT"}))  # an alias
    assert [party.name for party in third_parties([metafile], tmp_path / "node_modules", NOTICES)] == ["@s/a", "b", "c"]
    assert len(bill_of_materials(parties)["components"]) == 3
