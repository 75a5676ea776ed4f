"""One way to read an answer, for the audit's probe and for the fetch: what it means, and the bytes it carries."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp

from aplantida.data.images import explain_not_accepted, sniff
from aplantida.domain.record import Reason

HEAD_BYTES = 512
REDIRECTS = (301, 302, 303, 307, 308)
PAUSING = 429  # too many requests: the host wants a pause
NO_SUCH_RANGE = 416
_MISSING = (404, 410)
_FORBIDDEN = (401, 402, 403, 407, 451)
_RETRIED = (408, 425, PAUSING, 500, 502, 503, 504)
_CHUNK = 1 << 16
_SUM_BYTES = 8
_LONGEST_VALIDATOR = 1024  # most servers read heads of 8 KiB
_PACKED = ("gzip", "x-gzip", "deflate")
_NOT_UNPACKED = ("br", "zstd")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one URL: the bytes, or a reason and a detail, or that nothing has changed since.

    ``etag`` and ``last_modified`` are what the server said to ask with the next time.
    """

    body: bytes = b""
    reason: Reason | None = None
    detail: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    not_modified: bool = False


class FetchFailure(Exception):
    """One attempt failed.

    Attributes:
        fetched: the outcome, if there is no other attempt.
        retry_after_seconds: None when another attempt is pointless.
        status: the answer's, 0 where there was none.
    """

    def __init__(self, reason: Reason, detail: str, retry_after_seconds: float | None = None, status: int = 0) -> None:
        super().__init__(detail)
        self.fetched = Fetched(reason=reason, detail=valid_text(detail))
        self.retry_after_seconds = retry_after_seconds
        self.status = status


async def read_answer(
    response: aiohttp.ClientResponse, *, max_bytes: int, head_only: bool, conditional: bool, moved: Callable[[], None]
) -> Fetched:
    """Read an answer to its end, or until its first bytes say enough.

    Args:
        response: whose head is there.
        max_bytes: of the file, unpacked.
        head_only: look whether the first ``HEAD_BYTES`` are a photo's; the result has no body.
        conditional: whether a version was asked about, so that 304 is an answer.
        moved: called for every piece that comes.

    Raises:
        FetchFailure: when it is no file.
        aiohttp.ClientError, TimeoutError, OSError: when the connection fails.
    """
    status = response.status
    if status == 304 and conditional:
        return Fetched(not_modified=True)
    if status in _MISSING:
        raise FetchFailure(Reason.MISSING, f"status {status}", status=status)
    if status in _FORBIDDEN:
        raise FetchFailure(Reason.FORBIDDEN, f"status {status}", status=status)
    if status in _RETRIED:
        raise FetchFailure(Reason.HTTP_ERROR, f"status {status}", _retry_after(response), status)
    if status not in range(200, 300):
        raise FetchFailure(Reason.HTTP_ERROR, f"status {status}", status=status)
    robots = ",".join(response.headers.getall("X-Robots-Tag", [])).lower()
    if any(word.strip() in ("noai", "noimageai") for word in re.split("[,;]", robots)):
        raise FetchFailure(Reason.OPTED_OUT, f"X-Robots-Tag: {robots}", status=status)
    if head_only:
        return _judged(await _body(response, max_bytes, HEAD_BYTES, moved))
    return Fetched(
        body=await _body(response, max_bytes, None, moved),
        etag=_sendable(response.headers.get("ETag")),
        last_modified=_sendable(response.headers.get("Last-Modified")),
    )


def valid_text(text: str) -> str:
    """``text`` without the lone surrogates that stand for bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if not text.isascii() else text


def _sendable(value: str | None) -> str | None:
    """A validator as it came; None where it could not be sent back as it came, or is too long for a request."""
    try:
        return None if value is None or not 0 < len(value.encode()) <= _LONGEST_VALIDATOR else value
    except UnicodeEncodeError:
        return None


def _judged(begin: bytes) -> Fetched:
    if not begin:
        return Fetched(reason=Reason.EMPTY, detail="0 bytes")
    if sniff(begin) is None:
        why = explain_not_accepted(begin)
        return Fetched(reason=why.reason, detail=why.detail)
    return Fetched()


async def _body(response: aiohttp.ClientResponse, most: int, enough: int | None, moved: Callable[[], None]) -> bytes:
    announced = response.content_length
    if enough is None and announced is not None and announced > most:
        response.close()
        raise FetchFailure(Reason.TOO_LARGE, f"{announced} bytes announced, at most {most} are read")
    unpack, body = _unpacker(response.headers.getall("Content-Encoding", [])), bytearray()
    try:
        async for chunk in response.content.iter_chunked(_CHUNK if enough is None else enough):
            moved()
            body += unpack.decompress(chunk, most + 1 - len(body))
            if len(body) > most:
                response.close()
                raise FetchFailure(Reason.TOO_LARGE, f"more than {most} bytes")
            if enough is not None and len(body) >= enough:
                response.close()  # whatever else a server without ranges would send
                break
        body += unpack.finish()
    except aiohttp.ClientPayloadError:
        body += unpack.finish()
        if not (unpack.eof and len(body) == announced):  # some announce the length of what they pack
            raise
    except zlib.error as error:
        raise FetchFailure(Reason.HTTP_ERROR, f"a body that is not packed as it says: {error}") from None
    return bytes(body)


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...

    def finish(self) -> bytes: ...


class _AsItIs:
    eof = False

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Packed:
    """gzip and deflate, the latter with or without zlib's header; sums are not checked, what comes after is left."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)
        self._began = False
        self._kept = b""  # the last bytes, which may be a sum

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        data = self._kept + data
        data, self._kept = data[:-_SUM_BYTES], data[-_SUM_BYTES:]
        if self._inflate.eof or not data:
            return b""
        try:
            out = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        except zlib.error:
            if self._began:
                raise
            self._inflate = zlib.decompressobj(wbits=-15)
            out = self._inflate.decompress(data, max_length)
        self._began = True
        return out

    def finish(self) -> bytes:
        out = bytearray()
        with suppress(zlib.error):
            for byte in self._kept:
                out += self._inflate.decompress(self._inflate.unconsumed_tail + bytes([byte]))
        return bytes(out)


class _Layered:
    """Several, one in the other; the last that was put on comes off first."""

    def __init__(self, layers: list[_Packed]) -> None:
        self._layers = layers

    @property
    def eof(self) -> bool:
        return all(layer.eof for layer in self._layers)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        for layer in self._layers:
            data = layer.decompress(data, max_length)
        return data

    def finish(self) -> bytes:
        data = b""
        for layer in self._layers:
            data = (layer.decompress(data, _CHUNK) if data else b"") + layer.finish()
        return data


def _unpacker(encodings: list[str]) -> _Unpacker:
    """As Chromium takes it: an encoding that it does not know (``aws-chunked``, ``none``) changes nothing."""
    names = [name.strip().lower() for text in encodings for name in text.split(",") if name.strip()]
    if any(name not in (*_PACKED, *_NOT_UNPACKED) for name in names) or not names:
        return _AsItIs()
    if unasked := [name for name in names if name in _NOT_UNPACKED]:
        raise FetchFailure(
            Reason.HTTP_ERROR,
            f"Content-Encoding {unasked[0]!r}, which was not asked for (Accept-Encoding: identity) and is not unpacked "
            "here; gzip and deflate are",
        )
    return _Layered([_Packed() for _ in names])


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """Seconds a server asks to wait (a number or a date); 0 when it does not say."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal() and text.isascii() and len(text) < 12:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0
