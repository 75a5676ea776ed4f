"""What a file is, as its first bytes say, and the refusal of what does not become a photo."""

from __future__ import annotations

import re

from PIL import UnidentifiedImageError

from aplantida.domain.record import Reason

_OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "BigTIFF",
    b"MM\0+": "BigTIFF",
    b"\0\0\x01\0": "ICO",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
}
_SVG_WITHIN_BYTES = 1 << 16  # where an SVG's root element is looked for
_SVG = re.compile(  # behind declarations and comments
    rb"(?>\s+|<\?.*?\?>|<!--.*?-->|<!doctype\s+svg[^>\[]*(?:\[.*?\]\s*)?>)*+<(?:[a-z]+:)?svg[\s/>]",
    re.DOTALL | re.IGNORECASE,
)


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


def damaged(error: Exception) -> ImageRejected:
    """The refusal of what Pillow could not read, in words that are the same each time."""
    if isinstance(error, UnidentifiedImageError):  # it names an object's address
        return ImageRejected(Reason.TRUNCATED, "a header that cannot be read")
    return ImageRejected(Reason.TRUNCATED, str(error))


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
    if data[4:8] == b"ftyp":  # AVIF, HEIC and films
        return ImageRejected(Reason.UNSUPPORTED_FORMAT, f"{data[8:12]!r}: want JPEG, PNG or WebP")
    if _is_svg(data):
        return ImageRejected(Reason.UNSUPPORTED_FORMAT, "SVG: want JPEG, PNG or WebP")
    return ImageRejected(Reason.NOT_AN_IMAGE, f"begins with {data[:16]!r}")


def _is_svg(data: bytes) -> bool:
    text = data[:_SVG_WITHIN_BYTES].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")  # UTF-16 too
    return _SVG.match(text) is not None
