"""From the bytes a server sent to an upright, bounded RGB photo: safe decoding, hashes, shrinking, re-encoding.

What a file is, its bytes decide, never its name or the server. The pixel count is read from the header and capped
before anything is decoded. What a browser shows whole is stored as it shows it, in sRGB and over white; an exception
of whatever kind is a refusal of that one photo.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt
import simplejpeg  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image

from aplantida.data import jpeg, png, webp
from aplantida.data.colour import to_srgb
from aplantida.data.image_formats import ImageRejected, explain_not_accepted, sniff
from aplantida.data.orientation import SIDEWAYS, UPRIGHT, upright
from aplantida.domain.pixels import Pixels, resized_size, scaled
from aplantida.domain.record import Reason

VERSION = 4  # of what store_photo makes of a file; another one means that photos are fetched again
MIN_SIDE_PIXELS = 32
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # max_pixels is the bound
DECODED_SIDES = 1.5  # a JPEG is decoded at no less than so many times the short side it is stored with


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo as it is stored; the fields are columns of ``IMAGE_SCHEMA``."""

    image: bytes
    width: int
    height: int
    original_width: int
    original_height: int
    exif_rotated: bool
    content_type: str
    source_bytes: int
    source_sha256: str
    pixel_sha256: str
    perceptual_hash: str


def store_photo(data: bytes, *, short_side_pixels: int, jpeg_quality: int, max_pixels: int) -> StoredPhoto:
    """Decode, turn upright, shrink and re-encode one file; equal bytes give an equal result.

    Args:
        data: the file.
        short_side_pixels: the stored photo's short side; smaller photos are never enlarged.
        jpeg_quality: 1 to 100.
        max_pixels: most pixels (width x height) that are decoded.

    Raises:
        ImageRejected: when the bytes are no acceptable photo.
    """
    least_side = round(DECODED_SIDES * short_side_pixels)
    pixels, (width, height), content_type, rotated = decode_upright(data, max_pixels, least_side)
    small = shrink(pixels, short_side_pixels)
    return StoredPhoto(
        image=simplejpeg.encode_jpeg(small, quality=jpeg_quality, colorspace="RGB", colorsubsampling="420"),
        width=small.shape[1],
        height=small.shape[0],
        original_width=width,
        original_height=height,
        exif_rotated=rotated,
        content_type=content_type,
        source_bytes=len(data),
        source_sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=pixel_digest(small),
        perceptual_hash=perceptual_hash(small),
    )


def decode_upright(data: bytes, max_pixels: int, least_side: int = 0) -> tuple[Pixels, tuple[int, int], str, bool]:
    """Pixels after EXIF rotation, the photo's upright size, the content type by the bytes, and whether EXIF turned it.

    Args:
        data: the file.
        max_pixels: most pixels that are decoded.
        least_side: a JPEG may be decoded at a fraction of its size (1/2 to 1/8) whose sides have so many pixels;
            0 = whole.

    Returns:
        (H, W, 3) uint8 RGB, (width, height) of the whole photo, e.g. ``image/jpeg``, and whether it was turned.

    Raises:
        ImageRejected: empty, not an image, another format, too many pixels, too small, or truncated.
    """
    if not data:
        raise ImageRejected(Reason.EMPTY, "0 bytes")
    content_type = sniff(data)
    if content_type is None:
        raise explain_not_accepted(data)
    try:
        pixels, (width, height), orientation = _READERS[content_type](data, max_pixels, least_side)
    except ImageRejected:
        raise
    except Image.DecompressionBombError as error:
        raise ImageRejected(Reason.DECOMPRESSION_BOMB, str(error)) from None
    except Exception as error:  # whatever a file brings about in a decoder is that file's fault
        raise ImageRejected(Reason.TRUNCATED, f"{type(error).__name__} while decoding: {error}") from error
    size = (height, width) if orientation in SIDEWAYS else (width, height)
    return upright(pixels, orientation), size, content_type, orientation != UPRIGHT


