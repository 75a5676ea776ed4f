"""The phases, in the order in which a collection becomes a bundle."""

from __future__ import annotations

import importlib
from typing import Any

from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase

PHASES = (
    "audit_dataset",
    "export_dataset",
    "fetch_images",
    "split_dataset",
    "train_teacher",
    "compute_teacher_logits",
    "combine_teacher_logits",
    "sweep_distillation",
    "distill_student",
    "finetune_student",
    "quantize_model",
    "evaluate_model",
    "narrow_evaluation",
    "calibrate_model",
    "check_licenses",
    "export_tfjs",
    "validate_tfjs",
    "release_student",
    "generate_manifest",
    "build_dashboard",
    "release_gate",
    "cleanup",
    "run_pipeline",
)


def load_phase(name: str) -> Phase[Any]:
    """Import one phase.

    Raises:
        BadRequest: when there is none of that name.
    """
    if name not in PHASES:
        raise BadRequest(f"no phase is called {name!r}; there are {', '.join(PHASES)}")
    return importlib.import_module(f"aplantida.phases.{name}").PHASE
