"""Which species are taken for which, and whether the mistakes at least stay within the genus or the family."""

from __future__ import annotations

from typing import Any

import numpy as np

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.taxonomy import genus_of
from aplantida.evaluation.metrics import Outcomes


def confused_pairs(outcomes: Outcomes, classes: ClassIndex, limit: int) -> list[dict[str, Any]]:
    """The ``limit`` most frequent (true, predicted) pairs of different species, most frequent first, ties by name.

    ``share`` is the part of the true species' photos that went this way, 0..1.
    """
    wrong = outcomes.labels != outcomes.predictions
    size = len(classes)
    codes, counts = np.unique(outcomes.labels[wrong] * size + outcomes.predictions[wrong], return_counts=True)
    photos = np.bincount(outcomes.labels, minlength=size)
    genera, families = taxa(classes)
    rows = []
    for at in np.lexsort((codes, -counts))[:limit]:
        true, predicted = divmod(int(codes[at]), size)
        rows.append(
            {
                "true": classes.class_ids[true],
                "predicted": classes.class_ids[predicted],
                "count": int(counts[at]),
                "share": round(float(counts[at] / photos[true]), 6),
                "true_genus": genera[true],
                "predicted_genus": genera[predicted],
                "same_genus": genera[true] == genera[predicted],
                "true_family": families[true] or "",
                "predicted_family": families[predicted] or "",
                "same_family": families[true] is not None and families[true] == families[predicted],
            }
        )
    return rows


def taxa(classes: ClassIndex) -> tuple[list[str], list[str | None]]:
    """Genus (from the name where the collection gives none) and family (None where unknown or empty) of each class."""
    genera = [item.genus or genus_of(item.class_id) for item in classes.classes]
    return genera, [item.family or None for item in classes.classes]


def taxonomic_accuracy(outcomes: Outcomes, classes: ClassIndex) -> dict[str, Any]:
    """How often the predicted species is of the right genus, and of the right family.

    Family counts only photos whose true species has a known family (``num_photos_with_family``). Figures are None
    without photos.
    """
    genera, families = taxa(classes)
    genus = np.unique(np.asarray(genera, dtype=str), return_inverse=True)[1]
    family = np.unique(np.asarray([name or "" for name in families], dtype=str), return_inverse=True)[1]
    known = np.asarray([name is not None for name in families], dtype=bool)[outcomes.labels]
    same_genus = genus[outcomes.labels] == genus[outcomes.predictions]
    same_family = (family[outcomes.labels] == family[outcomes.predictions])[known]
    return {
        "genus_top1": float(same_genus.mean()) if len(same_genus) else None,
        "family_top1": float(same_family.mean()) if len(same_family) else None,
        "num_photos_with_family": len(same_family),
    }
