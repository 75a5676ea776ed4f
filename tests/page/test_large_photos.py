"""A file of a few bytes may state more pixels than a phone has memory: its header is read before it is decoded."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.fixtures.photos import draw
from tests.fixtures.web_host import WebHost

SIDE = 14_142  # squared: 200 million
# codes, and how often the browser was asked to decode
ASK = """async ([names, worker]) => {
  let decoded = 0;
  const before = globalThis.createImageBitmap;
  globalThis.createImageBitmap = (...given) => { decoded += 1; return before(...given); };
  const { load } = await import("/m/classifier.js");
  const classifier = await load("/m/", { worker });
  const found = {};
  for (const name of names) {
    const blob = await (await fetch("/files/" + name)).blob();
    decoded = 0;
    const code = await classifier.classify(blob).then(() => "named", (error) => error.code);
    found[name] = [code, decoded];
  }
  classifier.dispose();
  return found;
}"""


def saved(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw(60, 40, 1)).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(width: int, height: int, between: bytes = b"", **options: Any) -> bytes:
    """A JPEG that states this size, ``between`` its first marker and what follows."""
    data = saved("JPEG", **options)
    frame = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    data = data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]
    return data[:2] + between + data[2:]


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def png(width: int, height: int, **options: Any) -> bytes:
    data = saved("PNG", **options)
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def webp(width: int, height: int) -> bytes:
    data = saved("WEBP", quality=80)
    assert data[12:16] == b"VP8 "
    return data[:26] + struct.pack("<HH", width, height) + data[30:]


def lossless(width: int, height: int) -> bytes:
    data = saved("WEBP", lossless=True)
    assert data[12:16] == b"VP8L"
    bits = int.from_bytes(data[21:25], "little") & ~0xFFFFFFF | width - 1 | height - 1 << 14
    return data[:21] + bits.to_bytes(4, "little") + data[25:]


def extended(width: int, height: int) -> bytes:
    data = saved("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    assert data[12:16] == b"VP8X"
    return data[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + data[30:]


# a frame of another size in a thumbnail, a comment that looks like one, and metadata of 1.2 MB
THUMBNAIL = segment(0xE1, b"Exif\0\0" + saved("JPEG"))
LONG = b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes(60_000)) for _ in range(20))
FILLED = b"\xff\xff\xff" + segment(0xFE, b"\xff\xc0\0\x11\x08\0\x40\0\x40")
TOO_LARGE = {
    "baseline.jpg": jpeg(SIDE, SIDE),
    "progressive.jpg": jpeg(SIDE, SIDE, progressive=True),
    "thumbnail.jpg": jpeg(SIDE, SIDE, THUMBNAIL),
    "long.jpg": jpeg(SIDE, SIDE, THUMBNAIL + LONG),
    "filled.jpg": jpeg(SIDE, SIDE, FILLED),
    "wide.jpg": jpeg(65_000, 1_600),
    "plain.png": png(SIDE, SIDE),
    "wide.png": png(4_000_000_000, 4_000_000_000),
    "lossy.webp": webp(SIDE, SIDE),
    "lossless.webp": lossless(SIDE, SIDE),
    "extended.webp": extended(SIDE, SIDE),
    "most.webp": extended(1 << 24, 1 << 24),
}
# as many as may be: the browser is asked, and finds out that nothing of the kind follows
DECODED = {"most.jpg": jpeg(10_000, 10_000), "none.jpg": jpeg(0, 0), "most.png": png(10_000, 10_000)}
SMALL = {
    "small.jpg": jpeg(31, 4000),
    "small.png": png(4000, 31),
    "small.webp": webp(31, 4000),
    "lossless-small.webp": lossless(4000, 31),
}
SOUND = {
    "sound.jpg": jpeg(60, 40, THUMBNAIL + LONG + FILLED),
    "sound.png": png(60, 40),
    "sound.webp": webp(60, 40),
    "sound-lossless.webp": lossless(60, 40),
    "sound-extended.webp": extended(60, 40),
}


@pytest.fixture
def host(bundle: Path, tmp_path: Path) -> Iterator[WebHost]:
    for name, content in (TOO_LARGE | DECODED | SMALL | SOUND).items():
        (tmp_path / name).write_bytes(content)
    with WebHost(bundle, "/m/") as host:
        host.roots["/files/"] = tmp_path
        yield host


def test_a_header_is_believed_before_anything_is_decoded(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    wanted = (
        dict.fromkeys(TOO_LARGE, ("too_large", 0))
        | dict.fromkeys(SMALL, ("too_small", 0))
        | dict.fromkeys(SOUND, ("named", 1))
    )
    found = page.evaluate(ASK, [list(wanted), False])
    assert {name: tuple(said) for name, said in found.items()} == wanted
    in_worker = page.evaluate(ASK, [list(wanted), True])
    assert {name: code for name, (code, _) in in_worker.items()} == {name: code for name, (code, _) in wanted.items()}


def test_what_no_header_says_the_decoder_finds_out(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate(ASK, [list(DECODED), False])
    assert {decoded for _, decoded in found.values()} == {1}
    assert "too_large" not in {code for code, _ in found.values()}
    assert found["none.jpg"][0] == "unreadable"
