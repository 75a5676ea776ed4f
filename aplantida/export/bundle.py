"""What a model bundle holds beside the model: golden photos, the model's licence text, and ``bundle.json``.

``bundle.json`` lists under ``files`` what the page and ``aplantida.predict`` may read, each with size and sha256, and
under ``formats`` what is kept for other uses (ONNX, SavedModel) and never downloaded by the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aplantida.domain.escaping import for_file_name, for_markdown
from aplantida.domain.licensing import license_label, may_be_shown_alone, needs_author
from aplantida.domain.seals import SEAL, broken_seal, hash_file, sealed
from aplantida.domain.seeds import derive_seed
from aplantida.export.parity import FloatArray, softmax

FORMAT = "aplantida.bundle/1"
GOLDEN_FORMAT = "aplantida.golden/1"
MANIFEST_FILE = "bundle.json"
MODEL_FOLDER, FORMATS_FOLDER, GOLDEN_FOLDER = "model", "formats", "golden"
KEYS = frozenset(  # of bundle.json
    {
        *("format", "name", "version", "architecture", "image_size", "num_classes", "license"),
        *("inputs", "files", "formats", "region", SEAL),
    }
)
CREDIT_COLUMNS = ("image_id", "scientific_name", "author", "license_id", "url", "source")


def may_be_golden(license_id: str, author: str | None) -> bool:
    """Whether a photo may ship inside a bundle: CC0, or plain CC BY with an author to credit."""
    return may_be_shown_alone(license_id) and (not needs_author(license_id) or bool((author or "").strip()))


def choose_golden(candidates: Sequence[tuple[str, int]], num_golden: int, seed: int) -> list[str]:
    """Ids of the golden photos: as many classes as possible, then second photos and so on, drawn by hash.

    Args:
        candidates: (image id, class index) of the photos that may be taken.
        num_golden: how many, fewer when there are not so many.
        seed: of the draw; a photo's place does not depend on the other photos of its class.
    """
    ranked = sorted(candidates, key=lambda item: (derive_seed(seed, "golden", item[0]), item[0]))
    rounds: dict[int, int] = {}
    placed: list[tuple[int, int, str]] = []
    for place, (image_id, class_index) in enumerate(ranked):
        placed.append((rounds.get(class_index, 0), place, image_id))
        rounds[class_index] = rounds.get(class_index, 0) + 1
    return [image_id for _, _, image_id in sorted(placed)[:num_golden]]


def golden_name(image_id: str) -> str:
    """A golden photo's file below ``GOLDEN_FOLDER``."""
    return f"{for_file_name(image_id)}.jpg"


def golden_json(
    photos: Sequence[Mapping[str, Any]], logits: FloatArray, temperature: float, class_ids: Sequence[str], k: int = 5
) -> dict[str, Any]:
    """``golden.json``: each photo's file, credit and the answer that the checkpoint gives in torch.

    Args:
        photos: rows with the columns of ``CREDIT_COLUMNS``.
        logits: (N, C) of these photos.
        temperature: of ``decision.json``.
        class_ids: (C,) in output order.
        k: how many of the likeliest classes are noted.
    """
    rows = []
    for photo, probabilities in zip(photos, softmax(logits, temperature), strict=True):
        order = np.argsort(-probabilities, kind="stable")[:k]
        top = [{"class_id": class_ids[at], "probability": round(float(probabilities[at]), 6)} for at in order.tolist()]
        credit = {name: photo[name] for name in CREDIT_COLUMNS}
        rows.append({"file": golden_name(photo["image_id"]), **credit, "expected": top})
    return {"format": GOLDEN_FORMAT, "temperature": temperature, "photos": rows}


def bundle_json(
    name: str,
    version: str,
    facts: Mapping[str, Any],
    inputs: Mapping[str, str],
    entries: Mapping[str, tuple[int, str]],
) -> dict[str, Any]:
    """``bundle.json``.

    Args:
        name: of the bundle.
        version: of the bundle.
        facts: more keys that describe the model; among them ``region`` where only the species of one are named.
        inputs: digests of the artifacts it was made from, by input name.
        entries: every other file of the bundle: name → (bytes, sha256).

    Returns:
        The document with its seal, so that a bundle that went anywhere says itself whether it is whole.
    """
    listed = {file: {"bytes": size, "sha256": digest} for file, (size, digest) in sorted(entries.items())}
    kept = {file: entry for file, entry in listed.items() if file.startswith(f"{FORMATS_FOLDER}/")}
    return sealed(
        {
            "format": FORMAT,
            "name": name,
            "version": version,
            **facts,
            "inputs": dict(sorted(inputs.items())),
            "files": {file: entry for file, entry in listed.items() if file not in kept},
            "formats": kept,
        }
    )


