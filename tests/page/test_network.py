"""On a visitor's network: nothing twice, nothing lost, nothing that an answer does not need in its way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.bundle import write_manifest
from tests.fixtures.pages import kept_offline, named, names_of, settled, view
from tests.fixtures.web_host import Answer, WebHost, missing, times, unavailable

WEIGHTS = "model/weights.bin"


@pytest.mark.parametrize("policy", ["no-cache", "no-store", "max-age=31536000, immutable"])
def test_a_first_visit_fetches_the_weights_once_and_only_one_wasm(large: Path, page: Page, policy: str) -> None:
    with WebHost(large) as host:
        host.headers["Cache-Control"] = policy
        page.goto(host.url)
        kept_offline(page)
        page.goto(host.url)
        view(page, "ready")
        assert host.sent("weights.bin") == (large / WEIGHTS).stat().st_size
        assert host.sent("tfjs-backend-wasm-simd.wasm") == (large / "tfjs-backend-wasm-simd.wasm").stat().st_size
        for name in ("tfjs-backend-wasm.wasm", "classifier.d.ts", "metrics.json"):
            assert not [one for one in host.asked if one.path.endswith("/" + name)]


def test_what_an_answer_does_not_need_keeps_nothing_from_being_kept(
    bundle: Path, photo: Path, names: list[str], page: Page
) -> None:
    with WebHost(bundle) as host:
        extras = ("style.css", "metrics.json", "LICENSE-MODEL.md", "attributions.html", "tfjs-backend-wasm.wasm")
        host.faults = dict.fromkeys((*extras, "icon.svg", "manifest.webmanifest", "golden/golden.json"), missing)
        page.goto(host.url)
        kept_offline(page)
    page.goto(host.url)
    view(page, "ready")
    assert named(page, photo) == names


def test_a_full_disk_is_said_and_leaves_nothing_half_done(
    bundle: Path, photo: Path, names: list[str], page: Page
) -> None:
    with WebHost(bundle) as host:
        session = page.context.new_cdp_session(page)
        quota = {"origin": host.origin, "quotaSize": 300_000}
        session.send("Storage.overrideQuotaForOrigin", quota)
        page.goto(host.url)
        view(page, "ready")
        expect(page.locator("#offline")).to_have_text(
            "There is no room on this device to keep the model: it works with a connection only.", timeout=60_000
        )
        assert named(page, photo) == names
        page.locator("#language").click()
        expect(page.locator("#offline")).to_contain_text("No hay sitio en este dispositivo")
        kept = page.evaluate("""async () => {
          const cache = await caches.open((await caches.keys())[0]);
          return (await cache.keys()).map(({ url }) => url);
        }""")
        assert not [url for url in kept if url.endswith(("index.html", "app.js")) or "?part=" in url]
        page.reload()
        view(page, "ready")


def test_a_service_worker_that_is_not_there_is_said(bundle: Path, page: Page) -> None:
    with WebHost(bundle) as host:
        host.faults["service-worker.js"] = missing
        page.goto(host.url)
        expect(page.locator("#offline")).to_have_text(
            "The model could not be kept on this device: for now it works with a connection only.", timeout=60_000
        )


def test_a_half_done_deployment_is_waited_for(bundle: Path, photo: Path, names: list[str], page: Page) -> None:
    with WebHost(bundle) as host:
        host.faults[WEIGHTS] = times(6, missing)  # bundle.json came first
        page.goto(host.url)
        assert settled(page) == "ready"
        assert named(page, photo) == names


def test_what_is_kept_serves_while_a_deployment_is_half_done(
    bundle: Path, photo: Path, names: list[str], page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    with WebHost(folder, "/m/") as host:
        host.roots["/photos/"] = photo.parent
        page.goto(host.origin)
        asked = ("/m/", f"/photos/{photo.name}")
        assert names_of(page, *asked)["version"] == "v1.0"
        (folder / "classes.json").write_text((folder / "classes.json").read_text() + "\n")
        write_manifest(folder, version="v2.0")
        host.faults["classes.json"] = missing
        page.goto(host.origin)
        assert names_of(page, *asked) == {"version": "v1.0", "names": names, "thread": "worker"}
        host.faults.clear()
        page.goto(host.origin)
        assert names_of(page, *asked)["version"] == "v2.0"
        assert len(page.evaluate("caches.keys()")) == 1  # the older one is gone


def test_one_error_of_the_server_is_not_shown(bundle: Path, photo: Path, names: list[str], page: Page) -> None:
    with WebHost(bundle) as host:
        for name in ["bundle.json", *json.loads((bundle / "bundle.json").read_text())["files"]]:
            if name != "index.html":
                host.faults[name] = times(1, unavailable)
        page.goto(host.url)
        assert settled(page) == "ready"
        assert named(page, photo) == names


def test_every_tab_learns_of_a_newer_bundle_and_its_button_works(bundle: Path, tmp_path: Path, page: Page) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    with WebHost(folder) as host:
        page.goto(host.url)
        kept_offline(page)
        other = page.context.new_page()
        other.goto(host.url)
        kept_offline(other)
        write_manifest(folder, version="v2.0")
        page.reload()
        for tab in (page, other):
            expect(tab.locator("#update")).to_be_visible(timeout=60_000)
            expect(tab.locator("#model")).to_have_text("fixture v1.0")
        for tab in (page, other):
            tab.locator("#reload").click()
            expect(tab.locator("#model")).to_have_text("fixture v2.0", timeout=60_000)
        other.close()


def test_a_list_of_files_without_an_end_is_not_read_to_its_end(bundle: Path, page: Page) -> None:
    def longer(answer: Answer, query: str) -> Answer:
        """It would be understood, were it read."""
        return Answer(200, b" " * 17_000_000 + answer.body, answer.headers)

    script = """() => import("/m/classifier.js").then(({ load }) => load("/m/"))
      .then(() => "whole", ({ code, file, message }) => [code, file, message])"""
    with WebHost(bundle, "/m/") as host:
        host.faults["bundle.json"] = longer
        page.goto(host.origin)
        found = page.evaluate(script)
        assert found == ["altered", "bundle.json", "bundle.json has more than the 16777216 bytes that it may have"]
        host.faults.clear()
        assert page.evaluate(script) == "whole"


def test_a_page_without_scripts_still_speaks(bundle: Path, page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setScriptExecutionDisabled", {"value": True})
    session.send("Animation.enable")
    with WebHost(bundle) as host:
        page.goto(host.url)
        expect(page.locator("h1")).to_have_text("What plant is this?")
        expect(page.locator("#stuck")).to_be_hidden()
        session.send("Animation.setPlaybackRate", {"playbackRate": 30})
        assert "Aplantida necesita JavaScript" in (bundle / "index.html").read_text(encoding="utf-8")
        expect(page.locator("#stuck")).to_be_visible(timeout=30_000)


def test_persistence_is_asked_for_once(bundle: Path, page: Page) -> None:
    page.add_init_script("""
      globalThis.persistCalls = 0;
      StorageManager.prototype.persisted = async () => false;
      StorageManager.prototype.persist = async () => { persistCalls++; return false; };
    """)
    with WebHost(bundle) as host:
        for calls in (1, 0):
            page.goto(host.url)
            kept_offline(page)
            assert page.evaluate("persistCalls") == calls
