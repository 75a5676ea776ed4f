"""Pretrained weights of timm's hub: what timm says of them, and the very file that is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from timm.models import get_pretrained_cfg

from aplantida.domain.seals import hash_once

_FILES = ("model.safetensors", "pytorch_model.bin")  # as timm looks for them
_PATIENCE_SECONDS = 10.0  # for the hub's first word
_LONGEST_LINE = 300  # characters of what it says


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
    """The weights' file, downloaded unless the cache has it. A hub that does not answer is asked once.

    Args:
        weights: which.
        revision: commit of the repository, or a branch; None takes what is published now.

    Raises:
        ValueError: in one line with what helps, when the hub has no such file or revision, or neither it nor the cache
            can be asked.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # of each time that it tries again
    trouble: Exception | None = None
    for file in (weights.file,) if weights.file else _FILES:
        try:
            trouble = trouble or _trouble_at(weights.hub_id, file, revision)
            cached_only = trouble is not None
            path = Path(hf_hub_download(weights.hub_id, file, revision=revision, local_files_only=cached_only))
        except (_Absent, LocalEntryNotFoundError):
            continue
        except Exception as error:  # whatever the client raises: no such repository or revision, no right, a full disk
            raise ValueError(f"{weights.hub_id}: {_line(error)}") from None
        return HubFile(path, _commit_of(path), hash_once(path.resolve()))
    if trouble is None:
        raise ValueError(f"{weights.hub_id}, {weights.file or ' or '.join(_FILES)}: the hub has no such file")
    raise ValueError(
        f"{weights.hub_id}: no hub at {constants.ENDPOINT} ({_line(trouble)}), and the cache {constants.HF_HUB_CACHE} "
        "lacks the file: run once where the hub can be reached and take that folder along (HF_HUB_CACHE says where it "
        "is), or name a file of weights in place of true, or say false"
    )


class _Absent(Exception):
    """The hub has the repository, and not the file."""


def _trouble_at(repository: str, file: str, revision: str | None) -> Exception | None:
    """Why the hub cannot be asked for a file; None where it can.

    Raises:
        _Absent: when it answers that it has none.
        huggingface_hub.errors.HfHubHTTPError: when it has no such repository or revision, or gives no access.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        found = get_hf_file_metadata(hf_hub_url(repository, file, revision=revision), timeout=_PATIENCE_SECONDS)
    except RemoteEntryNotFoundError:
        raise _Absent from None
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception as error:  # no network, another server in its place, an answer 5xx
        return error
    return None if found.commit_hash and found.etag else ValueError("what answers there is no hub")


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST_LINE]


def _commit_of(path: Path) -> str:
    """The hub's cache keeps a file below ``snapshots/<commit>``."""
    parts = path.parts
    return parts[len(parts) - parts[::-1].index("snapshots")]