def _jpeg(data: bytes, max_pixels: int, least_side: int) -> tuple[Pixels, tuple[int, int], int]:
    header = jpeg.read_header(data)
    _bounded(header.width, header.height, max_pixels)
    pixels = to_srgb(jpeg.decode(data, header, least_side), header.profile, header.components == 1)
    return pixels, (header.width, header.height), header.orientation


def _png(data: bytes, max_pixels: int, _: int) -> tuple[Pixels, tuple[int, int], int]:
    header = png.read_header(data)
    _bounded(header.width, header.height, max_pixels)
    pixels = _over_white(png.decode(data, header), header.profile, header.gray)
    return pixels, (header.width, header.height), header.orientation


def _webp(data: bytes, max_pixels: int, _: int) -> tuple[Pixels, tuple[int, int], int]:
    width, height = webp.read_size(data)
    _bounded(width, height, max_pixels)
    return _over_white(*webp.decode(data)), (width, height), UPRIGHT  # Chromium turns no WebP


_READERS = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp}


def _bounded(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageRejected(Reason.DECOMPRESSION_BOMB, f"{width} x {height} pixels, at most {max_pixels} are decoded")
    if min(width, height) < MIN_SIDE_PIXELS:
        raise ImageRejected(Reason.TOO_SMALL, f"{width} x {height} pixels, want at least {MIN_SIDE_PIXELS} a side")


def _over_white(pixels: Pixels, profile: bytes | None, gray: bool = False) -> Pixels:
    """(H, W, 3) sRGB of RGB or RGBA."""
    colours = to_srgb(pixels[..., :3], profile, gray)
    if pixels.shape[2] == 3:
        return colours
    layered = Image.fromarray(np.dstack([colours, pixels[..., 3]]))
    page = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(page, layered).convert("RGB"))


def shrink(pixels: Pixels, short_side_pixels: int) -> Pixels:
    """Scale the short side down to ``short_side_pixels`` (antialiased); a smaller photo stays as it is."""
    height, width = pixels.shape[:2]
    if min(height, width) <= short_side_pixels:
        return np.ascontiguousarray(pixels)
    return scaled(pixels, *resized_size(width, height, short_side_pixels), "bicubic")


def thumbnail(jpeg: bytes, short_side_pixels: int) -> bytes:
    """A small JPEG of a stored photo, for a contact sheet."""
    pixels = cast("Pixels", simplejpeg.decode_jpeg(jpeg, colorspace="RGB"))
    return simplejpeg.encode_jpeg(
        shrink(pixels, short_side_pixels), quality=80, colorspace="RGB", colorsubsampling="420"
    )


def pixel_digest(pixels: Pixels) -> str:
    """sha256 over size and pixels: equal for equal pictures, whatever file they came in."""
    digest = hashlib.sha256(f"{pixels.shape[1]}x{pixels.shape[0]}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def perceptual_hash(pixels: Pixels) -> str:
    """The 64-bit pHash (DCT of the 32 x 32 gray picture, the 8 x 8 lowest frequencies against their median), in hex.

    As described by N. Krawetz, "Looks Like It" (2011), and computed like the package imagehash does, but for Pillow's
    ``reducing_gap``, which takes half the time and changes a bit or two of some photos' hashes.
    """
    photo = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    gray = photo.resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=2.0)
    transform = _cosines()
    low = (transform @ np.asarray(gray, dtype=np.float64) @ transform.T).round(6)
    ordered = np.sort(low, axis=None)  # np.median takes ten times as long
    return np.packbits(low > (ordered[31] + ordered[32]) / 2).tobytes().hex()


@cache
def _cosines() -> npt.NDArray[np.float64]:
    k, n = np.meshgrid(np.arange(8), np.arange(32), indexing="ij")
    return 2.0 * np.cos(np.pi * k * (2 * n + 1) / 64.0)
