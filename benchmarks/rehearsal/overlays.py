"""What the rehearsal lays over the plain configs: addresses, weights, names of networks, image size, epochs, a share.

A file a node, below the rehearsal's folder, so that every phase reads its plain YAML first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from aplantida.phases.registry import load_phase
from aplantida.pipeline.graph import Node

PROFILE = "rehearsal"
PHOTOS_PER_SHARD = 4096
_NETWORKS = {"teacher_global": "vit_tiny_patch16_224", "teacher_regional": "mobilenetv2_050"}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a rehearsal is.

    Attributes:
        num_photos: of the collection.
        model_photos: of these the models see so many, chosen by hash.
        asked_links: links that the audit asks for.
        image_size: of the models' input, pixels.
        port: of the photo server.
        num_readers: of the database; None for the plain config's.
        full: nothing is left out: all photos, all epochs, plain networks at their size.
    """

    num_photos: int
    model_photos: int
    asked_links: int
    image_size: int
    port: int
    num_readers: int | None
    full: bool

    @property
    def photo_fraction(self) -> float:
        """Share of the photos that the models see."""
        return 1.0 if self.full else min(1.0, self.model_photos / self.num_photos)

    @property
    def num_shards(self) -> int:
        """Shards of so many photos."""
        return max(2, math.ceil(self.num_photos / PHOTOS_PER_SHARD))


def write_overlays(folder: Path, nodes: list[Node], sizes: Sizes) -> None:
    """Write ``folder/rehearsal/NODE.yaml`` for every node that has something to change."""
    target = folder / PROFILE
    target.mkdir(parents=True, exist_ok=True)
    for node in nodes:
        if node.overlay is not None:  # another node's
            continue
        (target / f"{node.name}.yaml").write_text(yaml.safe_dump(overlay(node, sizes)), encoding="utf-8")


def overlay(node: Node, sizes: Sizes) -> dict[str, Any]:
    """What is laid over a node's plain config: only keys its phase has."""
    config = load_phase(node.phase).config
    # null: the server that the rehearsal starts, and not one that the plain configs name
    wanted: dict[str, Any] = {"mongo_uri": None, "allow_addresses": [f"127.0.0.1:{sizes.port}"]}
    if node.phase == "audit_dataset" and not sizes.full:
        wanted["url_sample_fraction"] = min(1.0, sizes.asked_links / sizes.num_photos)
    if node.phase in ("audit_dataset", "export_dataset") and sizes.num_readers is not None:
        wanted["resources"] = {"num_readers": sizes.num_readers}
    if node.phase == "fetch_images":
        wanted["num_shards"] = sizes.num_shards
        wanted["resources"] = {"concurrency_per_host": 64}
    model: dict[str, Any] = {"pretrained": False}
    wanted["model"] = model
    if not sizes.full:
        wanted["data"] = {"image_size": sizes.image_size, "photo_fraction": sizes.photo_fraction}
        wanted["training"] = {"epochs": 1, "warmup_epochs": 0.5}
        if node.name in _NETWORKS:
            model["name"] = _NETWORKS[node.name]
        if node.phase == "finetune_student":
            del wanted["data"]["image_size"]  # it keeps the checkpoint's
    return _known(wanted, config)


def _known(wanted: Mapping[str, Any], config: type[BaseModel]) -> dict[str, Any]:
    """The part of ``wanted`` that ``config`` has fields for."""
    known: dict[str, Any] = {}
    for name, value in wanted.items():
        field = config.model_fields.get(name)
        if field is None:
            continue
        section = field.annotation
        if isinstance(value, Mapping) and isinstance(section, type) and issubclass(section, BaseModel):
            if inner := _known(value, section):
                known[name] = inner
        else:
            known[name] = value
    return known
