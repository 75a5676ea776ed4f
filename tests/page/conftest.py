from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from aplantida.export.browser import chromium
from aplantida.predict import predict
from tests.fixtures.bundle import write_bundle, write_manifest
from tests.fixtures.pages import SECONDS
from tests.fixtures.photos import write_photos
from tests.fixtures.ruled_bundle import RuledBundle, ruled_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that nobody may change, whose answers are always named."""
    return write_bundle(tmp_path_factory.mktemp("page") / "bundle", threshold=0.0)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photo"), 1)[0]


@pytest.fixture(scope="session")
def names(bundle: Path, photo: Path) -> list[str]:
    """What ``photo`` shows, by Python."""
    return [item["scientific_name"] for item in next(predict(bundle, [str(photo)]))["top"]]


@pytest.fixture(scope="session")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> RuledBundle:
    """Every rule decides for some of its photos; nobody may change it."""
    return ruled_bundle(tmp_path_factory.mktemp("ruled"))


@pytest.fixture
def large(bundle: Path, tmp_path: Path) -> Path:
    """The same bundle with two megabytes of weights, most of which nobody uses."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    weights = folder / "model" / "weights.bin"
    weights.write_bytes(weights.read_bytes() + np.random.default_rng(1).bytes(2_000_000))
    write_manifest(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """One Chromium; every test's host has its own port, so its own origin and storage."""
    expect.set_options(timeout=SECONDS)  # a machine that does much else is no fault of the page
    with chromium(locale="en-US") as context:
        context.set_default_timeout(SECONDS)
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()
