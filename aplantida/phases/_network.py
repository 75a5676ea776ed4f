"""How photos and links are asked for: the config sections, and one actor's share of the limits."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from aplantida.data.addresses import AddressGuard
from aplantida.data.fetching import FetchSettings
from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.opt_out import OptOuts
from aplantida.pipeline.config import Section
from aplantida.pipeline.errors import BadRequest

MOST_BLOCKS_PER_ACTOR = 128  # so that a few URLs that hang keep none of the others waiting


class HttpSection(Section):
    """What is taken from servers: part of the recipe."""

    max_bytes: int = Field(default=50_000_000, ge=1)
    max_redirects: int = Field(default=3, ge=0)
    opt_out_hosts: tuple[str, ...] = ()


class HttpManners(Section):
    """How servers are asked: of no influence on what a photo becomes."""

    user_agent: str = Field(default="aplantida/0.1 (plant photos for a species identifier)", min_length=8)
    connect_timeout_seconds: float = Field(default=10.0, gt=0)
    read_timeout_seconds: float = Field(default=20.0, gt=0)
    total_timeout_seconds: float = Field(default=120.0, gt=0)
    max_attempts: int = Field(default=4, ge=1)
    backoff_seconds: float = Field(default=1.0, ge=0)


HTTP_MOVED = {f"http.{name}": f"resources.http.{name}" for name in HttpManners.model_fields}


class NetworkResources(Section):
    """How much of the machine, and of each server, asking takes. All limits hold over all actors together."""

    http: HttpManners = HttpManners()

    num_actors: int | None = Field(default=None, ge=0)
    concurrency: int = Field(default=64, ge=1)
    concurrency_per_host: int = Field(default=16, ge=1)
    requests_per_second_per_host: float | None = Field(default=None, gt=0)


def fetch_settings(
    http: HttpSection,
    allow_addresses: list[str],
    resources: NetworkResources,
    num_actors: int,
    secrets: AddressSecrets = USUAL,
) -> FetchSettings:
    """One actor's settings; limits on concurrency and rate are shared out among the actors.

    Raises:
        BadRequest: when ``allow_addresses`` is no list of ``host:port``, or an opted-out host no host name.
    """
    try:
        AddressGuard.of(allow_addresses)
    except ValueError as error:
        raise BadRequest(f"allow_addresses: {error}") from None
    try:
        OptOuts.of((), http.opt_out_hosts)
    except ValueError as error:
        raise BadRequest(f"http.opt_out_hosts: {error}") from None
    rate = resources.requests_per_second_per_host
    return FetchSettings(
        **http.model_dump(),
        **resources.http.model_dump(),
        requests_per_second_per_host=None if rate is None else rate / max(1, num_actors),
        concurrency=max(1, resources.concurrency // max(1, num_actors)),
        concurrency_per_host=max(1, resources.concurrency_per_host // max(1, num_actors)),
        allow_addresses=tuple(allow_addresses),
        secrets=secrets,
    )


def blocks_per_actor(num_blocks: int, num_actors: int) -> int:
    """Blocks an actor has at hand: many, but no more than leave the others their share."""
    return max(1, min(MOST_BLOCKS_PER_ACTOR, -(-num_blocks // max(1, num_actors))))


def choose_num_actors(resources: NetworkResources, cpus: Callable[[], int]) -> int:
    """The actors asked for, else one per two CPUs; never more than a host's limit can be shared out among."""
    wanted = max(1, cpus() // 2) if resources.num_actors is None else resources.num_actors
    return min(wanted, resources.concurrency_per_host, resources.concurrency)
