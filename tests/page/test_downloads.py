"""A download that breaks off: on hosts with Range, without, and with one that does not do what it says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.fixtures.bundle import write_manifest
from tests.fixtures.pages import held, kept_offline, named, names_of, view
from tests.fixtures.ranges import PARTIALS
from tests.fixtures.web_host import Answer, Fault, Partial, WebHost, cut, missing, part, times

WEIGHTS = "model/weights.bin"
CHUNK = 262_144
LOAD = "async () => (await import('/m/classifier.js')).load('/m/').then(() => 'whole', (error) => error.code)"


def then(*faults: Fault | None) -> Fault:
    """One fault for each request, in this order; the last for all that follow."""
    left = list(faults)

    def applied(answer: Answer, query: str) -> Answer:
        fault = left.pop(0) if len(left) > 1 else left[0]
        return fault(answer, query) if fault else answer

    return applied


def chunks(page: Page) -> dict[str, int]:
    """What the browser keeps of an unfinished download: the bytes of each chunk by its number."""
    return {address.split("?part=")[1]: size for address, size in held(page).items() if "?part=" in address}


def ranges(host: WebHost) -> list[str | None]:
    return [one.range for one in host.asked if one.path.endswith("weights.bin")]


@pytest.mark.parametrize(
    "after", [pytest.param(100_000, marks=pytest.mark.slow), 800_000, pytest.param(1_999_999, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", PARTIALS)
def test_a_download_goes_on_where_it_broke_off_if_the_host_can(
    large: Path, photo: Path, names: list[str], page: Page, kind: str, after: int
) -> None:
    size = (large / WEIGHTS).stat().st_size
    partial, once = PARTIALS[kind]
    with WebHost(large, "/m/") as host:
        host.roots["/photos/"] = photo.parent
        host.partial = partial
        host.faults[WEIGHTS] = then(cut(after), None)
        page.goto(host.origin)
        assert names_of(page, "/m/", f"/photos/{photo.name}")["names"] == names
        if once:  # what lay in a broken connection's buffers is sent again
            assert host.sent("weights.bin") <= size + 600_000
        assert ranges(host).count(None) <= (1 if once else 2)
        assert chunks(page) == {}


@pytest.mark.parametrize(
    "tags", [('"one"', '"one"'), ('W/"one"', '"one"'), ('"one-gzip"', '"one"'), ('"one"', '"two"')]
)
def test_a_part_of_a_file_that_changed_is_not_put_to_what_came_before(
    large: Path, page: Page, tags: tuple[str, str]
) -> None:
    same = tags[1] != '"two"'

    def before(answer: Answer, query: str) -> Answer:
        """Until the connection breaks: the same file, or one of the same size that is deployed no more."""
        body = answer.body if same else bytes(len(answer.body))
        return cut(800_000)(Answer(200, body, {"ETag": tags[0]}), query)

    def after(answer: Answer, query: str) -> Answer:
        return Answer(answer.status, answer.body, {**answer.headers, "ETag": tags[1]})

    with WebHost(large, "/m/") as host:
        host.faults[WEIGHTS] = then(before, after)
        page.goto(host.origin)
        assert page.evaluate(LOAD) == "whole"
        wanted = ranges(host)
        assert wanted[0] is None
        assert wanted[1] is not None
        assert wanted[2:] == ([] if same else [None])  # asked for whole at once, at the same address
        assert len({one.query for one in host.asked if one.path.endswith("weights.bin")}) == 1


@pytest.mark.parametrize("partial", [part, None], ids=["ranges", "no ranges"])
def test_every_break_is_got_over_as_long_as_each_try_gets_farther(
    large: Path, page: Page, partial: Partial | None
) -> None:
    """More breaks than a host has tries; without ranges the stream breaks a little later each time."""
    after = [300_000 * number for number in range(1, 8)] if partial is None else [300_000] * 6
    with WebHost(large, "/m/") as host:
        host.partial = partial
        host.faults[WEIGHTS] = then(*(cut(count) for count in after), None)
        page.goto(host.origin)
        assert page.evaluate(LOAD) == "whole"
        assert len(ranges(host)) > 5


def test_a_break_earlier_than_the_one_before_loses_nothing(large: Path, page: Page) -> None:
    """The host understands ranges again after a while: it goes on from the farthest point."""
    progress: dict[str, Any]
    with WebHost(large, "/m/") as host:
        host.partial = None
        host.faults[WEIGHTS] = then(cut(1_500_000), cut(300_000), cut(200_000), missing)
        page.goto(host.origin)
        progress = page.evaluate("""async () => {
          const loaded = [];
          const { load } = await import("/m/classifier.js");
          const code = await load("/m/", { onProgress: (count) => loaded.push(count) }).catch((error) => error.code);
          return { code, falls: loaded.filter((count, at) => at > 0 && count < loaded[at - 1]).length };
        }""")
        assert progress == {"code": "http", "falls": 0}
        page.goto(host.origin)  # the visit is over: nothing more is written
        kept = sum(chunks(page).values())
        assert kept >= 4 * CHUNK
        host.partial = part
        host.faults.clear()
        host.asked.clear()
        assert page.evaluate(LOAD) == "whole"
        assert ranges(host) == [f"bytes={kept}-"]


@pytest.mark.parametrize("partial", [part, None], ids=["ranges", "no ranges"])
def test_an_answer_that_ends_early_as_if_that_were_all_is_gone_on_from(
    large: Path, page: Page, partial: Partial | None
) -> None:
    def short(answer: Answer, query: str) -> Answer:
        return Answer(200, answer.body[:1_000_000], answer.headers)

    size = (large / WEIGHTS).stat().st_size
    with WebHost(large, "/m/") as host:
        host.partial = partial
        host.faults[WEIGHTS] = then(short, None)
        page.goto(host.origin)
        assert page.evaluate(LOAD) == "whole"
        assert ranges(host) == [None, "bytes=1000000-"]
        assert host.sent("weights.bin") == size + (0 if partial else 1_000_000)
        host.faults[WEIGHTS] = short  # always: it is no endless tale
        page.goto(host.origin)
        page.evaluate("async () => (await import('/m/classifier.js')).clear('/m/')")
        assert page.evaluate(LOAD) == "altered"


def broken_off(page: Page, host: WebHost) -> dict[str, int]:
    """Have a visit end after a part of the weights; the chunks that are kept."""
    host.faults[WEIGHTS] = then(cut(1_200_000), missing)
    page.goto(host.origin)
    assert page.evaluate(LOAD) == "http"
    host.faults.clear()
    host.asked.clear()
    page.goto(host.origin)
    return chunks(page)


@pytest.mark.parametrize("partial", [part, None], ids=["ranges", "no ranges"])
def test_the_next_visit_has_what_this_one_got(large: Path, page: Page, partial: Partial | None) -> None:
    size = (large / WEIGHTS).stat().st_size
    with WebHost(large, "/m/") as host:
        host.partial = partial
        begun = broken_off(page, host)
        kept = sum(begun.values())
        assert set(begun.values()) == {CHUNK}
        assert kept >= 2 * CHUNK
        assert page.evaluate(LOAD) == "whole"
        assert ranges(host) == [f"bytes={kept}-"]
        assert host.sent("weights.bin") == (size - kept if partial else size)
        assert chunks(page) == {}
        host.asked.clear()
        page.goto(host.origin)
        assert page.evaluate(LOAD) == "whole"
        assert ranges(host) == []


@pytest.mark.parametrize(("ending", "change"), [("part=1", "flipped"), ("part=1", "evicted"), ("part=0", "truncated")])
def test_a_chunk_that_is_not_whole_costs_what_comes_after_it(large: Path, page: Page, ending: str, change: str) -> None:
    size = (large / WEIGHTS).stat().st_size
    with WebHost(large, "/m/") as host:
        broken_off(page, host)
        page.evaluate(
            """async ([ending, change]) => {
              const cache = await caches.open((await caches.keys())[0]);
              const request = (await cache.keys()).find(({ url }) => url.endsWith(ending));
              const response = await cache.match(request);
              const bytes = new Uint8Array(await response.arrayBuffer());
              bytes[9] ^= 1;
              if (change === "evicted") return cache.delete(request);
              const { headers } = response;
              await cache.put(request, new Response(change === "truncated" ? bytes.slice(0, 9) : bytes, { headers }));
            }""",
            [ending, change],
        )
        assert page.evaluate(LOAD) == "whole"
        good = CHUNK * int(ending[-1])
        assert ranges(host) == [f"bytes={good}-" if good else None]
        assert host.sent("weights.bin") == size - good
        assert chunks(page) == {}


def test_from_another_origin_a_download_goes_on_without_asking_for_leave(large: Path, page: Page) -> None:
    """The answer shows this script no Content-Range; the host answers no OPTIONS."""
    with WebHost(large, "/cdn/") as cdn, WebHost(large.parent, "/none/") as host:
        cdn.headers["Access-Control-Allow-Origin"] = "*"
        cdn.faults[WEIGHTS] = then(cut(800_000), None)
        page.goto(host.origin)
        script = "async (folder) => (await import(folder + 'classifier.js')).load(folder).then(() => 'whole', String)"
        assert page.evaluate(script, cdn.url) == "whole"
        assert [wanted is None for wanted in ranges(cdn)] == [True, False]


def test_without_ranges_the_own_page_names_a_plant_too(large: Path, photo: Path, names: list[str], page: Page) -> None:
    with WebHost(large) as host:
        host.partial = None
        host.faults[WEIGHTS] = times(2, cut(800_000))
        page.goto(host.url)
        view(page, "ready")
        assert named(page, photo) == names


def test_a_stream_without_an_end_is_not_read_to_its_end(large: Path, page: Page) -> None:
    size = (large / WEIGHTS).stat().st_size

    def more(answer: Answer, query: str) -> Answer:
        return answer if "again=" in query else Answer(200, answer.body + bytes(60_000_000), answer.headers)

    with WebHost(large, "/m/") as host:
        host.faults[WEIGHTS] = more
        page.goto(host.origin)
        largest = page.evaluate("""async () => {
          const loaded = [];
          await (await import("/m/classifier.js")).load("/m/", { onProgress: (count) => loaded.push(count) });
          return Math.max(...loaded);
        }""")
        assert largest <= size + 4_000_000


@pytest.mark.parametrize("policy", ["no-cache", "no-store"])
def test_an_update_fetches_only_what_changed(
    bundle: Path, photo: Path, page: Page, tmp_path: Path, policy: str
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    with WebHost(folder) as host:
        host.headers["Cache-Control"] = policy
        page.goto(host.url)
        kept_offline(page)
        (folder / "decision.json").write_text((folder / "decision.json").read_text() + "\n")
        write_manifest(folder, version="v2.0")
        host.asked.clear()
        page.goto(host.url)
        page.locator("#reload").click(timeout=60_000)
        page.wait_for_function("() => document.querySelector('#model')?.textContent === 'fixture v2.0'")
        assert host.sent("decision.json") > 0
        for name in ("weights.bin", "classes.json", "engine.js", "tfjs-backend-wasm-simd.wasm"):
            assert host.sent(name) == 0
