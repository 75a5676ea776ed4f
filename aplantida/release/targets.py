"""What the plan promised against what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import read_yaml
from aplantida.pipeline.errors import BadRequest
from aplantida.release.manifest import read_json

_KEYS = {"name", "what", "node", "kind", "file", "metric", "bytes_under", "same_seed", "at_least", "at_most", "equals"}
_BOUNDS = {"at_least": "≥", "at_most": "≤", "equals": "="}
_MEASURES = ("metric", "bytes_under", "same_seed")


@dataclass(frozen=True)
class TargetResult:
    """One target as the dashboard prints it.

    Attributes:
        name: of the target.
        what: a sentence.
        target: the bound in words, e.g. ``≥ 0.75``.
        measured: the value found; None when nothing in the run measures it.
        verdict: ``pass``, ``fail`` or ``not measured``.
    """

    name: str
    what: str
    target: str
    measured: Any
    verdict: str


def load_targets(path: Path) -> list[dict[str, Any]]:
    """Read ``targets.yaml``: a list under ``targets``.

    A target names an artifact by ``node`` (its folder) or ``kind``, one measure and one bound. Measures: ``metric``, a
    dotted key into ``file`` (a JSON file of the artifact) or, without ``file``, into what its phase reported;
    ``bytes_under``, the megabytes (10⁶) of the files whose names begin so (``""``: all); ``same_seed: true``, whether
    all artifacts have one seed. Bounds: ``at_least``, ``at_most``, ``equals``.

    Raises:
        BadRequest: naming the target and what is wrong with it.
    """
    content = read_yaml(path).get("targets")
    if not isinstance(content, list) or not content:
        raise BadRequest(f"{path}: want a list under `targets`")
    for item in content:
        if not isinstance(item, dict) or not {"name", "what"} <= set(item):
            raise BadRequest(f"{path}: every target has a name and a `what`; found {item!r}")
        unknown = sorted(set(item) - _KEYS)
        if unknown:
            raise BadRequest(f"{path}: target {item['name']!r}: unknown key {unknown[0]!r}; known: {sorted(_KEYS)}")
        for words in (_MEASURES, tuple(_BOUNDS)):
            if len(set(words) & set(item)) != 1:
                raise BadRequest(f"{path}: target {item['name']!r}: want exactly one of {', '.join(words)}")
        if "same_seed" not in item and len({"node", "kind"} & set(item)) != 1:
            raise BadRequest(f"{path}: target {item['name']!r}: want a node or a kind")
    return content


def judge(targets: Sequence[Mapping[str, Any]], artifacts: Sequence[Artifact]) -> list[TargetResult]:
    """Measure every target on ``artifacts``; what nothing measures is said so, never passed."""
    return [_judge(target, artifacts) for target in targets]


def _judge(target: Mapping[str, Any], artifacts: Sequence[Artifact]) -> TargetResult:
    bound = next(name for name in _BOUNDS if name in target)
    measured = _measure(target, artifacts)
    if measured is None:
        verdict = "not measured"
    elif bound == "at_least":
        verdict = "pass" if measured >= target[bound] else "fail"
    elif bound == "at_most":
        verdict = "pass" if measured <= target[bound] else "fail"
    else:
        verdict = "pass" if measured == target[bound] else "fail"
    words = f"{_BOUNDS[bound]} {target[bound]}".replace("True", "yes")
    return TargetResult(target["name"], target["what"], words, measured, verdict)


def _measure(target: Mapping[str, Any], artifacts: Sequence[Artifact]) -> Any:
    if "same_seed" in target:
        seeds = {artifact.config["seed"] for artifact in artifacts if "seed" in artifact.config}
        return len(seeds) == 1 if seeds else None
    artifact = next(
        (item for item in artifacts if item.path.name == target.get("node") or item.kind == target.get("kind")), None
    )
    if artifact is None:
        return None
    if "bytes_under" in target:
        sizes = [entry.bytes for name, entry in artifact.files.items() if name.startswith(target["bytes_under"])]
        return sum(sizes) / 1e6 if sizes else None
    if "file" in target and target["file"] not in artifact.files:
        return None
    value: Any = read_json(artifact, target["file"]) if "file" in target else artifact.metrics
    for key in target["metric"].split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value
