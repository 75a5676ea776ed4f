from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from aplantida.models.checkpoint import load_card, load_checkpoint
from aplantida.models.zoo import create_model
from aplantida.phases.train_teacher import PHASE
from aplantida.pipeline.artifact import Artifact, hash_file
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from aplantida.training import loop
from tests.fixtures.artifacts import CLASSES, make_images, make_split

BASE = "configs/train_teacher.yaml"
SMALL: dict[str, Any] = {
    "inputs": {"images": "images", "split": "split"},
    "model": {"name": "test_efficientnet", "pretrained": False},
    "training": {"epochs": 2, "batch_size": 12, "learning_rate": 3e-3, "head_learning_rate_factor": 1.0},
    "data": {"image_size": 32},
    "resources": {"num_workers": 0, "num_threads": 1, "num_loader_workers": 0},
}


@pytest.fixture(autouse=True)
def photos(root: Path) -> None:
    make_images("images")
    make_split("split", "images")


def teach(output: str = "teacher", **values: Any) -> Artifact:
    merged = {**SMALL, "output": output, **values}
    artifact = execute(PHASE, files=[BASE], values=merged).artifact
    assert artifact is not None
    return artifact


def test_a_teacher_is_a_checkpoint_that_knows_the_splits_classes() -> None:
    artifact = teach()
    assert set(artifact.files) == {"model.safetensors", "model.json", "class_index.json", "history.json"}
    _, card = load_checkpoint(artifact.path)
    assert card.class_ids == CLASSES.class_ids
    assert (card.architecture, card.preprocessing.image_size, card.pretrained) == ("test_efficientnet", 32, None)
    assert card.preprocessing.mean == (0.5, 0.5, 0.5)
    history = json.loads(artifact.file("history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2]
    assert artifact.metrics["val_top1"] == max(row["val_top1"] for row in history)
    assert artifact.metrics["train_photos"] == 36
    assert execute(PHASE, files=[BASE], values={**SMALL, "output": "teacher"}).status == "skipped"


def test_the_same_recipe_gives_the_same_digest_and_another_learning_rate_is_refused() -> None:
    first = teach()
    assert teach("again").digest == first.digest
    training = {**SMALL["training"], "learning_rate": 1e-3}
    with pytest.raises(RecipeChanged, match=r"training\.learning_rate: 0\.003 -> 0\.001"):
        teach(training=training)
    assert teach("other", training=training).digest != first.digest


def test_killed_after_training_it_trains_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = teach("whole")
    with monkeypatch.context() as patch:
        patch.setattr(ArtifactWriter, "write_json", _killed)
        with pytest.raises(KeyboardInterrupt):
            teach("cut")
    monkeypatch.setattr(loop, "Training", _killed)
    assert teach("cut").digest == whole.digest


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_regional_teacher_sees_its_region_and_knows_its_classes_only() -> None:
    artifact = teach(scope="spain", min_images_per_class=2)
    card = load_card(artifact.path)
    spanish = [item.class_id for item in CLASSES.classes if "spain" in item.regions]
    assert set(spanish) < set(card.class_ids) <= set(CLASSES.class_ids)
    assert artifact.metrics["num_classes"] == card.num_classes
    assert 12 <= artifact.metrics["train_photos"] < 36
    strict = teach("strict", scope="spain", min_images_per_class=3)
    assert load_card(strict.path).class_ids == tuple(spanish)


def test_weights_from_a_file_are_a_source(root: Path) -> None:
    file = root / "weights.safetensors"
    body = create_model("test_efficientnet", 3).body.state_dict()
    save_file({name: value.clone() for name, value in body.items()}, file)
    said = {"license": "MIT", "source": "a test", "said_by": "the test"}
    first = hash_file(file)
    (root / "weights.yaml").write_text(json.dumps({first: said}))
    model = {"name": "test_efficientnet", "pretrained": "weights.safetensors", "weights_list": f"{root}/weights.yaml"}
    still = {**SMALL["training"], "epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0}
    artifact = teach(model=model, training=still)
    card = load_card(artifact.path)
    assert card.pretrained is not None
    assert card.pretrained.startswith("weights.safetensors sha256:")
    assert card.pretrained_license == "MIT"
    stored = load_file(artifact.file("model.safetensors"))["body.conv_stem.weight"]
    assert (stored - body["conv_stem.weight"]).abs().max() < 1e-6
    save_file({name: value + 1 for name, value in body.items()}, file)
    with pytest.raises(BadRequest, match="nothing is known of weights with sha256"):
        teach(model=model, training=still)
    (root / "weights.yaml").write_text(json.dumps({first: said, hash_file(file): said}))
    with pytest.raises(RecipeChanged, match=r"sources\.pretrained"):
        teach(model=model, training=still)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scope": "atlantis"}, r"'atlantis' is no region .* want 'global' or one of \['europe', 'spain'\]"),
        ({"scope": "spain", "min_images_per_class": 40}, r"0 classes have 40 train photos"),
        ({"model": {**SMALL["model"], "num_classes": 9000}}, r"num_classes: 9000, but .* has 6 classes"),
        (
            {"model": {**SMALL["model"], "pretrained": "none.pth"}},
            r"pretrained: 'none\.pth' is .*, where no file",
        ),
        ({"training": {**SMALL["training"], "batch_size": 64}}, r"training\.batch_size: batch size 64 is larger than"),
        ({"data": {"image_size": 32, "augmentation": "wild"}}, r"data\.augmentation = 'wild'"),
    ],
)
def test_bad_requests_name_the_key(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        teach(**values)
