"""The page in a real Chromium: names a plant, then does so again with the server gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from aplantida.export.http_server import FolderServer
from aplantida.predict import predict
from tests.fixtures.bundle import write_bundle, write_manifest
from tests.fixtures.pages import comes_to, held
from tests.fixtures.photos import write_photos
from tests.fixtures.web_host import new_port

SECONDS = 60_000


@contextmanager
def served(bundle: Path, port: int = 0) -> Iterator[str]:
    """The bundle behind ``python -m aplantida.serve``: a process, so that its end ends every connection."""
    command = [sys.executable, "-u", "-m", "aplantida.serve", "--bundle", str(bundle), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        finally:
            process.kill()


def answer_for(page: Page, photo: Path) -> list[str]:
    page.set_input_files("#photo", str(photo))
    expect(page.locator("html")).to_have_attribute("data-view", "result", timeout=SECONDS)
    return page.locator("#bars li").all_inner_texts()


def english_of(item: dict[str, Any]) -> str:
    """The name behind its tag."""
    return next(name.removeprefix("en:") for name in item["common_names"] if name.startswith("en:"))


def ready(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("data-view", "ready", timeout=SECONDS)


def test_the_page_classifies_and_then_does_so_without_its_server(bundle: Path, tmp_path: Path, page: Page) -> None:
    photo, other = write_photos(tmp_path, 2)
    requests: list[str] = []
    problems: list[str] = []
    page.context.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    with served(bundle) as url:
        page.goto(url)
        ready(page)
        first = answer_for(page, photo)
        expect(page.locator("html")).to_have_attribute("data-offline", "ready", timeout=SECONDS)
        expect(page.locator("#offline")).to_be_visible()
        assert problems == []  # nothing that the content security policy refused, above all
    assert requests
    assert all(address.startswith((url, "blob:")) for address in requests)

    page.reload()
    ready(page)
    assert answer_for(page, photo) == first
    assert answer_for(page, other) != first
    expected = next(predict(bundle, [str(photo)]))["top"]
    assert len(first) == 5
    for line, item in zip(first, expected, strict=True):
        assert item["scientific_name"] in line
        assert english_of(item) in line
        assert "en:" not in line
        assert "es:" not in line


def kept_credits(page: Page) -> list[str]:
    """Names of the credit files in the page's cache."""
    return sorted(name.lstrip("/") for name in held(page) if name.startswith("/credits/"))


def test_the_authors_of_what_is_named_are_credited_without_the_server_too(
    bundle: Path, tmp_path: Path, page: Page
) -> None:
    photo, other = write_photos(tmp_path, 2)
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: asked.append(request.url))
    credits = page.locator("#credits")
    with served(bundle) as url:
        page.goto(url)
        ready(page)
        expect(credits).to_be_hidden()
        answer_for(page, photo)
        assert not [address for address in asked if "/credits/" in address]  # nothing before a visitor asks
        credits.locator("summary").click()
        named = next(predict(bundle, [str(photo)]))["top"]
        expect(credits.locator("h3")).to_have_text([item["scientific_name"] for item in named], timeout=SECONDS)
        for number, item in enumerate(named):
            lines = credits.locator("ul").nth(number).locator("li")
            friend = f"Friend of <b>{item['scientific_name']}</b> (3): CC-BY-4.0, Herbarium"
            expect(lines).to_have_text([friend, "author not given: CC0-1.0, photos.example"])
        license_link = credits.locator("a").first
        assert license_link.get_attribute("href") == "https://creativecommons.org/licenses/by/4.0/"
        expect(credits).to_contain_text("attributions.csv of the model's license report (license_report 0123456789ab)")
        expect(page.locator("html")).to_have_attribute("data-offline", "ready", timeout=SECONDS)
        files = sorted(path.relative_to(bundle).as_posix() for path in (bundle / "credits").iterdir())
        assert len(files) == 3
        page.wait_for_function("() => navigator.serviceWorker.ready")
        comes_to(page, lambda: kept_credits(page), files)
        assert problems == []

    page.reload()
    ready(page)
    answer_for(page, other)
    credits.locator("summary").click()
    named = next(predict(bundle, [str(other)]))["top"]
    expect(credits.locator("h3")).to_have_text([item["scientific_name"] for item in named], timeout=SECONDS)
    expect(credits.locator("li").first).to_contain_text(f"Friend of <b>{named[0]['scientific_name']}</b> (3)")
    page.locator("#language").click()
    expect(credits.locator("summary")).to_have_text("De quién son las fotos con las que aprendí estas plantas")
    expect(credits.locator("li").nth(1)).to_contain_text("autor no indicado")
    answer_for(page, photo)
    named = next(predict(bundle, [str(photo)]))["top"]
    expect(credits.locator("h3")).to_have_text([item["scientific_name"] for item in named], timeout=SECONDS)


