"""Chunks of an unfinished download go when the whole file is here, whoever kept them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.fixtures.web_host import WebHost
from tests.page.test_downloads import CHUNKS, LOAD

# Cache Storage takes its time: what is left to be kept when the whole file is here need not be
SLOW_DISK = """() => {
  globalThis.kept = 0;
  const { put } = Cache.prototype;
  Cache.prototype.put = async function (url, answer) {
    if (!String(url).includes("part=")) return put.call(this, url, answer);
    kept += 1;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return put.call(this, url, answer);
  };
}"""
# two loads ask for the same weights; the second has them slowly, and is cancelled when the first is done
TWO_PAGES = """async () => {
  const control = new AbortController();
  const { fetch } = globalThis;
  const bytes = new Uint8Array(await (await fetch("/m/model/weights.bin")).arrayBuffer());
  const asked = [];
  const both = new Promise((resolve) => {
    globalThis.fetch = async (url, options) => {
      if (!String(url).includes("weights.bin")) return fetch(url, options);
      if (asked.push(url) === 2) {
        const body = new ReadableStream({ start: (sink) => resolve(sink) });
        options.signal.addEventListener("abort", () => both.then((sink) => sink.error(options.signal.reason)));
        return new Response(body, { headers: { "Content-Type": "application/octet-stream" } });
      }
      await both;
      return fetch(url, options);
    };
  });
  const { load } = await import("/m/classifier.js");
  const first = load("/m/");
  const second = load("/m/", { signal: control.signal }).catch((error) => error.name);
  const slow = await both;
  slow.enqueue(bytes.slice(0, 300000));
  await first;
  slow.enqueue(bytes.slice(300000, 1400000));
  await new Promise((resolve) => setTimeout(resolve, 500));
  control.abort();
  return [await second, asked.length];
}"""
LEAVE_BEHIND = """async () => {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    const [whole] = (await cache.keys()).filter(({ url }) => url.endsWith("weights.bin"));
    for (const part of [0, 3, 7]) await cache.put(`${whole.url}?part=${part}`, new Response("what a page left behind"));
  }
}"""


def test_a_file_that_is_whole_is_not_kept_in_chunks_any_more(large: Path, page: Page) -> None:
    with WebHost(large, "/m/") as host:
        page.goto(host.origin)
        page.evaluate(SLOW_DISK)
        assert page.evaluate(LOAD) == "whole"
        assert page.evaluate("kept") <= 2  # of seven
        assert page.evaluate(CHUNKS) == {}


def test_the_slower_of_two_leaves_no_chunks_beside_the_whole_file(large: Path, page: Page) -> None:
    with WebHost(large, "/m/") as host:
        page.goto(host.origin)
        assert page.evaluate(TWO_PAGES) == ["AbortError", 2]
        assert page.evaluate(CHUNKS) == {}


@pytest.mark.parametrize("call", ["load", "repair"])
def test_what_a_page_left_behind_is_removed(large: Path, page: Page, call: str) -> None:
    with WebHost(large, "/m/") as host:
        page.goto(host.origin)
        assert page.evaluate(LOAD) == "whole"
        page.evaluate(LEAVE_BEHIND)
        assert set(page.evaluate(CHUNKS)) == {"0", "3", "7"}
        page.goto(host.origin)
        page.evaluate(f"async () => void (await (await import('/m/classifier.js')).{call}('/m/'))")
        assert page.evaluate(CHUNKS) == {}
