"""A real Chromium beside the decoder: what it shows whole is what is taken, in the same colours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from aplantida.data.images import ImageRejected, decode_upright
from tests.fixtures import image_files as files
from tests.fixtures import odd_photos as odd
from tests.fixtures.damage import WAYS, damaged
from tests.fixtures.photos import draw
from tests.fixtures.shown import Shown, Viewer, viewer

MOST, MEAN = 2, 0.6  # 8-bit steps: rounding of colours and of transparency
TOO_SMALL = {"one-pixel", "one-pixel-jpeg", "flat-jpeg", "flat-png"}
REFUSED = {"png-cicp-pq", "png-cicp-hlg"}  # high dynamic range, which a browser fits to the screen
COMPLAINTS = (
    "Corrupt JPEG data",
    "Inconsistent progression",
    "Premature end",
    "Invalid SOS",
    "ends before the pixels",
    "scans of",
)
PICTURE = Image.fromarray(draw(160, 120, 5))
JPEGS = {
    "plain": files.encoded(PICTURE, "JPEG", quality=90),
    "progressive": files.encoded(PICTURE, "JPEG", quality=90, progressive=True),
    "restarted": files.encoded(PICTURE, "JPEG", quality=90, restart_marker_blocks=4),
}
OTHERS = {
    "png": files.encoded(PICTURE, "PNG"),
    "palette": files.encoded(PICTURE.quantize(50), "PNG"),
    "interlaced": odd.interlaced_png(np.asarray(PICTURE)),
    "animated": files.encoded(PICTURE, "PNG", save_all=True, append_images=[Image.fromarray(draw(160, 120, 6))]),
    "webp": files.encoded(PICTURE, "WEBP", quality=85),
    "lossless": files.encoded(PICTURE, "WEBP", lossless=True),
    "clear": files.encoded(odd.clear_picture(PICTURE), "WEBP", quality=80),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Viewer]:
    with viewer() as opened:
        yield opened


def taken(data: bytes) -> tuple[np.ndarray | None, str]:
    """Pixels, or None and why not."""
    try:
        return decode_upright(data, 10**7)[0], ""
    except ImageRejected as rejected:
        return None, rejected.detail


def differ(pixels: np.ndarray, shown: Shown) -> str:
    """How the two differ by more than rounding."""
    if pixels.shape[:2] != shown.pixels.shape[:2]:
        return f"{pixels.shape[:2]} here, {shown.pixels.shape[:2]} in Chromium"
    steps = np.abs(pixels - shown.over_white)
    return (
        "" if steps.max() <= MOST and steps.mean() <= MEAN else f"{steps.mean():.2f} steps, at most {steps.max():.0f}"
    )


@pytest.mark.parametrize("kind", ["turned", "coloured", "inked", "shaped"])
def test_odd_photos_look_as_they_do_in_chromium(browser: Viewer, kind: str) -> None:
    photos = getattr(odd, f"{kind}_photos")()
    found = {}
    for name, data in photos.items():
        shown, (pixels, detail) = browser.show(data), taken(data)
        assert shown.whole, name
        found[name] = differ(pixels, shown) if pixels is not None else detail
    assert {name for name, problem in found.items() if problem} == (TOO_SMALL | REFUSED) & set(photos), found


@pytest.mark.parametrize("kind", OTHERS)
def test_damaged_png_and_webp_are_taken_when_chromium_shows_them_whole(browser: Viewer, kind: str) -> None:
    random, counts = np.random.default_rng(len(kind)), [0, 0]
    for number in range(44):
        data = damaged(OTHERS[kind], random, WAYS[number % len(WAYS)])
        shown, (pixels, detail) = browser.show(data), taken(data)
        if pixels is not None:
            lacks_only_its_end = kind != "webp" and shown.loaded and not shown.missing
            assert shown.whole or lacks_only_its_end, (number, WAYS[number % len(WAYS)])
            assert not differ(pixels, shown), (number, WAYS[number % len(WAYS)])
        else:
            assert not shown.whole, (number, WAYS[number % len(WAYS)], detail)
        counts[pixels is not None] += 1
    assert counts[False] >= 10


@pytest.mark.parametrize("kind", JPEGS)
def test_damaged_jpegs_are_taken_when_chromium_shows_them_and_libjpeg_complains_of_nothing(
    browser: Viewer, kind: str
) -> None:
    random, counts = np.random.default_rng(len(kind)), [0, 0]
    for number in range(66):
        data = damaged(JPEGS[kind], random, WAYS[number % len(WAYS)])
        shown, (pixels, detail) = browser.show(data), taken(data)
        if pixels is not None:
            assert shown.whole, (number, WAYS[number % len(WAYS)])
            assert not differ(pixels, shown), (number, WAYS[number % len(WAYS)])
        elif shown.whole:  # Chromium hears no complaint of libjpeg-turbo
            assert any(words in detail for words in COMPLAINTS), (number, WAYS[number % len(WAYS)], detail)
        counts[pixels is not None] += 1
    assert min(counts) >= 10


def test_a_jpeg_without_its_end_is_taken_though_chromium_waits_for_it(browser: Viewer) -> None:
    open_ended = JPEGS["plain"][:-2]
    shown, (pixels, _) = browser.show(open_ended), taken(open_ended)
    assert shown.missing  # its last rows, which wait for two bytes more
    assert pixels is not None
    assert not differ(pixels, browser.show(JPEGS["plain"]))
