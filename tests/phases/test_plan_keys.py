"""Every key of the plan's YAML files (``teacher_global``, ``student``, ``paths`` …) has a field of ours."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from aplantida.phases.registry import load_phase
from aplantida.pipeline.cli import parser
from aplantida.pipeline.config import CHECKOUT, load_config

DISTILL = "distill_student"
FINETUNE = "finetune_student"

# key of the plan -> (phase, dotted field, the plan's value), the value as our reference YAML must accept it
PLAN: dict[str, tuple[str, str, Any]] = {
    "teacher.model.name": ("train_teacher", "model.name", "vit_base_patch16_224"),
    "teacher.model.pretrained": ("train_teacher", "model.pretrained", True),
    "teacher.model.num_classes": ("train_teacher", "model.num_classes", 9000),
    "teacher.training.learning_rate": ("train_teacher", "training.learning_rate", 1e-5),
    "teacher.training.batch_size": ("train_teacher", "training.batch_size", 64),
    "teacher.training.epochs": ("train_teacher", "training.epochs", 15),
    "teacher.training.warmup_epochs": ("train_teacher", "training.warmup_epochs", 2),
    "teacher.training.optimizer": ("train_teacher", "training.optimizer", "adamw"),
    "teacher.training.weight_decay": ("train_teacher", "training.weight_decay", 0.01),
    "teacher.training.gradient_clip": ("train_teacher", "training.gradient_clip", 1.0),
    "teacher.data.train_split": ("train_teacher", "data.train_split", "train"),
    "teacher.data.image_size": ("train_teacher", "data.image_size", 224),
    "teacher.data.augmentation": ("train_teacher", "data.augmentation", "aggressive"),
    "teacher.regularization.dropout": ("train_teacher", "regularization.dropout", 0.2),
    "teacher.regularization.mixup_alpha": ("train_teacher", "regularization.mixup_alpha", 0.8),
    "teacher.regularization.cutmix_alpha": ("train_teacher", "regularization.cutmix_alpha", 0.8),
    "teacher.callbacks.early_stopping": ("train_teacher", "callbacks.early_stopping", True),
    "teacher.callbacks.early_stopping_patience": ("train_teacher", "callbacks.early_stopping_patience", 3),
    "teacher.callbacks.save_checkpoint_every": ("train_teacher", "callbacks.save_checkpoint_every", 1),
    "teacher.callbacks.save_best": ("train_teacher", "callbacks.save_best", True),
    "teacher.device.type": ("train_teacher", "resources.device", "cuda"),
    "teacher.device.mixed_precision": ("train_teacher", "training.mixed_precision", "auto"),
    "student.model.name": (DISTILL, "model.name", "mobilenetv2"),
    "student.model.alpha": (DISTILL, "model.width", 1.0),
    "student.model.num_classes": (DISTILL, "model.num_classes", 9000),
    "student.model.dropout_rate": (DISTILL, "regularization.dropout", 0.2),
    "student.distillation.temperature": (DISTILL, "distillation.temperature", 3.0),
    "student.distillation.alpha": (DISTILL, "distillation.alpha", 0.7),
    "student.teachers": ("combine_teacher_logits", "teachers", [{"weight": 0.5}, {"weight": 0.5}]),
    "student.training.phase1.epochs": (DISTILL, "training.epochs", 10),
    "student.training.phase1.learning_rate": (DISTILL, "training.learning_rate", 1e-4),
    "student.training.phase1.batch_size": (DISTILL, "training.batch_size", 128),
    "student.training.phase2.epochs": (FINETUNE, "training.epochs", 10),
    "student.training.phase2.learning_rate": (FINETUNE, "training.learning_rate", 5e-5),
    "student.training.phase2.batch_size": (FINETUNE, "training.batch_size", 128),
    "student.early_stopping_patience": (DISTILL, "callbacks.early_stopping_patience", 5),
    "pipeline.min_images_per_species": ("export_dataset", "min_images_per_species", 5),
    "pipeline.seed": ("run_pipeline", "seed", 42),
    "pipeline.region": ("train_teacher", "scope", "EU_SW"),
    "pipeline.quantization": ("quantize_model", "precision", "float16"),
    "paths.data.mongo_uri": ("export_dataset", "mongo_uri", "mongodb://localhost:27017"),
    "paths.data.db_name": ("export_dataset", "db_name", "aplantida_db"),
    "paths.data.cache_dir": ("fetch_images", "output", "runs/full/fetch_images"),  # the photos, fetched once
    "paths.log_dir": ("run_pipeline", "runs", "runs/full"),  # each node's logs lie below it, in _logs
    "paths.checkpoints_dir": ("run_pipeline", "runs", "runs/full"),
    "paths.results_dir": ("run_pipeline", "runs", "runs/full"),
    "paths.dist_dir": ("run_pipeline", "bundles", "dist/models"),
}
# what the plan fixes in words of its own: ours is elsewhere or has another default, for the reason given
DIFFERENT = {
    "teacher.model.num_classes",  # born in the split; a number is checked against it
    "student.model.num_classes",
    "teacher.device.type",  # auto takes the GPU where there is one
    "pipeline.region",  # global by default; configs/eu_sw/teacher_regional.yaml says EU_SW
    "student.teachers",
    "paths.data.mongo_uri",  # null: the environment's MONGO_URI, else the plan's address
}


def value_of(config: BaseModel, dotted: str) -> Any:
    value: Any = config
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("key", sorted(PLAN))
def test_a_key_of_the_plan_has_a_field_that_takes_its_value(key: str) -> None:
    phase, dotted, wanted = PLAN[key]
    overlay: Any = wanted
    for part in reversed(dotted.split(".")):
        overlay = {part: overlay}
    config = load_config(load_phase(phase).config, [f"configs/{phase}.yaml"], overlay)
    if key != "student.teachers":
        assert value_of(config, dotted) == wanted


@pytest.mark.parametrize("key", sorted(set(PLAN) - DIFFERENT))
def test_the_reference_yaml_says_what_the_plan_says(key: str) -> None:
    phase, dotted, wanted = PLAN[key]
    config = load_config(load_phase(phase).config, [f"configs/{phase}.yaml"])
    assert value_of(config, dotted) == wanted


def test_the_region_of_the_plan_is_the_overlays() -> None:
    files = ["configs/train_teacher.yaml", "configs/eu_sw/teacher_regional.yaml"]
    config = load_config(load_phase("train_teacher").config, files)
    assert value_of(config, "scope") == "EU_SW"


def test_the_plans_seven_flags_are_the_jobs() -> None:
    assert (CHECKOUT / "configs/pipeline.yaml").is_file()
    flags = parser(load_phase("train_teacher")).format_help()  # --log-level is the plan's paths.level
    for flag in ("--config", "--input", "--output", "--seed", "--log-level", "--device", "--dry-run"):
        assert flag in flags
