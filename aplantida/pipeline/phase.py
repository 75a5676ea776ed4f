"""What a phase declares, and what it is given when it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from aplantida.pipeline.artifact import ANY_KIND, Artifact
from aplantida.pipeline.config import ConfigT
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.progress import Progress
from aplantida.pipeline.writer import ArtifactWriter


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One declared input: ``kind`` is one, ``kind?`` may be absent, ``kind+`` is a list of one or more."""

    kind: str
    optional: bool
    many: bool

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """Read the short form."""
        return cls(text.rstrip("?+"), text.endswith("?"), text.endswith("+"))

    def accepts(self, kind: str) -> bool:
        """Whether an artifact of ``kind`` fits."""
        return self.kind in (ANY_KIND, kind)


@dataclass(frozen=True)
class Phase(Generic[ConfigT]):
    """A phase: one name, one config type, typed inputs, one output kind, one function.

    Attributes:
        name: as in ``jobs/<name>.py`` and ``configs/<name>.yaml``.
        config: its config type.
        inputs: by name, the short form of :class:`InputSpec`.
        output: the kind it seals, or None when it never seals (cleanup, run_pipeline …).
        version: raise it when the same recipe would give another result.
        run: does the work and returns metrics (JSON values).
        sources: by name, a function that digests what lies outside artifacts (a collection, a weights file).
        live_sources: those of them that change by themselves: unfinished work goes on under their new state (its units
            hang on what they were made of), sealed work does not.
        judge: says from the config's gates and the metrics which bounds the result does not keep, one text each. It is
            asked when ``run`` is done, and again of a sealed artifact when the gates were changed.
        look_again: says what ``run`` would refuse today of a sealed artifact's inputs, where metrics do not tell. It is
            asked when the gates were changed, as ``judge`` is.
        look: raises what a run would end with before its work, as far as the config and the files it names tell; it
            asks nobody else (no server, no hub). None: all sources lie in files, and are digested.
        foresee: says more in a dry run of a phase that seals nothing, and raises what its run would end with.
    """

    name: str
    config: type[ConfigT]
    inputs: Mapping[str, str]
    output: str | None
    version: int
    run: Callable[[PhaseContext[ConfigT]], Mapping[str, Any]]
    sources: Mapping[str, Callable[[ConfigT], str]] = field(default_factory=dict[str, Callable[[ConfigT], str]])
    live_sources: frozenset[str] = frozenset()
    judge: Callable[[ConfigT, Mapping[str, Any]], Sequence[str]] | None = None
    look_again: Callable[[ConfigT, Mapping[str, Sequence[Artifact]], Artifact], Sequence[str]] | None = None
    look: Callable[[ConfigT], None] | None = None
    foresee: Callable[[PhaseContext[ConfigT]], None] | None = None

    @property
    def input_specs(self) -> dict[str, InputSpec]:
        """The declared inputs, parsed."""
        return {name: InputSpec.parse(text) for name, text in self.inputs.items()}

    def look_at(self, config: ConfigT) -> None:
        """Look at a config and the files it names, before the work and in its place (a dry run).

        Raises:
            PhaseError: what the run would end with.
        """
        if self.look is not None:
            self.look(config)
            return
        for digest in self.sources.values():
            digest(config)


@dataclass(frozen=True)
class PhaseContext(Generic[ConfigT]):
    """What :attr:`Phase.run` is given.

    ``sources`` are the digests that the recipe has: a phase that reads a live source compares what it read.
    """

    config: ConfigT
    inputs: Mapping[str, Sequence[Artifact]]
    reuse: Sequence[Artifact]
    log: logging.Logger
    device: str
    writer: ArtifactWriter | None
    sources: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def output(self) -> ArtifactWriter:
        """Where results go.

        Raises:
            BadRequest: for a phase that declares no output.
        """
        if self.writer is None:
            raise BadRequest("this phase declares no output")
        return self.writer

    def input(self, name: str) -> Artifact:
        """The one artifact of a single input.

        Raises:
            BadRequest: when an optional input was not given.
        """
        given = self.inputs.get(name, ())
        if len(given) != 1:
            raise BadRequest(f"input {name!r}: want one artifact, {len(given)} given")
        return given[0]

    def has_input(self, name: str) -> bool:
        """Whether an optional input was given."""
        return bool(self.inputs.get(name))

    def input_list(self, name: str) -> list[Artifact]:
        """All artifacts of a list input, in the order given."""
        return list(self.inputs.get(name, ()))

    def progress(self, total: int | None, unit: str, description: str) -> Progress:
        """A progress bar (or log lines); use as a context manager."""
        return Progress(self.log, total, unit, description)

    def reuse_unit(self, unit: str, key: str) -> bool:
        """Take ``unit`` over from an artifact named in ``reuse:`` when it was made under the same ``key``."""
        for artifact in self.reuse:
            if artifact.units.get(unit, {}).get("key") == key:
                self.output.link_unit(artifact, unit)
                return True
        return False
