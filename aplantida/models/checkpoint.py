"""Checkpoints: ``model.safetensors`` and ``model.json``, the card that says how to build the model and feed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from aplantida.domain.preprocessing import Preprocessing
from aplantida.models.folding import fold_batch_norm
from aplantida.models.zoo import PlantModel, create_model

FORMAT = "aplantida.model/1"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
SCALE_SUFFIX, MINIMUM_SUFFIX = "::scale", "::minimum"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a checkpoint is.

    Attributes:
        architecture: a name :func:`create_model` knows.
        num_classes: outputs, equal to ``len(class_ids)``.
        head_rank: rank of the low-rank head; None when dense.
        dropout: probability before the head while training.
        width: channel multiplier.
        preprocessing: how a photo becomes the input.
        class_ids: the classes in output order.
        mirrored: whether the answer is the mean of a photo and its mirror image.
        folded: whether batch normalization has been folded into the convolutions (see ``models.folding``).
        precision: how tensors are stored: name → ``float16`` or ``uint8``; missing means float32.
        pretrained: where the initial weights came from; None from scratch.
        pretrained_license: their licence.
    """

    architecture: str
    num_classes: int
    head_rank: int | None = None
    dropout: float = 0.0
    width: float = 1.0
    preprocessing: Preprocessing
    class_ids: tuple[str, ...]
    mirrored: bool = False
    folded: bool = False
    precision: dict[str, str] = field(default_factory=dict)
    pretrained: str | None = None
    pretrained_license: str | None = None

    def __post_init__(self) -> None:
        """Refuse a card that contradicts itself."""
        if self.num_classes != len(self.class_ids):
            raise ValueError(f"model card: num_classes {self.num_classes}, but {len(self.class_ids)} class ids")
        wrong = {name: kind for name, kind in self.precision.items() if kind not in ("float16", "uint8")}
        if wrong:
            raise ValueError(f"model card: precision must be float16 or uint8, not {wrong}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "format": FORMAT,
            **asdict(self),
            "preprocessing": self.preprocessing.to_json(),
            "class_ids": list(self.class_ids),
            "precision": dict(sorted(self.precision.items())),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ModelCard:
        """Inverse of :meth:`to_json`.

        Raises:
            ValueError: when the format is not this one.
        """
        if value.get("format") != FORMAT:
            raise ValueError(f"model card: format {value.get('format')!r}, want {FORMAT!r}")
        rest = {key: item for key, item in value.items() if key != "format"}
        rest["preprocessing"] = Preprocessing.from_json(rest["preprocessing"])
        rest["class_ids"] = tuple(rest["class_ids"])
        return cls(**rest)


def build(card: ModelCard) -> PlantModel:
    """The card's model with untrained weights."""
    model = create_model(
        card.architecture,
        card.num_classes,
        head_rank=card.head_rank,
        dropout=card.dropout,
        width=card.width,
    )
    if card.folded:
        fold_batch_norm(model.eval(), card.preprocessing.image_size)
    model.mirrored = card.mirrored
    return model


def save_checkpoint(folder: Path, state_dict: Mapping[str, torch.Tensor], card: ModelCard) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder``, rounding tensors as ``card.precision`` says.

    Equal values give equal bytes. ``uint8`` is affine per tensor: value = minimum + scale x byte.

    Raises:
        ValueError: when ``card.precision`` names a tensor that is not there.
    """
    absent = sorted(set(card.precision) - set(state_dict))
    if absent:
        raise ValueError(f"precision names tensors the model does not have: {absent}")
    stored: dict[str, torch.Tensor] = {}
    for name in sorted(state_dict):
        stored.update(encode_tensor(name, state_dict[name], card.precision.get(name, "float32")))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(stored, folder / WEIGHTS_FILE)
    text = json.dumps(card.to_json(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def encode_tensor(name: str, value: torch.Tensor, precision: str) -> dict[str, torch.Tensor]:
    """The tensors that store ``value``: itself, its float16 form, or bytes with scale and minimum (float32 scalars)."""
    value = value.detach().to("cpu").contiguous()
    if precision == "float16":
        return {name: value.to(torch.float16)}
    if precision == "uint8":
        low, high = value.float().min(), value.float().max()
        scale = torch.clamp((high - low) / 255.0, min=1e-12)
        levels = torch.round((value.float() - low) / scale).clamp(0, 255).to(torch.uint8)
        return {name: levels, name + SCALE_SUFFIX: scale.reshape(()), name + MINIMUM_SUFFIX: low.reshape(()).clone()}
    return {name: value.float() if value.is_floating_point() else value}


def load_weights(folder: Path, card: ModelCard) -> dict[str, torch.Tensor]:
    """The stored tensors as float32 values (integers stay integers), keyed as in the model's state dict."""
    stored = load_file(folder / WEIGHTS_FILE)
    state: dict[str, torch.Tensor] = {}
    for name, value in stored.items():
        if name.endswith((SCALE_SUFFIX, MINIMUM_SUFFIX)):
            continue
        if card.precision.get(name) == "uint8":
            # in float64 and rounded once, as TensorFlow.js decodes it: both sides hold the same numbers
            value = value.double() * stored[name + SCALE_SUFFIX].double() + stored[name + MINIMUM_SUFFIX].double()
        state[name] = value.float() if value.is_floating_point() else value
    return state


def load_card(folder: Path) -> ModelCard:
    """The card alone."""
    return ModelCard.from_json(json.loads((folder / CARD_FILE).read_text(encoding="utf-8")))


def load_checkpoint(folder: Path) -> tuple[PlantModel, ModelCard]:
    """The model in eval mode with float32 values, and its card.

    Raises:
        ValueError: when the weights do not fit the card's architecture.
    """
    card = load_card(folder)
    model = build(card)
    try:
        model.load_state_dict(load_weights(folder, card))
    except RuntimeError as error:
        raise ValueError(f"checkpoint {folder}: weights do not fit {card.architecture}: {error}") from error
    return model.eval(), card
