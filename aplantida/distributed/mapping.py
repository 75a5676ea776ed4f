"""Plain functions and classes over streams of Arrow tables, by Ray Data.

A *block* is one table; a worker turns one block into one table (or several). Blocks come back as they are finished, not
in order: every table must say whose it is. Only a bounded number of blocks is in flight (Ray Data's back-pressure).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, cast

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, TaskPoolStrategy

from aplantida.distributed.placement import Share, living_nodes, require_room

BlockFunction = Callable[..., "pa.Table | Iterator[pa.Table]"]


def map_tables(
    blocks: Iterable[pa.Table],
    function: BlockFunction,
    arguments: Mapping[str, Any] | None = None,
    *,
    num_cpus: float = 1.0,
    max_tasks: int | None = None,
) -> Iterator[pa.Table]:
    """Call ``function(block, **arguments)`` for every block in Ray tasks.

    Args:
        blocks: tables of one schema.
        function: importable from ``aplantida``; returns a table or yields tables.
        arguments: keyword arguments of every call.
        num_cpus: CPUs reserved per call.
        max_tasks: most calls at a time; None = as many as CPUs allow; 0 = in this process, without Ray.

    Yields:
        Result tables that have rows, in the order they are finished.

    Raises:
        BadRequest: when no node has room for a call.
    """
    given = list(blocks)
    if not given:
        return
    if max_tasks == 0:
        for block in given:
            yield from _with_rows(function(block, **(arguments or {})))
        return
    require_room(Share(num_cpus), 1, living_nodes(), key="resources", why="a task")
    dataset = ray.data.from_arrow(given).map_batches(
        function,
        batch_size=None,
        batch_format="pyarrow",
        fn_kwargs=dict(arguments or {}),
        num_cpus=num_cpus,
        compute=TaskPoolStrategy(size=max_tasks),
    )
    yield from _tables(dataset)


def map_with_actors(
    blocks: Iterable[pa.Table],
    worker: type,
    arguments: Mapping[str, Any] | None = None,
    *,
    num_actors: int = 1,
    calls_per_actor: int = 1,
    num_cpus: float = 1.0,
    num_gpus: float = 0.0,
) -> Iterator[pa.Table]:
    """Construct ``worker(**arguments)`` in each actor of a pool and call ``worker(block)`` for every block.

    Args:
        blocks: tables of one schema.
        worker: a class importable from ``aplantida`` with ``__call__(pa.Table) -> pa.Table``.
        arguments: keyword arguments of the constructor.
        num_actors: size of the pool; 0 = one worker in this process, without Ray.
        calls_per_actor: blocks an actor works on at the same time, each call in a thread of its own.
        num_cpus: CPUs reserved per actor.
        num_gpus: GPUs reserved per actor.

    Yields:
        Result tables that have rows, in the order they are finished.

    Raises:
        BadRequest: when the nodes have no room for the pool.
    """
    given = list(blocks)
    if not given:
        return
    if num_actors == 0:
        yield from _map_here(given, worker(**(arguments or {})), calls_per_actor)
        return
    share = Share(num_cpus, num_gpus)
    require_room(share, num_actors, living_nodes(), key="resources.num_actors", why=worker.__name__)
    dataset = ray.data.from_arrow(given).map_batches(
        worker,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_kwargs=dict(arguments or {}),
        num_cpus=num_cpus,
        num_gpus=num_gpus or None,
        compute=ActorPoolStrategy(
            size=num_actors,
            max_tasks_in_flight_per_actor=calls_per_actor + 1,
            max_concurrent_calls_per_actor=calls_per_actor,
            enable_true_multi_threading=calls_per_actor > 1,
        ),
    )
    yield from _tables(dataset)


def _map_here(blocks: list[pa.Table], worker: Callable[[pa.Table], pa.Table], calls: int) -> Iterator[pa.Table]:
    """The same with threads of this process; no more blocks in flight than ``calls`` and as many waiting."""
    waiting = iter(blocks)
    with ThreadPoolExecutor(calls) as pool:
        running = {pool.submit(worker, block) for block in islice(waiting, 2 * calls)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(worker, block) for block in islice(waiting, len(done))}
                for future in done:
                    yield from _with_rows(future.result())
        finally:
            pool.shutdown(cancel_futures=True)
            if hasattr(worker, "close"):
                worker.close()  # pyright: ignore[reportFunctionMemberAccess]


def _with_rows(result: pa.Table | Iterator[pa.Table]) -> Iterator[pa.Table]:
    for table in cast("list[pa.Table]", [result] if isinstance(result, pa.Table) else result):
        if table.num_rows:
            yield table


def _tables(dataset: ray.data.Dataset) -> Iterator[pa.Table]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
        table = cast("pa.Table", batch)
        if table.num_rows:
            yield table
