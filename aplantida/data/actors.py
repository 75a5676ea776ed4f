"""What runs inside the actors of fetch_images and audit_dataset: records or URLs in, rows of outcomes out."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import queue
import threading
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pyarrow as pa

from aplantida.data.answers import Fetched
from aplantida.data.fetching import Fetcher, FetchSettings
from aplantida.data.hosts import PARKED_PER_PLACE
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
    """A fetcher on an event loop in a thread of its own: it serves all that is at hand.

    So the limits hold for the actor as a whole. Those who came first are served first; a host that is slow or silent
    keeps nobody from another one.
    """

    def __init__(self, settings: FetchSettings) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._fetcher = self._run(_entered(Fetcher(settings)))
        # of one host: as many as can be on their way, and as many more
        self._asked_at_a_time = (PARKED_PER_PLACE + 2) * settings.concurrency_per_host
        self._ranks = itertools.count()
        atexit.register(self.close)

    def close(self) -> None:
        """Close connections and stop the loop; done by itself when the process ends."""
        atexit.unregister(self.close)
        self._run(self._fetcher.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _each(self, rows: Sequence[dict[str, Any]], patiently: bool) -> None:
        """Call :meth:`_one` for every row, of each host so many at a time: rows wait as rows, not as tasks."""
        by_host, rank = defaultdict[str, list[dict[str, Any]]](list), next(self._ranks)
        for row in rows:
            by_host[_site_of(row["url"])].append(row)
        await asyncio.gather(
            *(
                self._those(left, rank, patiently)
                for some in by_host.values()
                for left in itertools.repeat(iter(some), min(len(some), self._asked_at_a_time))
            )
        )

    async def _those(self, rows: Iterator[dict[str, Any]], rank: int, patiently: bool) -> None:
        for row in rows:
            await self._one(row, rank, patiently)

    async def _one(self, row: dict[str, Any], rank: int, patiently: bool) -> None:
        raise NotImplementedError


class _Found:
    """Outcomes on their way to who asked for them, who may give up before all are there: what comes later is let go."""

    def __init__(self) -> None:
        self._queue, self._lock, self._is_given_up = queue.SimpleQueue[Any](), threading.Lock(), False

    def put(self, item: Any) -> bool:
        """Whether somebody waits for it still."""
        with self._lock:
            if not self._is_given_up:
                self._queue.put(item)
            return not self._is_given_up

    def get(self) -> Any:
        """The next one; waits for it."""
        return self._queue.get()

    def give_up(self) -> int:
        """Wait for no more; how many outcomes were there and not taken."""
        with self._lock:
            self._is_given_up = True
            items = [self._queue.get() for _ in range(self._queue.qsize())]
        return sum(not isinstance(item, Future) for item in items)


class PhotoFetcher(_Downloading):
    """Downloads, decodes, shrinks and re-encodes; decoding in threads: codecs release the interpreter lock."""

    def __init__(self, settings: FetchSettings, photo: PhotoSettings, decode_threads: int) -> None:
        super().__init__(settings)
        self._photo = asdict(photo)
        self._decoders = ThreadPoolExecutor(decode_threads)
        # files in memory beside those on their way: what waits for a decoder, or to be taken. With more than the most,
        # nothing new is begun until a quarter is gone: a thread that wakes the loop waits for the interpreter lock
        self._most_at_hand, self._at_hand, self._is_full = settings.concurrency, 0, False
        self._counting = threading.Lock()

    def __call__(self, records: pa.Table) -> pa.Table:
        """One row of ``RESULT_SCHEMA`` per row of ``image_id``, ``url`` and, to ask for changes, ``VALIDATORS``."""
        found = {row["image_id"]: row for table in self.outcomes(records) for row in table.to_pylist()}
        return pa.Table.from_pylist([found[image_id] for image_id in records["image_id"].to_pylist()], RESULT_SCHEMA)

    def outcomes(self, records: pa.Table, *, patiently: bool = True) -> Iterator[pa.Table]:
        """The same, ``SLICE_ROWS`` at a time as they come.

        Args:
            records: as above, of different ``image_id``.
            patiently: whether to ask again after a time-out; if not, somebody will when all else is done.
        """
        rows, found = records.to_pylist(), _Found()
        for row in rows:
            row["found"] = found
        asking = asyncio.run_coroutine_threadsafe(self._each(rows, patiently), self._loop)
        asking.add_done_callback(found.put)
        left, some = len(rows), list[dict[str, Any]]()
        try:
            while left:
                row = found.get()
                if isinstance(row, Future):  # all are asked for, or it failed
                    row.result()
                    continue
                self._count(-1)
                left -= 1
                some.append(row)
                if len(some) == SLICE_ROWS or not left:
                    yield pa.Table.from_pylist(some, RESULT_SCHEMA)
                    some = []
        finally:
            asking.cancel()
            self._count(-found.give_up())

    async def _one(self, row: dict[str, Any], rank: int, patiently: bool) -> None:
        said = {"etag": row.get("etag"), "last_modified": row.get("last_modified")}
        fetched = await self._fetcher.fetch(row["url"], **said, patiently=patiently, rank=rank)
        self._count(1)
        if fetched.reason is not None or fetched.not_modified:
            told = {"reason": fetched.reason, "detail": fetched.detail, "not_modified": fetched.not_modified}
            self._tell(row, told)
        else:
            self._decoders.submit(self._work_up, row, fetched)

    def _count(self, change: int) -> None:
        with self._counting:
            self._at_hand += change
            least = self._most_at_hand - self._most_at_hand // 4
            was_full, self._is_full = self._is_full, self._at_hand > (least if self._is_full else self._most_at_hand)
            is_changed = self._is_full != was_full
        if is_changed:
            self._loop.call_soon_threadsafe(self._hold)

    def _tell(self, row: dict[str, Any], told: dict[str, Any]) -> None:
        if not row["found"].put({"image_id": row["image_id"], **told}):
            self._count(-1)

    def _hold(self) -> None:
        self._fetcher.hosts.hold(self._is_full)

    def _work_up(self, row: dict[str, Any], fetched: Fetched) -> None:
        self._tell(row, self._store(fetched) | {"etag": fetched.etag, "last_modified": fetched.last_modified})

    def _store(self, fetched: Fetched) -> dict[str, Any]:
        try:
            return asdict(store_photo(fetched.body, **self._photo))
        except ImageRejected as rejected:
            return {"reason": rejected.reason, "detail": rejected.detail}
        except Exception as error:  # of one photo, whatever it is
            return {"reason": Reason.NOT_AN_IMAGE, "detail": f"{type(error).__name__}: {error}"}


class UrlProber(_Downloading):
    """Asks for the first bytes of URLs."""

    def __init__(self, settings: FetchSettings, patiently: bool = True) -> None:
        super().__init__(settings)
        self._patiently = patiently

    def __call__(self, urls: pa.Table) -> pa.Table:
        """One row of ``PROBE_SCHEMA`` per row of ``url``."""
        rows: list[dict[str, Any]] = [{"url": url} for url in urls["url"].to_pylist()]
        self._run(self._each(rows, self._patiently))
        return pa.Table.from_pylist(rows, PROBE_SCHEMA)

    async def _one(self, row: dict[str, Any], rank: int, patiently: bool) -> None:
        found = await self._fetcher.probe(row["url"], patiently=patiently, rank=rank)
        row |= {"reason": found.reason, "detail": found.detail}


def _site_of(url: str) -> str:
    """Scheme, host and port, as they are written."""
    return "/".join(url.split("/", 3)[:3])


async def _entered(fetcher: Fetcher) -> Fetcher:
    return await fetcher.__aenter__()
