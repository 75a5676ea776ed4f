"""An app whose service worker is made with Workbox keeps our files: neither touches what is the other's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from aplantida.predict import predict
from tests.fixtures.bundle import write_bundle
from tests.fixtures.pages import comes_to, held, names_of, register, spoil
from tests.fixtures.web_host import WebHost, flipped, times
from tests.fixtures.workbox import PRECACHE, service_worker

FOLDER = "/models/plants/"
CALL = "async ([what, folder]) => (await import(folder + 'classifier.js'))[what](folder)"
CREDITS = """async (folder) => {
  const classifier = await (await import(folder + "classifier.js")).load(folder, { keep: false });
  const found = await classifier.credits(classifier.scientificNames[0]);
  classifier.dispose();
  return found.groups.length;
}"""
FAILURE = """async (folder) => (await import(folder + "classifier.js")).load(folder, { keep: false })
  .then(() => null, ({ code, file, cause }) => [code, file, cause.code, cause.file])"""


@pytest.fixture
def host(bundle: Path, photo: Path, tmp_path: Path) -> Iterator[WebHost]:
    """An app whose bundle may be replaced."""
    shutil.copytree(bundle, tmp_path / "bundle")
    with WebHost(tmp_path / "bundle", FOLDER) as host:
        host.roots["/photos/"] = photo.parent
        yield host


@pytest.fixture
def address(photo: Path) -> str:
    return f"/photos/{photo.name}"


def deploy(host: WebHost, page: Page, address: str) -> list[dict[str, Any]]:
    """Make the app's worker as its build would, with the list of the bundle that is there now; the list."""
    listed = page.evaluate(CALL, ["precache", FOLDER])
    own = [{"url": "/", "revision": "1"}, {"url": address, "revision": "1"}]
    host.extra["/sw.js"] = ("text/javascript", service_worker(PRECACHE, [*own, *listed]))
    return listed


def install(host: WebHost, page: Page, address: str) -> list[dict[str, Any]]:
    """The first visit."""
    page.goto(host.origin)
    listed = deploy(host, page, address)
    assert register(page)
    return listed


def theirs(page: Page) -> dict[str, int]:
    """What the app's own caches hold: address without its origin → bytes."""
    return held(page, "app-")


def stop(host: WebHost) -> dict[str, Path]:
    """The server has nothing more; what it had."""
    roots = dict(host.roots)
    host.roots.clear()
    host.extra.clear()
    return roots


def named_without_server(host: WebHost, page: Page, address: str) -> list[str]:
    """The names of a visit on which only the app's caches answer."""
    stop(host)
    page.goto(host.origin)
    return names_of(page, FOLDER, address, keep=False)["names"]


def test_a_first_visit_then_one_without_the_server(host: WebHost, page: Page, address: str, names: list[str]) -> None:
    listed = install(host, page, address)
    assert {one["url"].split(FOLDER)[1].split("?")[0] for one in listed} >= {
        "bundle.json",
        "classifier.js",
        "engine.js",
        "model/weights.bin",
    }
    assert all((one["revision"] is None) == ("?h=" in one["url"]) for one in listed)
    before = len(host.asked)
    assert names_of(page, FOLDER, address, keep=False)["names"] == names
    assert page.evaluate(CREDITS, FOLDER) == 2
    credited = {FOLDER + "credits/index.json", FOLDER + "credits/species-00000.bin"}
    assert {one.path for one in host.asked[before:]} == credited  # all else was here
    comes_to(page, lambda: credited - {address.split("?")[0] for address in theirs(page)}, set())
    assert named_without_server(host, page, address) == names
    assert page.evaluate(CREDITS, FOLDER) == 2
    assert all(name.startswith("app-") for name in page.evaluate("caches.keys()"))  # one copy on the device


def test_an_update_fetches_what_changed_drops_what_was_and_mixes_nothing(
    host: WebHost, page: Page, address: str, names: list[str], photo: Path, tmp_path: Path
) -> None:
    listed = install(host, page, address)
    newer = write_bundle(tmp_path / "newer", seed=5, threshold=0.0)
    others = [item["scientific_name"] for item in next(predict(newer, [str(photo)]))["top"]]
    assert others != names
    host.roots[FOLDER] = newer
    page.goto(host.origin)
    assert names_of(page, FOLDER, address, keep=False)["names"] == names  # the old worker, the old bundle: whole
    with WebHost(newer, FOLDER) as build:  # where the app's build asks for the new list
        other = page.context.new_page()
        other.goto(build.origin)
        changed = [
            {**one, "url": one["url"].replace(build.origin, host.origin)}
            for one in other.evaluate(CALL, ["precache", FOLDER])
        ]
        other.close()
    own = [{"url": "/", "revision": "1"}, {"url": address, "revision": "1"}]
    host.extra["/sw.js"] = ("text/javascript", service_worker(PRECACHE, [*own, *changed]))
    before = len(host.asked)
    page.evaluate("""async () => {
      const taken = new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve));
      await (await navigator.serviceWorker.getRegistration()).update();
      await taken;
    }""")
    keys = {
        one["url"].removeprefix(host.origin) + (f"?__WB_REVISION__={one['revision']}" if one["revision"] else "")
        for one in [*own, *changed]
    }
    comes_to(page, lambda: set(theirs(page)), keys)
    fetched = sorted(one.path for one in host.asked[before:] if one.path != "/sw.js")
    known = [(one["url"], one["revision"]) for one in listed]
    wanted = [one["url"] for one in changed if (one["url"], one["revision"]) not in known]
    assert fetched == sorted(FOLDER + url.split(FOLDER)[1].split("?")[0] for url in wanted)  # each once
    assert 0 < len(wanted) < len(changed)
    assert named_without_server(host, page, address) == others


