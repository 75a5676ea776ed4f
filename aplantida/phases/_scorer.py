"""How phases that score photos use the machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from aplantida.pipeline.config import Resources

if TYPE_CHECKING:
    from aplantida.models.inference import Scorer


class ScorerResources(Resources):
    """And how much goes through the network at once."""

    batch_size: int | None = Field(default=None, ge=1)
    num_loader_workers: int | None = Field(default=None, ge=0)

    def scorer(self, folder: Path, device: str, precision: Literal["auto", "float32"] = "float32") -> Scorer:
        """A scorer of the checkpoint in ``folder``."""
        from aplantida.models.inference import Scorer

        return Scorer(folder, device, self.num_threads, self.batch_size, precision, self.num_loader_workers)
