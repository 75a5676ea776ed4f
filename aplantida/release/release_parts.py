"""A release found among the artifacts of a run: the bundle, and what it was made from, measured and described by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aplantida.evaluation.decide import load_decision
from aplantida.export.bundle import MANIFEST_FILE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.release.lineage import Lineage, trace
from aplantida.release.manifest import read_json


@dataclass(frozen=True)
class Release:
    """What is to be released.

    Attributes:
        bundle: what ships.
        evaluation: of the model in it.
        calibration: that decides in it.
        license_report: by which it was cleared.
        validations: of this very bundle, all that were given.
        everything: all artifacts that were given.
        lineage: they with all their ancestors.
    """

    bundle: Artifact
    evaluation: Artifact
    calibration: Artifact
    license_report: Artifact
    validations: tuple[Artifact, ...]
    everything: tuple[Artifact, ...]
    lineage: Lineage

    @cached_property
    def facts(self) -> dict[str, Any]:
        """``bundle.json``."""
        return read_json(self.bundle, MANIFEST_FILE)

    @property
    def region(self) -> str | None:
        """Whose species alone it names; None where it names all that it learned."""
        return self.facts.get("region")

    @property
    def title(self) -> str:
        """Name and version, and the region where it is of one."""
        of_region = "" if self.region is None else f" ({self.region})"
        return f"{self.facts['name']} {self.facts['version']}{of_region}"

    @cached_property
    def test(self) -> dict[str, Any]:
        """What the evaluation measured on test."""
        return read_json(self.evaluation, "metrics.json")["test"]

    @cached_property
    def calibrated(self) -> dict[str, Any]:
        """``calibration.json``."""
        return read_json(self.calibration, "calibration.json")

    @cached_property
    def decision(self) -> dict[str, Any]:
        """``decision.json``, as the bundle has it.

        Raises:
            BadRequest: naming the key, for one that its page would refuse.
        """
        try:
            return load_decision(self.bundle.file("decision.json"))
        except ValueError as error:
            raise BadRequest(str(error)) from error

    @cached_property
    def licenses(self) -> dict[str, Any]:
        """``license_report.json``."""
        return read_json(self.license_report, "license_report.json")

    def made_from(self, name: str) -> list[Artifact]:
        """The artifacts of the lineage that the bundle has as its input ``name``; empty where they cannot be read."""
        digests = {given["digest"] for given in self.bundle.inputs.get(name, [])}
        return [item for item in self.lineage.artifacts if item.digest in digests]


def find_release(artifacts: Sequence[Artifact]) -> Release:
    """Put a release together; what belongs to the bundle is known by digest, not by name.

    Raises:
        BadRequest: when there is not exactly one bundle, or what it was made from is not among the artifacts.
    """
    bundles = [item for item in artifacts if item.kind == "model_bundle"]
    if len(bundles) != 1:
        found = ", ".join(str(item.path) for item in bundles) or "none"
        raise BadRequest(f"artifacts: want one model_bundle, found {found}")
    bundle = bundles[0]
    made_from = {name: _made_from(bundle, name, artifacts) for name in ("evaluation", "calibration", "license_report")}
    validations = tuple(item for item in artifacts if item.kind == "validation" and _is_of(item, bundle))
    return Release(
        bundle=bundle,
        **made_from,
        validations=validations,
        everything=tuple(artifacts),
        lineage=trace(artifacts),
    )


def _is_of(validation: Artifact, bundle: Artifact) -> bool:
    return bundle.digest in {given["digest"] for given in validation.inputs.get("bundle", [])}


def _made_from(bundle: Artifact, name: str, artifacts: Sequence[Artifact]) -> Artifact:
    given = bundle.inputs.get(name, [])
    found = [item for item in artifacts if item.digest in {entry["digest"] for entry in given} and item.kind == name]
    if not found:
        wanted = ", ".join(f"{entry['path']} ({entry['digest'][:12]})" for entry in given) or "none"
        raise BadRequest(f"artifacts: the {name} that {bundle.path} was made from is not among them: {wanted}")
    return found[0]