def test_altered_credits_are_not_shown_and_the_answer_stays(tmp_path: Path, page: Page) -> None:
    folder = write_bundle(tmp_path / "bundle", threshold=0.0)
    for path in (folder / "credits").glob("*.bin"):
        path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    (photo,) = write_photos(tmp_path / "photos", 1)
    with FolderServer(folder, new_port()) as server:
        page.goto(server.url)
        ready(page)
        answer_for(page, photo)
        page.locator("#credits summary").click()
        expect(page.locator("#credits p").first).to_contain_text("cannot be read", timeout=SECONDS)
        expect(page.locator("#winner")).to_be_visible()


def test_a_newer_bundle_is_fetched_and_taken_over_when_asked(tmp_path: Path, page: Page) -> None:
    folder = write_bundle(tmp_path / "bundle")
    with FolderServer(folder, new_port()) as server:
        page.goto(server.url)
        expect(page.locator("html")).to_have_attribute("data-offline", "ready", timeout=SECONDS)
        write_manifest(folder, version="v2.0")
        page.reload()
        expect(page.locator("#model")).to_have_text("fixture v1.0", timeout=SECONDS)
        page.locator("#reload").click(timeout=SECONDS)
        expect(page.locator("#model")).to_have_text("fixture v2.0", timeout=SECONDS)
        kept = page.evaluate("caches.keys()")
    assert len(kept) == 1  # the older one is gone


def test_an_unreadable_file_is_said_and_the_next_photo_works(bundle: Path, tmp_path: Path, page: Page) -> None:
    bad = tmp_path / "page.jpg"
    bad.write_text("<html>")
    (photo,) = write_photos(tmp_path, 1)
    page.add_init_script("Object.defineProperty(navigator, 'language', { value: 'es-ES' })")
    with FolderServer(bundle, new_port()) as server:
        page.goto(server.url)
        ready(page)
        assert page.locator("html").get_attribute("lang") == "es"
        expect(page.locator("h1")).to_have_text("¿Qué planta es?")
        page.set_input_files("#photo", str(bad))
        expect(page.locator("#problem")).to_contain_text("No puedo leer", timeout=SECONDS)
        spanish = answer_for(page, photo)
        page.locator("#language").click()
        expect(page.locator("h1")).to_have_text("What plant is this?")
        english = page.locator("#bars li").all_inner_texts()
        top = next(predict(bundle, [str(photo)]))["top"]
        for before, after, item in zip(spanish, english, top, strict=True):
            assert english_of(item) in after
            assert english_of(item) not in before
            assert item["common_names"][0].removeprefix("es:") in before


def test_an_example_photo_can_be_tried(bundle: Path, page: Page) -> None:
    with FolderServer(bundle, new_port()) as server:
        page.goto(server.url)
        ready(page)
        examples = page.locator("#example-photos button")
        expect(examples).to_have_count(4, timeout=SECONDS)
        assert examples.first.get_attribute("title") == "Nobody, CC0-1.0"
        examples.first.click()
        expect(page.locator("html")).to_have_attribute("data-view", "result", timeout=SECONDS)
        expect(page.locator("#preview")).to_be_visible()


def test_an_unlikely_answer_is_called_unsure(tmp_path: Path, page: Page) -> None:
    folder = write_bundle(tmp_path / "bundle", threshold=1.1)
    (photo,) = write_photos(tmp_path / "photos", 1)
    with FolderServer(folder, new_port()) as server:
        page.goto(server.url)
        ready(page)
        answer_for(page, photo)
        expect(page.locator("#verdict")).to_have_text("I am not sure")
        expect(page.locator("#winner")).to_be_hidden()


def test_an_altered_model_is_refused_and_named(tmp_path: Path, page: Page) -> None:
    folder = write_bundle(tmp_path / "bundle")
    weights = folder / "model" / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    with FolderServer(folder, new_port()) as server:
        page.goto(server.url)
        expect(page.locator("#problem")).to_contain_text("model/weights.bin was altered", timeout=SECONDS)
        expect(page.locator("#photo")).to_be_disabled()
