"""What runs inside the actors of fetch_images and audit_dataset: slices of records in, rows of outcomes out."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pyarrow as pa

from aplantida.data.answers import Fetched
from aplantida.data.fetching import Fetcher, FetchSettings
from aplantida.data.images import ImageRejected, store_photo
from aplantida.data.shards import RESULT_SCHEMA
from aplantida.domain.record import Reason

SLICE_ROWS = 128
PROBE_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("reason", pa.string()),  # null = healthy
        pa.field("detail", pa.string()),
    ]
)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSettings:
    """What becomes of a downloaded file.

    Attributes:
        short_side_pixels: the stored photo's short side; smaller photos are never enlarged.
        jpeg_quality: 1 to 100.
        max_pixels: most pixels of an original that are decoded.
    """

    short_side_pixels: int
    jpeg_quality: int
    max_pixels: int


def slices(table: pa.Table, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of a table, in pieces small enough to keep many of them in flight."""
    wanted = table.select(list(columns))
    for start in range(0, wanted.num_rows, SLICE_ROWS):
        yield wanted.slice(start, SLICE_ROWS)


class _Downloading:
    """A fetcher on an event loop in a thread of its own: it serves all slices at hand.

    So the limits hold for the actor as a whole, and a slow URL holds up its own slice only.
    """

    def __init__(self, settings: FetchSettings) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._fetcher = self._run(_entered(Fetcher(settings)))
        # bodies in memory: those on their way and as many waiting for a decoder
        self._slots = self._run(_semaphore(2 * settings.concurrency))
        atexit.register(self.close)

    def close(self) -> None:
        """Close connections and stop the loop; done by itself when the process ends."""
        atexit.unregister(self.close)
        self._run(self._fetcher.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class PhotoFetcher(_Downloading):
    """Downloads, decodes, shrinks and re-encodes; decoding in threads: codecs release the interpreter lock."""

    def __init__(self, settings: FetchSettings, photo: PhotoSettings, decode_threads: int) -> None:
        super().__init__(settings)
        self._photo = asdict(photo)
        self._decoders = ThreadPoolExecutor(decode_threads)

    def __call__(self, records: pa.Table) -> pa.Table:
        """One row of ``RESULT_SCHEMA`` per row of ``image_id``, ``url`` and, to ask for changes, ``VALIDATORS``."""
        return pa.Table.from_pylist(self._run(self._all(records)), RESULT_SCHEMA)

    async def _all(self, records: pa.Table) -> list[dict[str, Any]]:
        return await asyncio.gather(*(self._one(**row) for row in records.to_pylist()))

    async def _one(
        self, image_id: str, url: str, etag: str | None = None, last_modified: str | None = None
    ) -> dict[str, Any]:
        async with self._slots:
            fetched = await self._fetcher.fetch(url, etag, last_modified)
            if fetched.reason is not None or fetched.not_modified:
                told = {"reason": fetched.reason, "detail": fetched.detail, "not_modified": fetched.not_modified}
                return {"image_id": image_id, **told}
            stored = await self._loop.run_in_executor(self._decoders, self._store, fetched)
        return {"image_id": image_id, "etag": fetched.etag, "last_modified": fetched.last_modified, **stored}

    def _store(self, fetched: Fetched) -> dict[str, Any]:
        try:
            return asdict(store_photo(fetched.body, **self._photo))
        except ImageRejected as rejected:
            return {"reason": rejected.reason, "detail": rejected.detail}
        except Exception as error:  # of one photo, whatever it is
            return {"reason": Reason.NOT_AN_IMAGE, "detail": f"{type(error).__name__}: {error}"}


class UrlProber(_Downloading):
    """Asks for the first bytes of URLs."""

    def __call__(self, urls: pa.Table) -> pa.Table:
        """One row of ``PROBE_SCHEMA`` per row of ``url``."""
        return pa.Table.from_pylist(self._run(self._all(urls["url"].to_pylist())), PROBE_SCHEMA)

    async def _all(self, urls: Sequence[str]) -> list[dict[str, Any]]:
        found = await asyncio.gather(*(self._fetcher.probe(url) for url in urls))
        return [
            {"url": url, "reason": item.reason, "detail": item.detail} for url, item in zip(urls, found, strict=True)
        ]


async def _entered(fetcher: Fetcher) -> Fetcher:
    return await fetcher.__aenter__()


async def _semaphore(value: int) -> asyncio.Semaphore:
    return asyncio.Semaphore(value)
