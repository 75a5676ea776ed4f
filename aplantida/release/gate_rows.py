"""What a release must be: one function a row of the release gate's table, each says what is red in it.

What bounds may change is kept as figures (:func:`sizes`, :func:`quality_figures`), and judged by :func:`judge_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aplantida.export.bundle import MANIFEST_FILE, MODEL_FOLDER
from aplantida.pipeline.artifact import Artifact, hash_file
from aplantida.pipeline.errors import PhaseError
from aplantida.release.lineage import trace
from aplantida.release.manifest import FILE_NAME, read_manifest
from aplantida.release.previous import Drop, ReleaseFacts
from aplantida.release.release_parts import Release
from aplantida.release.targets import TargetResult
from aplantida.release.verification import Subject, verify, verify_together

ROWS = ("licences", "decisions", "parity", "size", "quality", "integrity", "manifest")
RUNTIMES = {"onnx", "saved_model", "tfjs", "page"}
_NAMED = 5


def license_problems(release: Release) -> list[str]:
    """Whether every photo and all weights may be shipped, and were looked at."""
    report, found = release.licenses, list[str]()
    if report.get("violations"):
        found.append(f"{report['violations']} licence violations")
    if not report["production_safe"] and not report.get("decisions_needed"):
        found.append(f"{release.license_report.path}: production_safe is false")
    digests = {given["digest"] for given in release.license_report.inputs.get("checkpoints", [])}
    if not digests & {given["digest"] for given in release.bundle.inputs.get("checkpoint", [])}:
        found.append(f"{release.license_report.path}: did not look at the checkpoint in the bundle")
    return found


def decision_problems(release: Release) -> list[str]:
    """Whether somebody decided what the policy asks about."""
    needed = release.licenses.get("decisions_needed", [])
    return [f"nobody has decided about {about}: say who, what and when under `decisions`" for about in needed]


def parity_problems(release: Release, judged: Sequence[str]) -> list[str]:
    """Whether a browser that ran this very bundle agrees with torch; ``judged`` by each validation's own bounds."""
    if not release.validations:
        return [f"no validation of this bundle ({release.bundle.digest[:12]}) was given"]
    missing = sorted(RUNTIMES.difference(*(item.metrics["runtimes"] for item in release.validations)))
    return [*judged, *(f"{name} was not compared" for name in missing)]


def integrity_problems(release: Release) -> list[str]:
    """Hash all artifacts of the lineage to the last byte, shards included."""
    verdicts = [verify(Subject(item.path, "artifact")) for item in release.lineage.artifacts]
    verify_together(verdicts)
    found = [f"{verdict.place.name}/{text}" for verdict in verdicts for text in verdict.differences]
    return shortened([*release.lineage.problems, *found])


def sameness_problems(now: ReleaseFacts, before: ReleaseFacts | None) -> list[str]:
    """Whether the last release is the very same or has another name: nobody could tell two of one version apart."""
    if before is None or before.bundle_sha256 == now.bundle_sha256:
        return []
    if (before.name, before.version, before.region) != (now.name, now.version, now.region):
        return []
    of_region = "" if now.region is None else f" ({now.region})"
    return [
        f"previous: {now.name} {now.version}{of_region} was released with another {MANIFEST_FILE} "
        f"({before.bundle_sha256[:12]}, this one is {now.bundle_sha256[:12]}): give this one another version"
    ]


def manifest_problems(release: Release) -> list[str]:
    """Whether a training manifest describes this very bundle, and all that it was made from."""
    manifests = [item for item in release.everything if item.kind == "manifest"]
    tried = [_manifest_problems(release, manifest) for manifest in manifests]
    if not tried:
        return ["no manifest was given"]
    return min(tried, key=len)


def _manifest_problems(release: Release, artifact: Artifact) -> list[str]:
    version = release.facts["version"]
    name = FILE_NAME.format(version=version)
    if name not in artifact.files:
        return [f"{artifact.path}: holds {', '.join(sorted(artifact.files))}; the bundle is of version {version}"]
    file = artifact.file(name)
    try:
        manifest = read_manifest(file)
    except PhaseError as error:
        return [str(error)]
    found: list[str] = []
    if manifest["name"] != release.facts["name"]:
        found.append(f"{name}: is of {manifest['name']}, the bundle of {release.facts['name']}")
    described = {item["digest"]: item for item in manifest["artifacts"].values()}
    bundle = described.get(release.bundle.digest)
    sha256 = hash_file(release.bundle.file(MANIFEST_FILE))
    if bundle is None or bundle.get("files", {}).get(MANIFEST_FILE) != sha256:
        found.append(f"{name}: describes no bundle whose {MANIFEST_FILE} has the sha256 {sha256}")
    missing = [item for item in trace([release.bundle]).artifacts if item.digest not in described]
    found += [
        f"{name}: lacks {item.path.name} ({item.digest[:12]}), from which the bundle was made" for item in missing
    ]
    return shortened(found)


