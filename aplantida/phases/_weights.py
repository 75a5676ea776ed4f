"""What a training begins from: which weights, under what licence, and who says so. Refused before any work."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aplantida.domain.seals import hash_once
from aplantida.domain.weights import Origin, Statement, read_statements, refusal, same_license, spelled
from aplantida.pipeline.config import expand, find_file, read_yaml, root
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.models.pretrained import Published
    from aplantida.phases._training_config import ModelSection

HUB = "hub:"  # in front of a path: a file of timm's hub, which timm itself knows how to read


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """The weights of a training.

    Attributes:
        path: None from scratch.
        origin: as the model card has it: a name (never a folder) and the file's sha256.
        license: SPDX id.
    """

    path: Path | None = None
    origin: Origin | None = None
    license: str | None = None

    @property
    def initial(self) -> str | Path | None:
        """As a task takes it."""
        return f"{HUB}{self.path}" if self.origin is not None and self.origin.is_hub else self.path

    @property
    def digest(self) -> str:
        """Of the source: ``none``, a file's sha256, or the hub's file with repository, revision and sha256."""
        if self.origin is None:
            return "none"
        return str(self.origin) if self.origin.is_hub else str(self.origin.sha256)


def stated_weights(file: str) -> dict[str, Statement]:
    """What is stated of weights files, by sha256.

    Raises:
        BadRequest: when the list cannot be read.
    """
    path = find_file(file)
    try:
        return read_statements(read_yaml(path))
    except ValueError as error:
        raise BadRequest(f"{path}: {error}") from error


def initial_weights(model: ModelSection) -> InitialWeights:
    """The weights that a config names; the hub is asked for them.

    Raises:
        BadRequest: when they are not there, or their licence is unknown, not allowed, or said differently by two.
    """
    if model.pretrained is False:
        return InitialWeights()
    if model.pretrained is True:
        return _of_hub(model)
    path = root() / expand(model.pretrained)
    if not path.is_file():
        raise BadRequest(
            f"model.pretrained: {model.pretrained!r} is {path}, where no file is; want true, false or a file"
        )
    sha256 = hash_once(path)
    said = stated_weights(model.weights_list).get(sha256)
    if said is None:
        _check_kind(path)
        raise BadRequest(
            f"model.pretrained: {path.name}: nothing is known of weights with sha256 {sha256}: say in "
            f"{model.weights_list} under which licence they are, from where, and who says so"
        )
    _check(model, path.name, said.license, f"{model.weights_list} ({said.said_by})")
    return InitialWeights(path, Origin(path.name, sha256), spelled(said.license))


def look_at_weights(model: ModelSection) -> None:
    """Look at the weights that a config names, without asking the hub for them.

    Raises:
        BadRequest: as :func:`initial_weights`.
    """
    if model.pretrained is True:
        _published(model)
    else:
        initial_weights(model)


def _check_kind(path: Path) -> None:
    from aplantida.models.weights_file import in_safetensors

    try:
        in_safetensors(path)
    except ValueError as error:
        raise BadRequest(f"model.pretrained: {error}") from None


def check_loads(weights: InitialWeights, architecture: str, width: float) -> None:
    """Load the weights once before any work: a training would find out in each of its workers what is wrong with them.

    Raises:
        BadRequest: in one line, when their file is no weights file, or one of another architecture.
    """
    if weights.path is None:
        return
    from aplantida.models.weights_file import read_weights
    from aplantida.models.zoo import create_model

    try:
        if isinstance(weights.initial, str):  # of timm's hub: timm adapts some of these
            read_weights(weights.path)
        else:
            create_model(architecture, 1, width=width, pretrained=weights.path)
    except ValueError as error:
        raise BadRequest(f"model.pretrained: {error}") from None


def _published(model: ModelSection) -> Published:
    """The hub's weights of a network, whose licence may be used: said before a byte of them is asked for."""
    from aplantida.models.pretrained import published
    from aplantida.models.zoo import timm_name

    try:
        weights = published(timm_name(model.name, getattr(model, "width", 1.0)))
    except ValueError as error:
        raise BadRequest(f"model.pretrained: true: {error}") from error
    _check(model, weights.hub_id, weights.license, "timm")
    return weights


def _of_hub(model: ModelSection) -> InitialWeights:
    from aplantida.models.pretrained import fetch

    weights = _published(model)
    try:
        file = fetch(weights, model.revision)
    except ValueError as error:
        raise BadRequest(f"model.pretrained: true: {error}") from error
    said = stated_weights(model.weights_list).get(file.sha256)
    if said is not None and not same_license(said.license, weights.license):
        raise BadRequest(
            f"model.pretrained: true: {weights.hub_id}: timm says {weights.license}, {model.weights_list} says "
            f"{said.license} of sha256 {file.sha256} ({said.said_by}): find out who is right"
        )
    return InitialWeights(file.path, Origin(f"{weights.hub_id}@{file.revision}", file.sha256), spelled(weights.license))


def _check(model: ModelSection, name: str, license_id: str | None, said_by: str) -> None:
    why = refusal(license_id, model.allowed_licenses)
    if why is not None:
        raise BadRequest(f"model.pretrained: weights of {name}: {why} (says {said_by})")
    if model.pretrained_license is not None and not same_license(model.pretrained_license, license_id):
        raise BadRequest(
            f"model.pretrained_license: {model.pretrained_license!r}, but {said_by} says {license_id} of {name}; "
            "null takes what is said there"
        )


def placed(ctx: PhaseContext[Any], initial: str | Path | None, origin: str | None) -> str | Path | None:
    """Initial weights where all workers see them, and the very bytes that were looked at.

    A file is copied into the output, and the copy is hashed: a hub's cache is this machine's alone, and what lies where
    a config says may become another file before a worker loads it. A checkpoint's folder is an artifact, which was
    hashed when it was opened.

    Raises:
        BadRequest: when the file is no longer the one that was looked at.
    """
    if initial is None or (isinstance(initial, Path) and initial.is_dir()):
        return initial
    text, wanted = str(initial), Origin.parse(origin or "").sha256
    source = Path(text.removeprefix(HUB))
    target = ctx.output.scratch / f"initial_weights{source.suffix}"
    if not target.is_file() or hash_once(target) != wanted:
        _copy(source, target, wanted, origin)
    return f"{HUB}{target}" if text.startswith(HUB) else target


def _copy(source: Path, target: Path, wanted: str | None, origin: str | None) -> None:
    temporary = target.with_name(f"{target.name}.tmp")
    if source.is_file():
        shutil.copyfile(source, temporary)
    found = hash_once(temporary) if source.is_file() else "not there"
    if found != wanted:
        temporary.unlink(missing_ok=True)
        raise BadRequest(f"{source} ({found}) is not the file of {origin} any more")
    temporary.replace(target)
