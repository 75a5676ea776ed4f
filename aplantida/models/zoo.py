"""Models by name: a timm body, dropout and one of our heads."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from aplantida.models.heads import create_head
from aplantida.models.weights_file import read_weights

STUDENT_NAMES = ("mobilenetv2", "mobilenetv2_100")
_WIDTHS = {0.35: "035", 0.5: "050", 0.75: "075", 1.0: "100", 1.4: "140"}
_ANY_SIZE = ("vit_", "deit_", "deit3_", "eva02_", "beit_")
_log = logging.getLogger(__name__)


class PlantModel(nn.Module):
    """``logits = head(dropout(pooled))``.

    Attributes:
        body: timm network without classifier: (N, 3, S, S) → (N, F).
        num_features: F.
        head: (N, F) → (N, C).
        head_only: while True, nothing flows back into the body.
        mirrored: the answer to a photo is the mean of it and its mirror image (not while training): both go through the
            body as one batch, twice the work.
    """

    def __init__(self, body: nn.Module, num_features: int, head: nn.Module, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.num_features = num_features
        self.dropout = nn.Dropout(dropout)
        self.head = head
        self.head_only = False
        self.mirrored = False

    def pooled(self, photos: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) normalized photos → (N, F) pooled features."""
        if self.head_only:
            with torch.no_grad():
                return self.body(photos)
        if self.mirrored and not self.training:
            backwards = torch.arange(photos.shape[3] - 1, -1, -1, device=photos.device)
            mirror_images = photos.index_select(3, backwards)  # not flip, which onnx2tf turns about the wrong axis
            plain, mirrored = self.body(torch.cat([photos, mirror_images])).chunk(2)
            return (plain + mirrored) * 0.5
        return self.body(photos)

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) normalized photos → (N, C) logits."""
        return self.head(self.dropout(self.pooled(photos)))


def create_model(
    architecture: str,
    num_classes: int,
    *,
    head_rank: int | None = None,
    dropout: float = 0.0,
    width: float = 1.0,
    pretrained: bool | Path = False,
    from_hub: bool = False,
) -> PlantModel:
    """A model ready to train.

    Args:
        architecture: a timm name; ``mobilenetv2`` (with ``width``) is the student's.
        num_classes: C.
        head_rank: rank of a low-rank head; None for a dense one.
        dropout: probability before the head, 0 to 1.
        width: channel multiplier of ``mobilenetv2``: 0.35, 0.5, 0.75, 1.0 or 1.4; 1.0 for anything else.
        pretrained: False from scratch, True from timm's hub, or a .pth / .safetensors file in timm's key names.
        from_hub: the file is one of timm's hub, which timm reads itself (it adapts some architectures' files).

    Raises:
        ValueError: for an unknown architecture or width, or a file that does not fit.
    """
    name = timm_name(architecture, width)
    options: dict[str, Any] = {"dynamic_img_size": True} if name.startswith(_ANY_SIZE) else {}
    if from_hub and isinstance(pretrained, Path):
        options["pretrained_cfg_overlay"] = {"file": str(pretrained), "custom_load": False}
    body = timm.create_model(name, pretrained=pretrained is True or from_hub, num_classes=0, **options)
    num_features = _width_of(body)
    if isinstance(pretrained, Path) and not from_hub:
        load_body(body, pretrained)
    return PlantModel(body, num_features, create_head(num_features, num_classes, head_rank), dropout)


def timm_name(architecture: str, width: float = 1.0) -> str:
    """The timm name of an architecture at a width.

    Raises:
        ValueError: when timm does not know it, or has no such width.
    """
    if architecture in STUDENT_NAMES:
        if width not in _WIDTHS:
            raise ValueError(f"width of {architecture} must be one of {sorted(_WIDTHS)}, not {width}")
        return f"mobilenetv2_{_WIDTHS[width]}"
    if width != 1.0:
        raise ValueError(f"width {width} is for {STUDENT_NAMES[0]} only; {architecture!r} has one width, 1.0")
    if not timm.is_model(architecture):
        raise ValueError(f"architecture {architecture!r} is not a timm model; see timm.list_models()")
    return architecture


def _width_of(body: Any) -> int:
    return int(getattr(body, "head_hidden_size", None) or body.num_features)


def load_body(body: nn.Module, path: Path) -> tuple[list[str], list[str]]:
    """Load pretrained weights into ``body`` and log what did not fit.

    Args:
        body: a timm model without classifier.
        path: ``.pth`` (a state dict, or one under ``state_dict`` / ``model``) or ``.safetensors``.

    Returns:
        (missing, unused): the body's tensors the file lacks, and the file's tensors that found no place.

    Raises:
        ValueError: when the file is absent or no weights file, or has less than 90 % of the body's tensors.
    """
    state, own = read_weights(path), body.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and value.shape == own[key].shape}
    missing = sorted(key for key in own if key not in fitting and not key.endswith("num_batches_tracked"))
    unused = sorted(key for key in state if key not in fitting)
    if len(missing) > 0.1 * len(own):
        raise ValueError(
            f"{path} lacks {len(missing)} of the {len(own)} tensors of {type(body).__name__}, the first being "
            f"{missing[0]!r}; want a state dict in timm's key names of the same architecture"
        )
    body.load_state_dict(fitting, strict=False)
    _log.info("pretrained %s: %d tensors loaded, missing %s, unused %s", path.name, len(fitting), missing, unused)
    return missing, unused
