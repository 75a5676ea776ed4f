"""The fault table: whatever happens to a file, the page heals or says what to do, and never names a wrong plant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.fault_table import (
    APP_KINDS,
    APP_PLAIN,
    IN_CACHES,
    KINDS,
    PLAIN,
    cells,
    heals,
    on_server,
    table,
)
from tests.fixtures.pages import (
    kept,
    kept_offline,
    named,
    names_of,
    register,
    settled,
    spoil,
)
from tests.fixtures.web_host import WebHost
from tests.fixtures.workbox import BY_PATH, CACHE_FIRST, PRECACHE, service_worker

ROOT = Path(__file__).parents[2]
WORKERS = ("cache first", "precache")


def test_the_documented_table_is_the_one_that_is_tested() -> None:
    text = (ROOT / "docs" / "browser.md").read_text(encoding="utf-8")
    assert table() in text
    for kinds, plain in ((tuple(KINDS), PLAIN), (APP_KINDS, APP_PLAIN)):
        assert {cell[0] for cell in plain} == set(kinds)  # the plain tests have a fault of each kind of file


@pytest.mark.parametrize(("kind", "fault", "visit"), cells(tuple(KINDS), PLAIN))
def test_the_own_page(
    bundle: Path, photo: Path, names: list[str], page: Page, kind: str, fault: str, visit: str
) -> None:
    name = KINDS[kind]
    with WebHost(bundle) as host:
        if visit == "returning":
            page.goto(host.url)
            kept_offline(page)
            kept(page, name)
        if visit == "returning" and fault in IN_CACHES:
            assert spoil(page, name, fault) > 0
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


@pytest.mark.parametrize(("kind", "fault", "visit", "worker"), cells(APP_KINDS, APP_PLAIN, WORKERS))
def test_an_app_with_a_worker_of_its_own(
    bundle: Path, photo: Path, names: list[str], page: Page, kind: str, fault: str, visit: str, worker: str
) -> None:
    name = KINDS[kind]
    options = {"keep": False} if worker == "precache" else {}
    with WebHost(bundle, "/models/plants/") as host:
        host.extra["/sw.js"] = ("text/javascript", service_worker(CACHE_FIRST))
        host.roots["/photos/"] = photo.parent
        asked = ("/models/plants/", f"/photos/{photo.name}")
        page.goto(host.origin)
        if worker == "precache":  # made by an app's build, before anything goes wrong
            listed = page.evaluate(
                "async (folder) => (await import(folder + 'classifier.js')).precache(folder)", asked[0]
            )
            host.extra["/sw.js"] = ("text/javascript", service_worker(PRECACHE, listed))
        if visit == "returning":
            assert register(page)
            assert names_of(page, *asked, **options)["names"] == names
            kept(page, name, "app-")
        if visit == "returning" and fault in IN_CACHES:
            assert spoil(page, name, fault) > 0
        else:
            host.faults[name] = on_server(fault)
        if visit == "first":
            installed = register(page)
            assert installed or worker == "precache"  # which is all there, or not at all
        page.goto(host.origin)
        if not heals(kind, fault, visit):
            code = page.evaluate(
                "async ([folder, options]) => { const { load } = await import(folder + 'classifier.js');"
                " return load(folder, options).then(() => 'none', (error) => error.code) }",
                [asked[0], options],
            )
            assert code == "http"
            host.faults.clear()
            page.goto(host.origin)
        assert names_of(page, *asked, **options)["names"] == names
        assert page.evaluate("async () => (await caches.keys()).some((name) => name.startsWith('app-'))")


def test_an_app_whose_worker_knows_a_file_by_its_path_alone(
    bundle: Path, photo: Path, names: list[str], page: Page
) -> None:
    with WebHost(bundle, "/models/plants/") as host:
        host.extra["/sw.js"] = ("text/javascript", service_worker(BY_PATH))
        host.roots["/photos/"] = photo.parent
        asked = ("/models/plants/", f"/photos/{photo.name}")
        page.goto(host.origin)
        assert register(page)
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
