"""The page's own service worker: a failed update, a server that is unwell for now, and an edition that is gone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.bundle import write_manifest
from tests.fixtures.pages import SECONDS, comes_to, held, kept_offline, named, spoil, view
from tests.fixtures.web_host import Answer, Fault, WebHost, unavailable, wrong_type

# the browser's own look for changed bytes of the newest worker's script; whether what it found could be installed
LOOK = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration.update().catch(() => undefined);
  const coming = registration.installing;
  if (!coming) return null;
  return new Promise((resolve) => coming.addEventListener("statechange", () => resolve(coming.state)));
}"""


@pytest.fixture
def host(bundle: Path, tmp_path: Path) -> Iterator[WebHost]:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    with WebHost(folder) as host:
        yield host


def release(host: WebHost, version: str) -> None:
    """A newer edition, whose service worker has other bytes, too."""
    folder = host.roots["/"]
    worker = folder / "service-worker.js"
    worker.write_text(worker.read_text(encoding="utf-8") + f"// {version}\n", encoding="utf-8")
    write_manifest(folder, version=version)


def down(host: WebHost) -> None:
    """Nothing that the page could ask for is given."""
    files = [path.relative_to(host.roots["/"]).as_posix() for path in host.roots["/"].rglob("*")]
    host.faults = dict.fromkeys(files, unavailable)


def shells(page: Page) -> int:
    """How many editions are kept with all that opens the page."""
    return page.evaluate("""async () => {
      let found = 0;
      for (const name of await caches.keys()) {
        const kept = (await (await caches.open(name)).keys()).map(({ url }) => url.split("/").pop());
        found += ["index.html", "app.js", "classifier.js", "style.css"].every((one) => kept.includes(one));
      }
      return found;
    }""")


def test_an_update_that_fails_takes_nothing_from_the_edition_in_use(
    host: WebHost, page: Page, photo: Path, names: list[str]
) -> None:
    page.goto(host.url)
    kept_offline(page)
    release(host, "v2.0")
    assert page.evaluate(LOOK) == "redundant"  # the first edition's address, the second one's bytes
    down(host)
    page.reload()
    view(page, "ready")
    expect(page.locator("#model")).to_have_text("fixture v1.0")
    assert named(page, photo) == names
    host.faults.clear()
    page.reload()
    expect(page.locator("#update")).to_be_visible(timeout=SECONDS)
    assert shells(page) == 2
    release(host, "v3.0")
    assert page.evaluate(LOOK) == "redundant"  # what waits is asked for first
    assert shells(page) == 2
    page.locator("#reload").click()
    expect(page.locator("#model")).to_have_text("fixture v2.0", timeout=SECONDS)
    expect(page.locator("#update")).to_be_visible(timeout=SECONDS)
    page.locator("#reload").click()
    expect(page.locator("#model")).to_have_text("fixture v3.0", timeout=SECONDS)


def portal(answer: Answer, query: str) -> Answer:
    """What a hotel's network says to everything."""
    return wrong_type(answer, "")


@pytest.mark.parametrize("fault", [unavailable, portal])
def test_a_server_that_is_unwell_for_now_costs_nothing_that_is_kept(host: WebHost, page: Page, fault: Fault) -> None:
    page.goto(host.url)
    kept_offline(page)
    before = held(page)
    assert spoil(page, "app.js", "evicted") == 1
    for name in ("app.js", "bundle.json"):
        host.faults[name] = fault
    page.goto(host.url)
    view(page, "stuck")
    assert held(page).items() >= {name: size for name, size in before.items() if name != "/app.js"}.items()
    assert page.evaluate("async () => Boolean((await navigator.serviceWorker.getRegistration()).active)")
    host.faults.clear()
    page.goto(host.url)
    view(page, "ready")
    comes_to(page, lambda: "/app.js" in held(page), True)


def test_an_edition_that_lost_its_page_gives_way_to_the_servers(host: WebHost, page: Page) -> None:
    page.goto(host.url)
    kept_offline(page)
    weights = host.sent("weights.bin")
    assert spoil(page, "app.js", "evicted") == 1
    for name, old, new in (("app.js", r"\Z", "\n"), ("index.html", r' integrity="[^"]+"', "")):
        file = host.roots["/"] / name
        file.write_text(re.sub(old, new, file.read_text(encoding="utf-8")), encoding="utf-8")
    release(host, "v2.0")
    page.goto(host.url)
    view(page, "stuck")  # the kept index.html takes no other app.js, and says so
    page.goto(host.url)
    expect(page.locator("#model")).to_have_text("fixture v2.0", timeout=SECONDS)
    kept_offline(page)
    comes_to(page, lambda: len(page.evaluate("caches.keys()")), 1)
    assert host.sent("weights.bin") == weights  # they are the same


POLICIES = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Policy-Of-Tomorrow": "strict",
}


