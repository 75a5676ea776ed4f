"""What servers write, put as aiohttp's parser wants it: heads of answers are read as leniently as Chromium reads them.

After Chromium's ``net/http/http_stream_parser.cc``, ``http_util.cc`` and ``http_response_headers.cc``: bytes before the
status line, line ends, missing reasons and versions, lines that are no headers, headers given twice. Only headers that
somebody here reads are handed on, so that none of the others can do harm.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

MAX_HEAD_BYTES = 256 * 1024
_SLOP = 4  # bytes that may come before the status line
_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP(?:/(\d)\.(\d))?[^\s]*[ \t]*(\d*)", re.IGNORECASE)
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PASSED_ON = (
    *(b"content-encoding", b"content-type", b"etag", b"last-modified", b"location"),
    *(b"retry-after", b"x-robots-tag"),
)
_NO_BODY = (204, 205, 304)


class BadAnswer(Exception):
    """An answer that is none, or whose headers contradict each other; Chromium refuses it as well."""


class StaleConnection(aiohttp.ServerDisconnectedError):
    """A connection that served before was closed without a byte for this request: it is to be sent again."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer.

    Attributes:
        status: 100 to 999.
        text: the head as aiohttp's parser wants it.
        body_bytes: how many follow; None where they go on to the end of the connection, or come in chunks.
        is_chunked: whether they come in chunks.
    """

    status: int
    text: bytes
    body_bytes: int | None
    is_chunked: bool


def read_head(raw: bytes) -> Head:
    """Read the head of an answer, from its first byte to the empty line.

    Raises:
        BadAnswer: when two lengths or two targets are given, or a NUL.
    """
    if b"\0" in raw:
        raise BadAnswer("a head with a NUL")
    lines = _unfolded(raw).split(b"\n")
    found = _STATUS_LINE.match(lines[0])
    if found is None:
        raise BadAnswer(f"no HTTP answer: {raw[:40]!r}")
    is_11 = (int(found[1] or 1), int(found[2] or 0)) >= (1, 1)
    digits = found[3] or b"200"
    status = int(digits) if len(digits) == 3 and digits >= b"100" else 999
    headers = _headers(lines[1:])
    is_chunked = is_11 and _has_word(headers[b"transfer-encoding"], b"chunked")
    lengths, targets = ({*headers[name]} for name in (b"content-length", b"location"))
    if len(lengths) > 1 and not is_chunked:
        raise BadAnswer(f"{len(lengths)} different lengths")
    if len(targets) > 1:
        raise BadAnswer(f"{len(targets)} different targets")
    length = None if is_chunked else _length(lengths)
    stays_open = _has_word(headers[b"connection"], b"keep-alive") or (
        is_11 and not _has_word(headers[b"connection"], b"close")
    )
    if status in _NO_BODY:
        is_chunked, length = False, 0
    lines = [b"HTTP/1.1 %d OK" % status]
    lines += [b"%s: %s" % (name, value) for name in _PASSED_ON for value in headers[name]]
    lines += [b"transfer-encoding: chunked"] * is_chunked
    lines += [b"content-length: %d" % length] if length is not None else []
    stays_open = stays_open and (is_chunked or length is not None)
    lines += [b"connection: keep-alive" if stays_open else b"connection: close", b"", b""]
    return Head(status, b"\r\n".join(lines), length, is_chunked)


def _unfolded(raw: bytes) -> bytes:
    """Lines that end at a line feed; one that begins with white space goes on from the line before."""
    return re.sub(rb"\n[ \t]+", b" ", re.sub(rb"\r*\n", b"\n", raw))


def _headers(lines: list[bytes]) -> defaultdict[bytes, list[bytes]]:
    headers = defaultdict[bytes, list[bytes]](list)
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if colon and _TOKEN.fullmatch(name):
            headers[name.lower()].append(value.replace(b"\r", b"").strip(b" \t"))
    return headers


def _has_word(values: list[bytes], word: bytes) -> bool:
    return any(part.strip(b" \t").lower() == word for value in values for part in value.split(b","))


def _length(lengths: set[bytes]) -> int | None:
    text = next(iter(lengths), b"")
    return int(text) if text.isdigit() and len(text) < 19 else None


class Chunks:
    """A body in chunks, put as the standard has it; lines may end as they like, and what follows the end is left.

    Attributes:
        is_over: whether the last chunk and what belongs to it has come.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._line = b""
        self._left = 0  # bytes of the chunk
        self._is_trailing = False

    def feed(self, data: bytes) -> bytes:
        """The same, as the parser wants it.

        Raises:
            BadAnswer: where a size should be and none is.
        """
        out = bytearray()
        while data and not self.is_over:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                out += b"%x\r\n%s\r\n" % (len(piece), piece)
                continue
            line, end, data = data.partition(b"\n")
            self._line += line
            if len(self._line) > MAX_HEAD_BYTES:
                raise BadAnswer("a chunk without an end of its first line")
            if end:
                out += self._end_of(self._line.strip(b" \t\r"))
                self._line = b""
        return bytes(out)

    def _end_of(self, line: bytes) -> bytes:
        if self._is_trailing:
            self.is_over = not line
            return b"0\r\n\r\n" if self.is_over else b""
        if line:  # else it is what ends the chunk before
            size = line.partition(b";")[0].rstrip(b" \t")
            if not _SIZE.fullmatch(size):
                raise BadAnswer(f"no size of a chunk: {line[:40]!r}")
            self._left = int(size, 16)
            self._is_trailing = self._left == 0
        return b""