def test_an_entry_that_was_evicted_is_put_back_by_workbox(
    host: WebHost, page: Page, address: str, names: list[str]
) -> None:
    install(host, page, address)
    before = theirs(page)
    for name in ("model/weights.bin", "classes.json", "bundle.json", "classifier.js"):
        assert spoil(page, name, "evicted") == 1
    page.goto(host.origin)
    assert names_of(page, FOLDER, address, keep=False)["names"] == names
    comes_to(page, lambda: theirs(page), before)
    assert named_without_server(host, page, address) == names


@pytest.mark.parametrize(
    "change", ["flipped", *(pytest.param(change, marks=pytest.mark.slow) for change in ("truncated", "wrong type"))]
)
def test_an_entry_that_was_spoilt_is_passed_over_and_named_where_there_is_no_server(
    host: WebHost, page: Page, address: str, names: list[str], change: str
) -> None:
    install(host, page, address)
    whole = theirs(page)
    weights = "model/weights.bin"
    assert spoil(page, weights, change) == 1
    page.goto(host.origin)
    assert names_of(page, FOLDER, address, keep=False)["names"] == names
    roots = stop(host)
    page.goto(host.origin)
    assert page.evaluate(FAILURE, FOLDER) == ["http", "bundle.json", "altered", weights]
    assert spoil(page, weights, "evicted") == 1  # what docs/browser.md tells the app to do
    host.roots.update(roots)
    assert names_of(page, FOLDER, address, keep=False)["names"] == names
    comes_to(page, lambda: theirs(page), whole)


def test_bytes_that_are_not_the_listed_ones_never_come_into_the_precache(
    host: WebHost, page: Page, address: str, names: list[str]
) -> None:
    """A proxy that spoils what it passes on: the worker is not installed, and comes once the proxy is well."""
    page.goto(host.origin)
    deploy(host, page, address)
    whole = (host.roots[FOLDER] / "model" / "weights.bin").read_bytes()
    (host.roots[FOLDER] / "model" / "weights.bin").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert not register(page)
    (host.roots[FOLDER] / "model" / "weights.bin").write_bytes(whole)
    assert register(page)
    assert named_without_server(host, page, address) == names


def test_bytes_that_http_keeps_for_a_year_hold_up_the_worker_until_a_bundle_was_loaded(
    host: WebHost, page: Page, address: str, names: list[str]
) -> None:
    host.headers["Cache-Control"] = "max-age=31536000, immutable"
    host.faults["model/weights.bin"] = times(1, flipped)
    page.goto(host.origin)
    deploy(host, page, address)
    assert [register(page) for _ in range(2)] == [False, False]
    assert names_of(page, FOLDER, address, keep=False)["names"] == names
    assert register(page)


def test_status_repair_and_clear_touch_ours_and_only_ours(
    host: WebHost, page: Page, address: str, names: list[str]
) -> None:
    install(host, page, address)
    before = theirs(page)
    assert {file["state"] for file in page.evaluate(CALL, ["status", FOLDER])["files"]} == {"missing"}
    assert names_of(page, FOLDER, address)["names"] == names  # an app that lets us keep a copy, too
    assert page.evaluate(CALL, ["status", FOLDER])["whole"]
    asked = len(host.asked)
    assert page.evaluate(
        """async () => {
          const ours = (await caches.keys()).filter((name) => name.startsWith("aplantida:"));
          const cache = await caches.open(ours[0]);
          const [weights] = (await cache.keys()).filter(({ url }) => url.endsWith("weights.bin"));
          await cache.put(weights, new Response("spoilt"));
          return ours.length;
        }"""
    ) == 1  # fmt: skip
    states = {file["name"]: file["state"] for file in page.evaluate(CALL, ["status", FOLDER])["files"]}
    assert {name for name, state in states.items() if state != "whole"} == {"model/weights.bin"}
    assert page.evaluate(CALL, ["repair", FOLDER])["whole"]
    assert not [one for one in host.asked[asked:] if one.path.endswith("weights.bin")]  # out of the app's precache
    assert theirs(page) == before
    page.evaluate(CALL, ["clear", FOLDER])
    assert theirs(page) == before
    assert all(name.startswith("app-") for name in page.evaluate("caches.keys()"))
    assert page.evaluate("navigator.serviceWorker.controller.scriptURL") == host.origin + "/sw.js"
    assert named_without_server(host, page, address) == names