def altered_files(folder: Path) -> list[str]:
    """Names of the bundle's files that are missing, links, or differ from ``bundle.json``; empty when all is well.

    ``bundle.json`` itself is among them when its seal is broken.

    Raises:
        ValueError: when ``bundle.json`` is no bundle's, is of another format, or lists a file outside the bundle.
    """
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise ValueError(f"{folder / MANIFEST_FILE}: format {found!r}, want {FORMAT!r}")
    listed = {**manifest["files"], **manifest["formats"]}
    altered = [MANIFEST_FILE] if broken_seal(manifest) else []
    return altered + [name for name in listed if not _is_whole(folder, name, listed[name]["sha256"])]


def _is_whole(folder: Path, name: str, sha256: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{folder / MANIFEST_FILE} lists {name!r}, which does not lie in the bundle")
    file = folder / path
    if any(place.is_symlink() for place in (file, *file.parents[: len(path.parts) - 1])) or not file.is_file():
        return False
    return hash_file(file) == sha256


def license_text(name: str, version: str, model_license: str, report: Mapping[str, Any], full_list: str) -> str:
    """``LICENSE-MODEL.md``: under what the weights are given, and what went into them.

    Args:
        name: of the bundle.
        version: of the bundle.
        model_license: SPDX id of the weights' licence.
        report: ``license_report.json``.
        full_list: where every photo is listed.
    """
    lines = [
        f"# Licence of the model {for_markdown(name)} {for_markdown(version)}",
        "",
        f"The weights (`{MODEL_FOLDER}/`, `{FORMATS_FOLDER}/`) are given under **{for_markdown(model_license)}**.",
        "The page's program files are under Apache-2.0; TensorFlow.js inside them is under Apache-2.0 too.",
        f"The photos in `{GOLDEN_FOLDER}/` keep their own licences, named in `{GOLDEN_FOLDER}/golden.json`.",
        "",
        "## Photos the model was trained and measured on",
        "",
        "The page credits the authors of every species it names, from `credits/`; `attributions.html` sums up.",
        f"Every photo, with its author, licence and address: {_address(full_list)}",
        "",
        "| licence | photos |",
        "|---|---:|",
        *(
            f"| {for_markdown(license_label(license_id))} | {count} |"
            for license_id, count in sorted(report["photos"]["by_license"].items())
        ),
        "",
        *_decision_lines(report.get("decisions", [])),
        "## Weights the training began with",
        "",
        *(_weights_lines(report["weights"]) or ["None: everything was trained from random weights."]),
    ]
    return "\n".join(lines) + "\n"


def _decision_lines(decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was asked about licences of photos, and who decided what."""
    lines: list[str] = []
    for row in decisions:
        made = row["decision"] or {"decided": "not decided", "by": "nobody", "date": "never"}
        asked = f"- {for_markdown(row['about'])}, {row['num_photos']} photos: {for_markdown(row['question'])}"
        answer = (
            f"{for_markdown(made['decided'])} (decided by {for_markdown(made['by'])}, {for_markdown(made['date'])})"
        )
        lines.append(f"{asked} {answer}")
    return ["## Decisions", "", *lines, ""] if lines else []


def _weights_lines(weights: Sequence[Mapping[str, Any]]) -> list[str]:
    origins = {(row["pretrained"], row["pretrained_license"]) for row in weights if row.get("pretrained")}
    return [
        f"- {for_markdown(source)}: {for_markdown(str(license_id))}" for source, license_id in sorted(origins, key=str)
    ]


def _address(text: str) -> str:
    """A web address as it is where Markdown leaves it alone; anything else is text."""
    return text if re.fullmatch(r"https?://[^\s<>()\[\]\\`*|\"]+", text) else for_markdown(text)
