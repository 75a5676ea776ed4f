"""The last gate: licences, decisions, parity, size, quality, integrity and manifest green, or exit 4; it signs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from aplantida.export.signing import KEY_VARIABLE
from aplantida.pipeline.artifact import ASIDE, hash_file, is_sealed, open_artifact
from aplantida.pipeline.config import PhaseConfig, Section, find_file, resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    from aplantida.release.previous import Drop
    from aplantida.release.release_parts import Release


class ReleaseGates(Section):
    """What a release must keep beyond the gates of the phases before."""

    required: tuple[str, ...] = ("calibration error", "bundle size", "model size", "licences", "one seed")
    max_drop: float = Field(default=0.02, ge=0.0, le=1.0)
    max_bundle_bytes: int = Field(default=150_000_000, ge=1)
    ship_unsure: bool = False


class ReleaseGateConfig(PhaseConfig):
    """What is released against what."""

    contact: str = ""
    previous: str | None = None
    targets: str = "configs/targets.yaml"
    gates: ReleaseGates = ReleaseGates()


def run(ctx: PhaseContext[ReleaseGateConfig]) -> dict[str, Any]:
    """Look at every row, write the release's texts, and sign the bundle when all is green."""
    from aplantida.export.bundle import MANIFEST_FILE
    from aplantida.release.gate_rows import judge_rows, sizes
    from aplantida.release.previous import FACTS_FILE, drops, facts_of, read_previous
    from aplantida.release.release_card import card
    from aplantida.release.release_notes import gate_table, notes
    from aplantida.release.release_parts import find_release

    config = ctx.config
    release = find_release(ctx.input_list("artifacts"))
    before = None if config.previous is None else read_previous(resolve(config.previous))
    now = facts_of(release.facts, hash_file(release.bundle.file(MANIFEST_FILE)), release.test)
    own = release.bundle.config["gates"]
    metrics = {
        "rows": _fixed_rows(ctx, release),
        "sizes": sizes(release),
        "size_limits": {"model": own["max_model_bytes"], "credits": own["max_credits_bytes"]},
        "quality": _quality(ctx, release, [] if before is None else drops(before, now)),
        "signer": ctx.sources["signer"],
    }
    rows = judge_rows(config.gates, metrics)
    ctx.log.info("%s:\n%s", release.title, gate_table(rows))
    ctx.output.write_json(FACTS_FILE, now.to_json())
    ctx.output.write_text("README.md", card(release, config.contact))
    ctx.output.write_text("RELEASE.md", notes(release, rows, metrics["signer"], now, before))
    if not any(rows.values()):
        _sign(ctx, release)
    return metrics


def judge(config: ReleaseGateConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Every red row, with what is red in it."""
    from aplantida.release.gate_rows import judge_rows

    rows = judge_rows(config.gates, metrics)
    found = [f"{name}: {text}" for name, texts in rows.items() for text in texts]
    return ["no release:", *found] if found else []


def _fixed_rows(ctx: PhaseContext[ReleaseGateConfig], release: Release) -> dict[str, list[str]]:
    """The rows that no bound of this phase changes."""
    from aplantida.phases.validate_tfjs import ValidateTfjsConfig
    from aplantida.phases.validate_tfjs import judge as judge_parity
    from aplantida.release import gate_rows

    parity: list[str] = []
    if release.validation is not None:
        bounds = ValidateTfjsConfig.model_validate(release.validation.config)
        parity = judge_parity(bounds, release.validation.metrics)
    ctx.log.info("hashing %d artifacts to the last byte", len(release.lineage.artifacts))
    return {
        "licences": gate_rows.license_problems(release),
        "decisions": gate_rows.decision_problems(release),
        "parity": gate_rows.parity_problems(release, parity),
        "integrity": gate_rows.integrity_problems(release),
        "manifest": gate_rows.manifest_problems(release),
    }


def _quality(ctx: PhaseContext[ReleaseGateConfig], release: Release, drops: list[Drop]) -> dict[str, Any]:
    """The figures that quality is judged by."""
    from aplantida.phases._calibration_gates import shortfalls
    from aplantida.phases.calibrate_model import CalibrateModelConfig
    from aplantida.release.gate_rows import quality_figures
    from aplantida.release.targets import judge as measure
    from aplantida.release.targets import load_targets

    targets = measure(load_targets(find_file(ctx.config.targets)), list(release.lineage.artifacts))
    unknown = sorted(set(ctx.config.gates.required) - {item.name for item in targets})
    if unknown:
        raise BadRequest(f"gates.required: {ctx.config.targets} has no target called {unknown[0]!r}")
    calibration = release.calibration
    if "num_named" not in calibration.metrics:
        raise BadRequest(f"{calibration.path}: was made before calibrations were judged: make it anew")
    found = shortfalls(CalibrateModelConfig.model_validate(calibration.config), calibration.metrics)
    return quality_figures(release, found, targets, drops)


def _sign(ctx: PhaseContext[ReleaseGateConfig], release: Release) -> None:
    """Into the output, and beside the bundle, where ``aplantida.verify`` looks for it."""
    from aplantida.export.signing import SIGNATURE_FILE, sign_bundle, signature_beside

    key = _key_file()
    if key is None:
        ctx.log.warning("unsigned: %s names no private key", KEY_VARIABLE)
        return
    signature = ctx.output.scratch / SIGNATURE_FILE
    sign_bundle(release.bundle.path, key, signature)
    beside = signature_beside(release.bundle.path)
    temporary = beside.with_name(f"{beside.name}.tmp")
    shutil.copyfile(signature, temporary)
    temporary.replace(beside)
    ctx.output.publish(signature, f"{ASIDE}{SIGNATURE_FILE}")  # no two signatures by one key are equal
    ctx.log.info("signed by %s: %s", ctx.sources["signer"], beside)


def _key_file() -> Path | None:
    named = os.environ.get(KEY_VARIABLE, "")
    return Path(named) if named else None


def _signer(config: ReleaseGateConfig) -> str:
    """Who signs is part of what a release is; the key itself is not. Without a key, a sealed one is by whom it was."""
    from aplantida.export.signing import signer_of
    from aplantida.release.release_notes import UNSIGNED

    key = _key_file()
    if key is None:
        sealed = bool(config.output) and is_sealed(resolve(config.output))
        earlier = open_artifact(resolve(config.output)).manifest["recipe"]["sources"] if sealed else {}
        return earlier.get("signer", UNSIGNED)
    try:
        return signer_of(key)
    except ValueError as error:
        raise BadRequest(f"{KEY_VARIABLE}: {error}") from error


def _targets(config: ReleaseGateConfig) -> str:
    return hash_file(find_file(config.targets))


def _previous(config: ReleaseGateConfig) -> str:
    from aplantida.release.previous import previous_digest

    return "none" if config.previous is None else previous_digest(resolve(config.previous))


PHASE = Phase(
    name="release_gate",
    config=ReleaseGateConfig,
    inputs={"artifacts": "*+"},
    output="release",
    version=2,
    run=run,
    sources={"targets": _targets, "previous": _previous, "signer": _signer},
    judge=judge,
)
