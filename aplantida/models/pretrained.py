"""Pretrained weights of timm's hub: what timm says of them, and the very file that is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from timm.models import get_pretrained_cfg

from aplantida.domain.seals import hash_once

_FILES = ("model.safetensors", "pytorch_model.bin")  # as timm looks for them


@dataclass(frozen=True, slots=True)
class Published:
    """What timm's ``pretrained_cfg`` says of an architecture's weights.

    Attributes:
        hub_id: of the hub's repository.
        tag: which of the architecture's weights.
        license: as timm spells it; None where it does not say.
        file: its name in the repository; None for timm's usual ones.
    """

    hub_id: str
    tag: str
    license: str | None
    file: str | None


@dataclass(frozen=True, slots=True)
class HubFile:
    """A weights file of the hub, on this machine: where, of which commit of its repository, and its sha256 (hex)."""

    path: Path
    revision: str
    sha256: str


def published(name: str) -> Published:
    """What timm says of the weights it would load for ``name`` (a timm name, with or without a tag).

    Raises:
        ValueError: when it has none on a hub.
    """
    config = get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise ValueError(f"timm has no weights of {name} on a hub: download a file, or say false")
    return Published(config.hf_hub_id, config.tag or "", config.license or None, config.hf_hub_filename)


def fetch(weights: Published, revision: str | None) -> HubFile:
    """The weights' file, downloaded unless the cache has it.

    Args:
        weights: which.
        revision: commit of the repository, or a branch; None takes what is published now.

    Raises:
        ValueError: when the hub has no such file or revision, or neither it nor the cache can be asked.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    why = "the hub has no such file"
    for file in (weights.file,) if weights.file else _FILES:
        try:
            path = Path(hf_hub_download(weights.hub_id, file, revision=revision))
        except LocalEntryNotFoundError:
            why = "the hub cannot be reached, and its cache lacks the file"
            continue
        except EntryNotFoundError:
            continue
        except Exception as error:  # whatever the client raises: no such repository or revision, no right, no network
            raise ValueError(f"{weights.hub_id}: {type(error).__name__}: {error}") from error
        return HubFile(path, _commit_of(path), hash_once(path.resolve()))
    raise ValueError(f"{weights.hub_id}, {weights.file or ' or '.join(_FILES)}: {why}")


def _commit_of(path: Path) -> str:
    """The hub's cache keeps a file below ``snapshots/<commit>``."""
    parts = path.parts
    return parts[len(parts) - parts[::-1].index("snapshots")]
