"""The fault table: whatever happens to a file, the page heals or says what to do, and never names a wrong plant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures import web_host
from tests.fixtures.pages import BLANK, CACHE_FIRST, kept_offline, named, names_of, settled, spoil
from tests.fixtures.web_host import Fault, WebHost

KINDS = {
    "weights": "model/weights.bin",
    "classes": "classes.json",
    "decision": "decision.json",
    "wasm": "tfjs-backend-wasm-simd.wasm",
    "worker": "engine.js",
    "module": "classifier.js",
    "app": "app.js",
    "style": "style.css",
    "credits": "credits/species-00000.bin",
    "bundle": "bundle.json",
}
FAULTS = ("flipped", "truncated", "404", "503 once", "503 always", "evicted", "wrong type")
IN_CACHES = ("flipped", "truncated", "evicted", "wrong type")
# in the plain tests: one fault of each kind of file, on either visit
PLAIN = {
    ("weights", "flipped", "returning"),
    ("classes", "evicted", "returning"),
    ("decision", "truncated", "first"),
    ("wasm", "flipped", "returning"),
    ("worker", "wrong type", "first"),
    ("module", "404", "first"),
    ("app", "503 once", "first"),
    ("style", "404", "first"),
    ("credits", "flipped", "returning"),
    ("bundle", "flipped", "returning"),
}
CELLS = [
    pytest.param(*cell, id=" ".join(cell), marks=[] if cell in PLAIN else [pytest.mark.slow])
    for cell in ((kind, fault, visit) for kind in KINDS for fault in FAULTS for visit in ("first", "returning"))
    if cell[1:] != ("evicted", "first")
]
APP_PLAIN = {("weights", "flipped", "returning"), ("wasm", "truncated", "first"), ("bundle", "503 once", "first")}
APP_CELLS = [
    pytest.param(*cell, id=" ".join(cell), marks=[] if cell in APP_PLAIN else [pytest.mark.slow])
    for cell in ((kind, fault, visit) for kind in KINDS for fault in FAULTS for visit in ("first", "returning"))
    if cell[1:] != ("evicted", "first") and cell[0] not in ("app", "style", "credits", "module")
]


def on_server(fault: str) -> Fault:
    return {
        "flipped": web_host.flipped,
        "truncated": web_host.truncated,
        "404": web_host.missing,
        "503 once": web_host.times(1, web_host.unavailable),
        "503 always": web_host.unavailable,
        "wrong type": web_host.wrong_type,
    }[fault]


def heals(kind: str, fault: str, visit: str) -> bool:
    """Whether an answer must come: only what the server refuses for good, and nobody keeps, need not."""
    return visit == "returning" or fault not in ("404", "503 always") or kind in ("style", "credits")


@pytest.mark.parametrize(("kind", "fault", "visit"), CELLS)
def test_the_own_page(
    bundle: Path, photo: Path, names: list[str], page: Page, kind: str, fault: str, visit: str
) -> None:
    name = KINDS[kind]
    with WebHost(bundle) as host:
        if visit == "returning":
            page.goto(host.url)
            kept_offline(page)
            page.wait_for_timeout(300)
        if visit == "returning" and fault in IN_CACHES:
            spoil(page, name, fault)
        else:
            host.faults[name] = on_server(fault)
        page.goto(host.url)
        found = settled(page)
        if not heals(kind, fault, visit):
            assert found in ("problem", "stuck")
            words = page.locator("#problem-text" if found == "problem" else "#stuck")
            expect(words).to_be_visible()
            if found == "problem":
                expect(page.locator("#repair")).to_be_visible()
            host.faults.clear()  # once the server is well, the page is
            page.goto(host.url)
            found = settled(page)
        assert found == "ready", page.locator("#problem").text_content()
        assert named(page, photo) == names
        if kind == "credits":
            page.locator("#credits summary").click()
            expect(page.locator("#credits-list h3")).to_have_count(5, timeout=60_000)


@pytest.mark.parametrize(("kind", "fault", "visit"), APP_CELLS)
def test_an_app_whose_worker_asks_its_cache_first(
    bundle: Path, photo: Path, names: list[str], page: Page, kind: str, fault: str, visit: str
) -> None:
    name = KINDS[kind]
    with WebHost(bundle, "/models/plants/") as host:
        host.extra = {"/": ("text/html", BLANK), "/sw.js": ("text/javascript", CACHE_FIRST)}
        host.roots["/photos/"] = photo.parent
        asked = ("/models/plants/", f"/photos/{photo.name}")
        page.goto(host.origin)
        page.evaluate("async () => { await navigator.serviceWorker.register('/sw.js') }")
        page.wait_for_function("() => navigator.serviceWorker.controller")
        if visit == "returning":
            assert names_of(page, *asked)["names"] == names
        if visit == "returning" and fault in IN_CACHES:
            assert spoil(page, name, fault) > 0
        else:
            host.faults[name] = on_server(fault)
        page.goto(host.origin)
        if not heals(kind, fault, visit):
            code = page.evaluate(
                "async (folder) => { const { load } = await import(folder + 'classifier.js');"
                " return load(folder).then(() => 'none', (error) => error.code) }",
                asked[0],
            )
            assert code == "http"
            host.faults.clear()
            page.goto(host.origin)
        assert names_of(page, *asked)["names"] == names
        assert page.evaluate("caches.has('app-runtime')")


def test_an_app_whose_worker_knows_a_file_by_its_path_alone(
    bundle: Path, photo: Path, names: list[str], page: Page
) -> None:
    with WebHost(bundle, "/models/plants/") as host:
        by_path = CACHE_FIRST.replace("match(event.request)", "match(event.request, { ignoreSearch: true })")
        host.extra = {"/": ("text/html", BLANK), "/sw.js": ("text/javascript", by_path)}
        host.roots["/photos/"] = photo.parent
        asked = ("/models/plants/", f"/photos/{photo.name}")
        page.goto(host.origin)
        page.evaluate("async () => { await navigator.serviceWorker.register('/sw.js') }")
        page.wait_for_function("() => navigator.serviceWorker.controller")
        assert names_of(page, *asked)["names"] == names
        for name in ("weights", "wasm", "worker", "bundle"):
            assert spoil(page, KINDS[name], "flipped") > 0
            page.goto(host.origin)
            assert names_of(page, *asked)["names"] == names


def test_a_bundle_that_is_damaged_for_good_is_named_and_repaired_once_it_is_whole(
    bundle: Path, photo: Path, names: list[str], page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    weights = folder / "model" / "weights.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"\x55")
    page.add_init_script("Object.defineProperty(navigator, 'language', { value: 'es-ES' })")
    with WebHost(folder) as host:
        page.goto(host.url)
        assert settled(page) == "problem"
        expect(page.locator("#problem-text")).to_have_text(
            "Un archivo del modelo está dañado, o este sitio se está actualizando. Seguiré probando."
        )
        expect(page.locator("#problem-words")).to_contain_text("model/weights.bin was altered")
        assert page.locator("#problem-words").get_attribute("lang") == "en"
        page.evaluate("caches.open('somebody-else')")
        weights.write_bytes(whole)
        page.locator("#repair").click()
        page.wait_for_function("() => document.documentElement.dataset.view === 'ready'", timeout=60_000)
        assert named(page, photo) == names
        assert page.evaluate("caches.has('somebody-else')")


def test_status_says_what_is_whole_and_repair_puts_it_back_in_place(bundle: Path, photo: Path, page: Page) -> None:
    with WebHost(bundle, "/m/") as host:
        host.extra["/"] = ("text/html", BLANK)
        host.roots["/photos/"] = photo.parent
        page.goto(host.origin)
        call = "async (what) => (await import('/m/classifier.js'))[what]('/m/')"
        assert not page.evaluate(call, "status")["whole"]
        names_of(page, "/m/", f"/photos/{photo.name}")
        before = page.evaluate(call, "status")
        assert before["whole"]
        assert before["trouble"] is None
        assert before["quota"] > before["usage"] > 0
        assert {file["state"] for file in before["files"]} == {"whole"}
        spoil(page, "classes.json", "flipped")
        spoil(page, "model/weights.bin", "evicted")
        states = {file["name"]: file["state"] for file in page.evaluate(call, "status")["files"]}
        assert states.pop("classes.json") == "bad"
        assert states.pop("model/weights.bin") == "missing"
        assert set(states.values()) == {"whole"}
        assert page.evaluate(call, "repair")["whole"]
        assert page.evaluate(call, "status") == {**before, "usage": page.evaluate(call, "status")["usage"]}
        page.evaluate("caches.open('somebody-else')")
        page.evaluate(call, "clear")
        assert page.evaluate("caches.keys()") == ["somebody-else"]