def sizes(release: Release) -> dict[str, int]:
    """Bytes of the bundle's files: ``bundle`` all, ``model`` and ``credits`` those a page loads of them."""
    entries = release.bundle.files

    def under(folder: str) -> int:
        return sum(entry.bytes for name, entry in entries.items() if name.startswith(folder))

    return {"bundle": under(""), "model": under(f"{MODEL_FOLDER}/"), "credits": under("credits/")}


def quality_figures(
    release: Release, shortfalls: Sequence[str], targets: Sequence[TargetResult], drops: Sequence[Drop]
) -> dict[str, Any]:
    """What quality is judged by, as JSON.

    Args:
        release: what is released.
        shortfalls: bounds of its calibration that val does not keep.
        targets: of ``targets.yaml``, measured.
        drops: every part that the last release measured.
    """
    problems = list(
        dict.fromkeys([*release.decision.get("unsure_because", []), *shortfalls, *_broken_promise(release)])
    )
    return {
        "problems": problems,
        "always_unsure": "unsure_because" in release.decision,
        "targets": {item.name: [item.target, item.measured, item.verdict] for item in targets},
        "drops": {item.part: [item.before, item.now] for item in drops},
    }


def _broken_promise(release: Release) -> list[str]:
    """Of the photos that all rules together name, gates for strangers included."""
    promised = release.calibrated["threshold"]["target_precision"]
    named = release.calibrated["rules"]["outcomes"]["species"]
    if not named["num_photos"] or named["precision_interval"][1] >= promised:
        return []
    return [
        f"a precision of {promised:g} is promised; of {named['num_photos']} test photos that are named "
        f"{named['precision']:.3f} are right, at most {named['precision_interval'][1]:.3f} at 95 %"
    ]


def judge_rows(gates: Any, metrics: Mapping[str, Any]) -> dict[str, list[str]]:
    """By row, in the order of ``ROWS``, what is red.

    Args:
        gates: of release_gate: ``max_bundle_bytes``, ``required``, ``max_drop``, ``ship_unsure``.
        metrics: of release_gate: ``rows`` (what no bound changes), ``sizes``, ``size_limits``, ``quality``.
    """
    rows: dict[str, list[str]] = {name: list(metrics["rows"].get(name, [])) for name in ROWS}
    limits = {"bundle": gates.max_bundle_bytes, **metrics["size_limits"]}
    rows["size"] += [
        f"{name}: {metrics['sizes'][name]} bytes, the limit is {limit}"
        for name, limit in limits.items()
        if metrics["sizes"][name] > limit
    ]
    quality = metrics["quality"]
    rows["quality"] += _quality(gates, quality)
    if gates.ship_unsure and quality["always_unsure"]:
        rows["quality"] = []
    elif rows["quality"] and gates.ship_unsure:
        rows["quality"].append(
            "gates.ship_unsure is for a bundle whose decision is always unsure; this one names species"
        )
    return rows


def _quality(gates: Any, quality: Mapping[str, Any]) -> list[str]:
    found = list(quality["problems"])
    for name in gates.required:
        target, measured, verdict = quality["targets"].get(name, ["of targets.yaml", None, "not there"])
        if verdict != "pass":
            found.append(f"required: {name}: want {target}, measured {measured}: {verdict}")
    for part, (before, now) in quality["drops"].items():
        if now is None:
            found.append(f"{part}: the last release had top-1 {before:.3f}, this one was not measured there")
        elif before - now > gates.max_drop + 1e-9:
            found.append(f"{part}: top-1 {now:.3f}, the last release had {before:.3f}; max_drop is {gates.max_drop:g}")
    return found


def shortened(texts: Sequence[str]) -> list[str]:
    """The first few, and how many more."""
    more = [f"… and {len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    return [*texts[:_NAMED], *more]
