"""Before anything is learned: every photo of a split, and the weights of the checkpoints it goes on from, may be used.

``check_licenses`` asks the same of what is shipped; here it is asked of what is known already, at a few columns' cost.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import computed_field

from aplantida.domain.seals import hash_once
from aplantida.domain.weights import ALLOWED_LICENSES
from aplantida.phases._collection_file import PhotoGates
from aplantida.phases._weights import stated_weights
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import find_file
from aplantida.pipeline.errors import GateFailed
from aplantida.pipeline.logs import LOGGER
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    import pyarrow as pa

    from aplantida.release.lineage import Lineage

VIOLATIONS_FILE = "license_violations.json"
_LOG = logging.getLogger(f"{LOGGER}.admission")
NAMED = 20  # offenders that a message names
Inputs = Mapping[str, Sequence[Artifact]]


class LineageGates(PhotoGates):
    """Which photos may be learned from, and which weights the checkpoints it goes on from may have begun with.

    The list of weights is part of the bounds by what it says: when it is another, sealed work is looked at again.
    """

    allowed_weight_licenses: tuple[str, ...] = ALLOWED_LICENSES
    weights_list: str = "configs/weights.yaml"

    @computed_field
    @cached_property
    def weights_digest(self) -> str:
        """sha256 of the list of weights, as it was when this was first asked.

        Raises:
            BadRequest: when the list is not there.
        """
        return hash_once(find_file(self.weights_list))


class Gated(Protocol):
    """A config that says what may be learned from."""

    @property
    def gates(self) -> PhotoGates: ...


def admit(ctx: PhaseContext[Any], members: Callable[[], pa.Array] | None = None) -> None:
    """Refuse to work with what may not be shipped; all offenders are listed in the output folder.

    Args:
        ctx: of a phase whose config is :class:`Gated`.
        members: ids of the photos that count; None takes those of the input ``split``.

    Raises:
        GateFailed: naming the first offenders, each with its file.
    """
    from aplantida.release.offenders import write_offenders

    listing = ctx.output.scratch.with_name(VIOLATIONS_FILE)  # what lies in scratch is work to go on with
    count, first = write_offenders(listing, _offenders(ctx.config, ctx.inputs, ctx.output.path.name, members), NAMED)
    if not count:
        listing.unlink()
        return
    ctx.output.publish(listing, VIOLATIONS_FILE)
    raise GateFailed(refusal(count, first, f", all in {ctx.output.path / VIOLATIONS_FILE}"))


def refusal(count: int, first: Sequence[str], where: str = "") -> str:
    """The message that names the first offenders, and where all of them are."""
    more = f"\n  … and {count - len(first)} more" if count > len(first) else ""
    return f"{count} licence violations{where}:\n  " + "\n  ".join(first) + more


def look_again(config: Gated, inputs: Inputs, artifact: Artifact) -> list[str]:
    """What :func:`admit` would refuse today of the inputs of a sealed artifact; for ``Phase.look_again``."""
    split = inputs["split"][0] if inputs.get("split") else artifact
    count, first = refused_today(config, inputs, artifact.path.name, lambda: _members(split))
    return [refusal(count, first)] if count else []


def refused_today(
    config: Gated, inputs: Inputs, name: str, members: Callable[[], pa.Array] | None = None
) -> tuple[int, list[str]]:
    """How many photos and weights may not be shipped by today's bounds, and why of the first ``NAMED``.

    Args:
        config: whose gates say so.
        inputs: what is begun with; ``images`` and ``split`` are among it.
        name: of the artifact that descends from it.
        members: as :func:`admit` takes it.
    """
    found = _offenders(config, inputs, name, members)
    first = [offender["why"] for offender in itertools.islice(found, NAMED)]
    return len(first) + sum(1 for _ in found), first


def _members(split: Artifact) -> pa.Array:
    from aplantida.release.admission import members_of

    return members_of(split)


@dataclass
class _Descent:
    """Where what is begun with comes from, looked up when it is first asked for.

    Attributes:
        begun: all inputs.
        name: of the artifact that is to be made.
    """

    begun: Sequence[Artifact]
    name: str

    @cached_property
    def lineage(self) -> Lineage:
        """Of the inputs."""
        from aplantida.release.lineage import trace

        return trace(self.begun)

    @cached_property
    def released(self) -> Mapping[str, Sequence[str]]:
        """Releases that descend from it, see :func:`~aplantida.release.offenders.releases_from`."""
        from aplantida.release.offenders import releases_from

        found, unread = releases_from(self.lineage)
        _warn(unread, "releases in it cannot be named")
        return found


def _warn(troubles: Iterable[str], what: str) -> None:
    """Say what is wrong with a lineage, and what follows from it."""
    for trouble in troubles:
        _LOG.warning("%s: %s", trouble, what)


def _offenders(
    config: Gated, inputs: Inputs, name: str, members: Callable[[], pa.Array] | None
) -> Iterator[dict[str, Any]]:
    """Weights, then photos, each with its way to the artifact called ``name``."""
    from aplantida.release.admission import photos_refused
    from aplantida.release.offenders import way

    gates, images = config.gates, inputs["images"][0]
    descent = _Descent([artifact for given in inputs.values() for artifact in given], name)
    if isinstance(gates, LineageGates):
        yield from _weights(gates, inputs, descent)
    policy, opt_outs = gates.license_policy.to_policy(), gates.opt_out.to_opt_outs(gates.secret_parameters.to_secrets())
    came_into: dict[str, list[str]] = {}
    for offender in photos_refused(images, members or (lambda: _members(inputs["split"][0])), policy, opt_outs):
        if not came_into:
            path = [*way(descent.lineage, images, descent.begun), name]
            came_into = {"path": path, "releases": list(descent.released.get(images.digest, ()))}
        yield {**offender, **came_into}


def _weights(gates: LineageGates, inputs: Inputs, descent: _Descent) -> Iterator[dict[str, Any]]:
    from aplantida.release.licenses import audit_weights
    from aplantida.release.offenders import weights_that_offend

    images, split, stated = inputs["images"][0], inputs["split"][0], stated_weights(gates.weights_list)
    audit = audit_weights(descent.lineage, images, split, gates.allowed_weight_licenses, stated)
    _warn(audit.broken, "the licence gate of a release refuses that")  # which is the release's affair, and not ours
    released = descent.released if audit.offending else {}
    for offender in weights_that_offend(audit, descent.lineage, descent.begun, released):
        if offender["kind"] == "weights":
            yield {**offender, "path": [*offender["path"], descent.name]}
