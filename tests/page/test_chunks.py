"""Chunks of an unfinished download go when the whole file is here, whoever kept them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.fixtures.pages import comes_to
from tests.fixtures.web_host import WebHost
from tests.page.test_downloads import LOAD, chunks

# Cache Storage takes longer for the first chunk than all the rest of the download does
SLOW_DISK = """() => {
  globalThis.kept = 0;
  const whole = Promise.withResolvers();
  const { put } = Cache.prototype;
  Cache.prototype.put = async function (url, answer) {
    if (String(url).endsWith("weights.bin")) whole.resolve();
    if (String(url).includes("part=")) {
      kept += 1;
      await whole.promise;
    }
    return put.call(this, url, answer);
  };
}"""
# two loads ask for the same weights; the second has them slowly, and is cancelled when the first is done
TWO_PAGES = """async () => {
  const { load } = await import("/m/classifier.js");
  const { fetch } = globalThis;
  const bytes = new Uint8Array(await (await fetch("/m/model/weights.bin")).arrayBuffer());
  const [begun, slow, heard] = Array.from({ length: 3 }, () => Promise.withResolvers());
  let asked = 0;
  globalThis.fetch = async (url, options) => {
    if (!String(url).includes("weights.bin")) return fetch(url, options);
    asked += 1;
    if (asked === 1) {
      begun.resolve();
      await slow.promise;
      return fetch(url, options);
    }
    const start = (sink) => {
      options.signal.addEventListener("abort", () => sink.error(options.signal.reason));
      slow.resolve(sink);
    };
    return new Response(new ReadableStream({ start }), { headers: { "Content-Type": "application/octet-stream" } });
  };
  const first = load("/m/");
  await begun.promise;
  const control = new AbortController();
  const onProgress = (loaded) => loaded >= 1400000 && heard.resolve();
  const second = load("/m/", { signal: control.signal, onProgress }).catch((error) => error.name);
  const sink = await slow.promise;
  sink.enqueue(bytes.slice(0, 300000));
  await first;
  sink.enqueue(bytes.slice(300000, 1400000));
  await heard.promise;
  await new Promise((resolve) => setTimeout(resolve, 500)); // chunks would be kept now
  control.abort();
  return [await second, asked];
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
        assert page.evaluate("kept") == 1  # of seven
        assert chunks(page) == {}


def test_the_slower_of_two_leaves_no_chunks_beside_the_whole_file(large: Path, page: Page) -> None:
    with WebHost(large, "/m/") as host:
        page.goto(host.origin)
        assert page.evaluate(TWO_PAGES) == ["AbortError", 2]
        comes_to(page, lambda: chunks(page), {})


@pytest.mark.parametrize("call", ["load", "repair"])
def test_what_a_page_left_behind_is_removed(large: Path, page: Page, call: str) -> None:
    with WebHost(large, "/m/") as host:
        page.goto(host.origin)
        assert page.evaluate(LOAD) == "whole"
        page.evaluate(LEAVE_BEHIND)
        assert set(chunks(page)) == {"0", "3", "7"}
        page.goto(host.origin)
        page.evaluate(f"async () => void (await (await import('/m/classifier.js')).{call}('/m/'))")
        assert chunks(page) == {}
