"""From the bytes a server sent to an upright, bounded RGB photo: safe decoding, hashes, shrinking, re-encoding.

What a file is, its bytes decide, never its name or the server. The pixel count is read from the header and capped
before anything is decoded.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import simplejpeg  # pyright: ignore[reportMissingTypeStubs]
from PIL import ExifTags, Image, UnidentifiedImageError

from aplantida.domain.pixels import Pixels, resized_size, scaled
from aplantida.domain.record import Reason

VERSION = 3  # of what store_photo makes of a file; another one means that photos are fetched again
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
MIN_SIDE_PIXELS = 32
DECODED_SIDES = 1.5  # a JPEG is decoded at no less than so many times the short side it is stored with
_UPRIGHT, _SIDEWAYS = 1, (5, 6, 7, 8)
_OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\x01\0": "ICO",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
}


class ImageRejected(Exception):
    """Bytes that do not become a stored photo.

    Attributes:
        reason: the row's reason.
        detail: what was found.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


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
    image = _open(data, max_pixels)
    content_type = CONTENT_TYPES[image.format or ""]
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except (OSError, SyntaxError, ValueError, TypeError):
        orientation = _UPRIGHT
    pixels = _turbo(data, least_side) if image.format == "JPEG" and image.mode in ("RGB", "L") else None
    if pixels is None:
        pixels = _pillow(image)
    turned = _upright(pixels, orientation)
    width, height = image.size
    swapped = orientation in _SIDEWAYS
    return turned, (height, width) if swapped else (width, height), content_type, turned is not pixels


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
    return np.packbits(low > np.median(low)).tobytes().hex()


@cache
def _cosines() -> npt.NDArray[np.float64]:
    k, n = np.meshgrid(np.arange(8), np.arange(32), indexing="ij")
    return 2.0 * np.cos(np.pi * k * (2 * n + 1) / 64.0)


def sniff(data: bytes) -> str | None:
    """The content type the first bytes announce: one of the accepted ones, or None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def explain_not_accepted(data: bytes) -> ImageRejected:
    """Why bytes that :func:`sniff` does not know are refused: another image format, or no image."""
    for magic, name in _OTHER_FORMATS.items():
        if data.startswith(magic):
            return ImageRejected(Reason.UNSUPPORTED_FORMAT, f"{name}: want JPEG, PNG or WebP")
    if data[4:8] == b"ftyp":
        return ImageRejected(Reason.UNSUPPORTED_FORMAT, f"{data[8:12]!r}: want JPEG, PNG or WebP")
    return ImageRejected(Reason.NOT_AN_IMAGE, f"begins with {data[:16]!r}")


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if sniff(data) is None:
        raise explain_not_accepted(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=list(CONTENT_TYPES))
    except Image.DecompressionBombError as error:
        raise ImageRejected(Reason.DECOMPRESSION_BOMB, str(error)) from None
    except UnidentifiedImageError:
        raise ImageRejected(Reason.TRUNCATED, f"a header of {len(data)} bytes that cannot be read") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageRejected(Reason.TRUNCATED, str(error)) from None
    width, height = image.size
    if width * height > max_pixels:
        raise ImageRejected(Reason.DECOMPRESSION_BOMB, f"{width} x {height} pixels, at most {max_pixels} are decoded")
    if min(width, height) < MIN_SIDE_PIXELS:
        raise ImageRejected(Reason.TOO_SMALL, f"{width} x {height} pixels, want at least {MIN_SIDE_PIXELS} a side")
    return image


def _turbo(data: bytes, least_side: int) -> Pixels | None:
    """libjpeg-turbo's pixels, or None when it has any complaint (Pillow then decides what is wrong)."""
    try:
        return cast(
            "Pixels",
            # 5/8 to 7/8 of the size take libjpeg-turbo as long as the whole
            simplejpeg.decode_jpeg(data, "RGB", min_height=least_side, min_width=least_side, min_factor=2),
        )
    except ValueError:
        return None


def _pillow(image: Image.Image) -> Pixels:
    try:
        image.load()
        if image.mode.startswith("I"):  # 16 bits a channel
            wide = np.asarray(image).astype(np.int64)
            image = Image.fromarray(np.clip(wide >> 8, 0, 255).astype(np.uint8))
        if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
            image = _over_white(image)
        return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        raise ImageRejected(Reason.TRUNCATED, str(error)) from None


def _over_white(image: Image.Image) -> Image.Image:
    layered = image.convert("RGBA")
    page = Image.new("RGBA", layered.size, (255, 255, 255, 255))
    return Image.alpha_composite(page, layered)


def _upright(pixels: Pixels, orientation: Any) -> Pixels:
    """Apply an EXIF orientation (1 to 8; anything else counts as 1)."""
    if orientation == 2:
        return pixels[:, ::-1]
    if orientation == 3:
        return pixels[::-1, ::-1]
    if orientation == 4:
        return pixels[::-1]
    if orientation == 5:
        return pixels.transpose(1, 0, 2)
    if orientation == 6:
        return pixels.transpose(1, 0, 2)[:, ::-1]
    if orientation == 7:
        return pixels.transpose(1, 0, 2)[::-1, ::-1]
    if orientation == 8:
        return pixels.transpose(1, 0, 2)[::-1]
    return pixels
