"""One Ray session around whatever needs Ray: a cluster that is there is used, else a local one is started."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil
import ray

from aplantida.distributed.inspection import check_root
from aplantida.distributed.sharing import SHARED_VARIABLE, shared_address
from aplantida.domain.cores import usable_cores
from aplantida.pipeline.logs import LOGGER

ADDRESS_VARIABLE = "RAY_ADDRESS"
MAX_OBJECT_STORE_BYTES = 8 * 1024**3
MIN_OBJECT_STORE_BYTES = 128 * 1024**2
OBJECT_STORE_SHARE = 0.15
START_ATTEMPTS = 5
_TIMED_OUT = "timed out during startup"
_SETTINGS = {
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a worker's next report waits until the controller has seen its last
    "RAY_raylet_start_wait_time_s": "60",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def ray_session(
    *,
    num_cpus: int | None = None,
    object_store_bytes: int | None = None,
    include_dashboard: bool = False,
    dashboard_host: str = "127.0.0.1",
) -> Iterator[None]:
    """Make Ray usable inside the ``with`` block, and stop afterwards only what was started here.

    An initialized Ray is used as it is; else the cluster ``RAY_ADDRESS`` names (set for every submitted job); else the
    one that the nodes of a graph share (:mod:`aplantida.distributed.sharing`); else a local Ray is started. Sessions
    nest: the inner ones use the outermost one's Ray.

    Args:
        num_cpus: CPUs of a local Ray; None = what this process may use. Ignored when a cluster is there.
        object_store_bytes: shared memory of a local Ray; None = 15 % of the free memory, 128 MiB to 8 GiB.
        include_dashboard: whether a local Ray serves its dashboard.
        dashboard_host: where it does.

    Raises:
        BadRequest: when a cluster's nodes do not all see the artifacts' root.
    """
    if ray.is_initialized():
        yield
        return
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if not os.environ.get(ADDRESS_VARIABLE):
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # nobody takes this one machine away
    if os.environ.get(ADDRESS_VARIABLE):
        ray.init(logging_level=logging.WARNING, log_to_driver=True)
    elif folder := os.environ.get(SHARED_VARIABLE):
        ray.init(address=shared_address(Path(folder)), logging_level=logging.WARNING, log_to_driver=_talks())
    else:
        _start_local(
            num_cpus=num_cpus or usable_cores(),
            object_store_memory=object_store_bytes or object_store_size(psutil.virtual_memory().available),
            include_dashboard=include_dashboard,
            dashboard_host=dashboard_host,
        )
    try:
        check_root()
        yield
    finally:
        ray.shutdown()


def ray_session_if(needed: bool) -> AbstractContextManager[None]:
    """:func:`ray_session`, or nothing at all for work that is to stay in this process."""
    return ray_session() if needed else nullcontext()


def _start_local(**settings: Any) -> None:
    """Start a local Ray, again when its raylet gave up: it waits for its agent 15 seconds, and no setting changes that.

    On a busy machine of two cores the agent's imports alone take longer (ray-project/ray issue 65983). What Ray's own
    actors print is shown at log level debug only; it is in Ray's log folder anyway, and errors come as exceptions.
    """
    for attempt in range(1, START_ATTEMPTS + 1):
        before = {process.pid for process in psutil.Process().children(recursive=True)}
        try:
            ray.init(address="local", logging_level=logging.WARNING, log_to_driver=_talks(), **settings)
            return
        except Exception as error:
            if _TIMED_OUT not in str(error) or attempt == START_ATTEMPTS:
                raise
            logging.getLogger(__name__).warning("Ray did not start (%s); trying again", error)
            ray.shutdown()
            _end_leftovers(before)


def _talks() -> bool:
    return logging.getLogger(LOGGER).isEnabledFor(logging.DEBUG)


def _end_leftovers(before: set[int]) -> None:
    """End what a failed start left, but for its GCS: a client in this process would end the program without it."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.pid not in before and process.name() != "gcs_server":
                process.kill()


def object_store_size(free_bytes: int) -> int:
    """Shared memory for a local Ray on a machine with ``free_bytes`` of free memory."""
    return min(MAX_OBJECT_STORE_BYTES, max(MIN_OBJECT_STORE_BYTES, int(free_bytes * OBJECT_STORE_SHARE)))


def cluster_cpus() -> int:
    """CPUs of the Ray in use, over all nodes."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