def test_a_page_that_is_kept_has_its_hosts_policies(host: WebHost, page: Page) -> None:
    host.headers |= {**POLICIES, "ETag": '"of-these-bytes"'}
    page.goto(host.url)
    kept_offline(page)
    down(host)
    for path in ("", "index.html", "attributions.html"):
        answer = page.goto(host.url + path)
        assert answer
        assert answer.from_service_worker
        assert answer.headers.items() >= {name.lower(): value for name, value in POLICIES.items()}.items()
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert not {"etag", "cache-control", "content-length"} & set(answer.headers)
    page.goto(host.url)
    view(page, "ready")
    assert page.evaluate("crossOriginIsolated")
    host.faults.clear()
    host.headers |= {"Permissions-Policy": "camera=(), microphone=()"}  # the bundle is the same
    page.goto(host.url)
    noted = "async () => (await caches.match('?headers')).json()"
    comes_to(page, lambda: page.evaluate(noted)["permissions-policy"], "camera=(), microphone=()")


def maintenance(answer: Answer, query: str) -> Answer:
    """A notice in place of the page, with headers under which the page could not run."""
    policies = {"Content-Security-Policy": "sandbox", "Refresh": "5", "X-Policy-Of-Tomorrow": "none"}
    return Answer(200, b"<!doctype html><title>Back soon</title>", {"Content-Type": "text/html", **policies})


def test_a_notice_of_maintenance_does_not_leave_its_headers_on_the_page(host: WebHost, page: Page) -> None:
    host.headers |= POLICIES
    page.goto(host.url)
    kept_offline(page)
    before = len(host.asked)
    host.faults["index.html"] = maintenance
    page.goto(host.url)
    view(page, "ready")
    comes_to(page, lambda: {"/", "/index.html"} <= {asked.path for asked in host.asked[before:]}, True)
    down(host)
    answer = page.goto(host.url)
    assert answer
    assert answer.headers["content-security-policy"] == POLICIES["Content-Security-Policy"]
    assert answer.headers["x-policy-of-tomorrow"] == "strict"
    assert "refresh" not in answer.headers
    view(page, "ready")


def quota(page: Page, origin: str, size: int) -> None:
    """As much as the browser has room for."""
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": size})


def test_what_was_lost_and_finds_no_room_again_does_not_work_offline(host: WebHost, page: Page) -> None:
    page.goto(host.url)
    kept_offline(page)
    assert spoil(page, "weights.bin", "evicted") == 1
    quota(page, host.origin, 300_000)
    page.goto(host.url)
    words = page.locator("#offline")
    expect(words).to_contain_text("There is no room on this device to keep the model", timeout=SECONDS)
    expect(page.locator("html")).to_have_attribute("data-offline", "no")
    quota(page, host.origin, 300_000_000)
    page.goto(host.url)
    kept_offline(page)
    expect(words).to_have_text("Works offline")


def test_an_update_that_finds_no_room_is_told_and_the_one_before_works(host: WebHost, page: Page) -> None:
    page.goto(host.url)
    kept_offline(page)
    quota(page, host.origin, 300_000)
    release(host, "v2.0")
    page.goto(host.url)
    words = page.locator("#offline")
    expect(words).to_contain_text("The newer model could not be kept on this device", timeout=SECONDS)
    kept_offline(page)
    page.locator("#language").click()
    expect(words).to_contain_text("sin conexión se usa el anterior")
    down(host)
    page.goto(host.url)
    view(page, "ready")
    expect(page.locator("#model")).to_have_text("fixture v1.0")
    expect(words).to_have_text("Funciona sin conexión", timeout=SECONDS)


def test_only_the_bundles_own_pages_are_told(bundle: Path, page: Page) -> None:
    """A host's page on the same origin may listen to a worker of its own."""
    with WebHost(bundle, "/m/") as host:
        page.goto(host.origin)
        page.evaluate("""() => {
          globalThis.heard = [];
          navigator.serviceWorker.addEventListener("message", ({ data }) => heard.push(data));
          navigator.serviceWorker.startMessages();
        }""")
        other = page.context.new_page()
        quota(other, host.origin, 300_000)
        other.goto(host.url)
        expect(other.locator("#offline")).to_contain_text("There is no room", timeout=SECONDS)
        quota(other, host.origin, 300_000_000)
        other.reload()
        kept_offline(other)
        other.evaluate("""() => {
          const data = { folder: location.origin + "/another/", bundle: "", trouble: "quota", cared: true };
          navigator.serviceWorker.dispatchEvent(new MessageEvent("message", { data }));
          navigator.serviceWorker.dispatchEvent(new MessageEvent("message", { data: { trouble: "quota" } }));
          navigator.serviceWorker.dispatchEvent(new MessageEvent("message", { data: null }));
        }""")
        expect(other.locator("#offline")).to_have_text("Works offline")
        assert page.evaluate("heard") == []
        other.close()
