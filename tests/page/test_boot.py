"""The page's inline script: it minds the page's own script alone, and leads nowhere but to the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from tests.fixtures.pages import SECONDS, settled, view
from tests.fixtures.web_host import WebHost

# what hosts, extensions and networks put into pages; resolves once none of it has loaded
INJECT = """async (addresses) => {
  for (const src of addresses) {
    await new Promise((resolve) => {
      const script = Object.assign(document.createElement("script"), { src });
      script.onerror = resolve;
      document.head.append(script);
    });
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return Array.from(document.scripts, ({ src }) => src).filter((src) => src.includes("again="));
}"""


def test_scripts_of_others_that_do_not_load_are_none_of_its_business(bundle: Path, page: Page) -> None:
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "ready")
        others = ("none.js", "https://beacon.invalid/beacon.min.js", "https://beacon.invalid/app.js", "none/app.js")
        assert page.evaluate(INJECT, list(others)) == []
        assert len([one for one in host.asked if one.path == "/app.js" and "again=" in one.query]) == 0


def test_an_address_that_lacks_its_slash_leads_to_the_same_host(bundle: Path, page: Page) -> None:
    """A path of two slashes, followed as an address without its scheme, would be another host's."""
    with WebHost(bundle, "/elsewhere.invalid/plants/") as host:
        page.goto(f"{host.origin}//elsewhere.invalid/plants?from=mail#top")
        page.wait_for_url(f"{host.origin}//elsewhere.invalid/plants/?from=mail#top", timeout=SECONDS)
        assert settled(page) == "ready"