class LenientProtocol(ResponseHandler):
    """aiohttp's protocol behind :func:`read_head`: of what comes after an answer's length, nothing is read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._head: bytearray | None = None  # so far; None where none is waited for
        self._rest: int | None = None  # bytes of the body still to come, where that is known
        self._chunks: Chunks | None = None
        self._has_served = False

    def set_response_params(self, **params: Any) -> None:
        """A request was sent: its answer begins with a head."""
        self._head, self._rest, self._chunks = bytearray(), None, None
        super().set_response_params(**params)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """The connection failed."""
        if self._has_served and not self._head and isinstance(exc, aiohttp.ServerDisconnectedError | OSError):
            exc = StaleConnection()
        super().set_exception(exc, exc if exc_cause is None else exc_cause)

    def data_received(self, data: bytes) -> None:
        """Bytes of the server."""
        if self._parser is None:
            super().data_received(data)
            return
        if self._head is not None:
            self._head += data
            data = self._take_heads()
            if not data:
                self._reschedule_timeout()
                return
        else:
            data = self._body_of(data)
            if not data:
                return
        super().data_received(data)

    def _body_of(self, data: bytes) -> bytes:
        """What of these bytes is the body's, as the parser wants it."""
        if self._chunks is not None:
            try:
                return self._chunks.feed(data)
            except BadAnswer as error:
                return self._give_up(error)
        if self._rest is not None:
            data, more = data[: self._rest], data[self._rest :]
            self._rest -= len(data)
            if more:
                self.force_close()
        return data

    def _take_heads(self) -> bytes:
        """Heads that are there, as the parser wants them, with what there is of a body; empty while more is to come."""
        assert self._head is not None
        while True:
            start = self._head[: _SLOP + 4].lower().find(b"http")
            end = _END.search(self._head, max(start, 0))
            if start < 0 and len(self._head) >= _SLOP + 4:
                return self._give_up(BadAnswer(f"no HTTP answer: {bytes(self._head[:40])!r}"))
            if end is None or end.end() > MAX_HEAD_BYTES:
                if len(self._head) > MAX_HEAD_BYTES:
                    return self._give_up(BadAnswer(f"a head of more than {MAX_HEAD_BYTES} bytes"))
                return b""
            try:
                head = read_head(bytes(self._head[max(start, 0) : end.end()]))
            except BadAnswer as error:
                return self._give_up(error)
            rest = bytes(self._head[end.end() :])
            if 100 <= head.status < 200 and head.status != 101:
                self._head = bytearray(rest)
                continue
            self._head, self._has_served = None, True
            self._rest, self._chunks = head.body_bytes, Chunks() if head.is_chunked else None
            return head.text + self._body_of(rest)

    def _give_up(self, error: BadAnswer) -> bytes:
        payload = self._payload
        if self.transport is not None:
            self.transport.close()
        self.set_exception(error)
        if payload is not None:
            payload.set_exception(error)
        self._head = None
        return b""
