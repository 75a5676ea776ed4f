"""Files of weights from elsewhere: read as tensors alone, so that nothing a file holds is ever executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file

_SNIFFED_BYTES = 512
_GLOBAL = re.compile(r"GLOBAL `?([\w.]+)")
_WANTED = "want a state dict as torch.save writes it, or .safetensors"
_NESTED_IN = ("state_dict", "model", "state_dict_ema", "model_ema")  # as training programs write them


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by name, on the CPU. What kind of file it is, its bytes say.

    Args:
        path: a state dict of ``torch.save``, or safetensors. One that lies under a name in a larger file is read too:
            under ``state_dict``, ``model`` or those of averaged weights (the first of them with tensors), else the only
            one there is.

    Raises:
        ValueError: in one line, naming the file: absent, of another kind, cut off, or more than weights.
    """
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    load: Any = load_file if in_safetensors(path) else _load_torch
    try:
        state: Any = load(path)
    except Exception as error:  # whatever a file brings about in a reader is that file's fault
        raise ValueError(_trouble(path, error)) from None
    nested = {name: _tensors_of(inner) for name, inner in state.items()} if isinstance(state, Mapping) else {}
    nested = {name: tensors for name, tensors in nested.items() if tensors}
    for name in _NESTED_IN:
        if name in nested:
            return nested[name]
    if tensors := _tensors_of(state):
        return tensors
    if len(nested) > 1:
        raise ValueError(f"{path} holds several sets of tensors ({', '.join(map(repr, nested))}): {_WANTED} of one")
    if not nested:
        raise ValueError(f"{path} holds no tensors by name (a {type(state).__name__}): {_WANTED}")
    return next(iter(nested.values()))


def _tensors_of(state: Any) -> dict[str, torch.Tensor]:
    """The tensors of a mapping that have names."""
    found = cast("Mapping[Any, Any]", state).items() if isinstance(state, Mapping) else ()
    return {key: value for key, value in found if isinstance(key, str) and isinstance(value, torch.Tensor)}


def _load_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def in_safetensors(path: Path) -> bool:
    """Whether a file is safetensors, else one of ``torch.save``: by its first bytes.

    Raises:
        ValueError: for a file that is neither that nor of ``torch.save``.
    """
    with path.open("rb") as stream:
        begin = stream.read(_SNIFFED_BYTES)
    if begin[8:9] == b"{":  # behind the length of the header
        return True
    if begin.startswith(b"PK\x03\x04") or begin[:1] == b"\x80":  # torch's archive, and its pickle of old
        return False
    raise ValueError(f"{path} is no file of weights, but {_likely(begin)}: {_WANTED}")


def _likely(begin: bytes) -> str:
    if not begin:
        return "empty"
    if begin.startswith(b"version https://git-lfs"):
        return "a pointer of git-lfs (`git lfs pull` fetches what it points to)"
    if begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page (open its address in a browser: it may want a login, or have moved)"
    if begin.startswith(b"\x1f\x8b"):
        return "packed with gzip (unpack it)"
    is_text = all(byte >= 0x20 or byte in b"\t\n\r" for byte in begin)
    return f"a {'text' if is_text else 'file'} that begins with {begin[:20]!r}"


def _trouble(path: Path, error: Exception) -> str:
    text = " ".join(str(error).split())
    if code := _GLOBAL.search(text):
        return (
            f"{path} holds code ({code[1]}) beside weights; nothing of it was run. Take weights from who is trusted: "
            f"{_WANTED}"
        )
    said = "cut off, or altered" if "archive" in text or isinstance(error, EOFError) else type(error).__name__
    return f"{path} cannot be read as weights ({said}; {path.stat().st_size} bytes); nothing of it was run: {_WANTED}"
