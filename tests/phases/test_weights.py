"""Weights that a training begins from: known, allowed and said alike by all, or exit 2 before any work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aplantida.domain import seals
from aplantida.domain.weights import Origin, read_statements
from aplantida.phases._student import StudentModelSection
from aplantida.phases._weights import initial_weights, placed, stated_weights
from aplantida.phases.train_teacher import TeacherModelSection
from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import CHECKOUT, read_yaml
from aplantida.pipeline.errors import BadRequest
from tests.fixtures.artifacts import make_images, make_split

# Run in a process of its own: where the hub is, its client reads when it is imported.
HUB_SCRIPT = """
import hashlib, json, os, sys
from tests.fixtures.hub import StandInHub
hub = StandInHub("timm/test_efficientnet.r160_in1k")
os.environ.update(HF_ENDPOINT=hub.url, HF_HUB_CACHE=sys.argv[1] + "/cache", HF_HUB_DISABLE_XET="1")
from safetensors.torch import load, load_file, save
from aplantida.models.zoo import create_model
from aplantida.phases.train_teacher import PHASE
from aplantida.pipeline.cli import main

def weights(shift):
    body = create_model("test_efficientnet", 3).body.state_dict()
    return save({name: value.clone() + shift for name, value in body.items()})

def teach(output, model):
    overlay = sys.argv[1] + "/" + output + ".yaml"
    small = {"epochs": 1, "batch_size": 12, "learning_rate": 1e-12, "weight_decay": 0.0}
    resources = {"num_workers": 0, "num_threads": 1, "num_loader_workers": 0}
    config = {"model": model, "training": small, "data": {"image_size": 32}, "resources": resources}
    with open(overlay, "w") as stream:
        json.dump(config, stream)
    inputs = ["--input", "images=images", "--input", "split=split"]
    return main(PHASE, ["--config", "configs/train_teacher.yaml", "--config", overlay, *inputs, "--output", output])

model = {"name": "test_efficientnet", "pretrained": True}
first, second = "1" * 40, "2" * 40
hub.revisions[first] = {"model.safetensors": weights(0.0)}
found = {"sha256": hashlib.sha256(hub.revisions[first]["model.safetensors"]).hexdigest()}
with hub:
    found["done"] = teach("teacher", model)
    found["skipped"] = teach("teacher", model)
    hub.revisions[second] = {"model.safetensors": weights(1.0)}
    found["moved"] = teach("teacher", model)
    found["pinned"] = teach("other", {**model, "revision": first})
    asked = len(hub.asked)
    found["non_commercial"] = teach("nc", {"name": "convnextv2_base", "pretrained": True})
    found["typed"] = teach("typed", {**model, "pretrained_license": "MIT"})
    found["asked_for_refused"] = len(hub.asked) - asked
    found["no_revision"] = teach("none", {**model, "revision": "3" * 40})
found["offline"] = teach("other", {**model, "revision": first})
stored = load_file(sys.argv[1] + "/teacher/model.safetensors")["body.conv_stem.weight"]
given = load(hub.revisions[first]["model.safetensors"])["conv_stem.weight"]
found["difference"] = float((stored - given).abs().max())
print(json.dumps(found))
"""


def model(**values: Any) -> TeacherModelSection:
    return TeacherModelSection(**values)


def listed(root: Path, **entries: dict[str, str]) -> str:
    (root / "weights.yaml").write_text(json.dumps(entries))
    return str(root / "weights.yaml")


def said(license_id: str) -> dict[str, str]:
    return {"license": license_id, "source": "a test", "said_by": "the test"}


def test_weights_of_the_hub_are_the_file_that_was_loaded(root: Path) -> None:
    make_images("images")
    make_split("split", "images")
    environment = {**os.environ, "APLANTIDA_ROOT": str(root), "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", HUB_SCRIPT, str(root)]
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    codes = {"done": 0, "skipped": 0, "moved": 3, "pinned": 0, "offline": 0}
    codes |= {"non_commercial": 2, "typed": 2, "no_revision": 2, "asked_for_refused": 0}
    assert {name: found[name] for name in codes} == codes
    assert found["difference"] < 1e-6
    origin = f"timm/test_efficientnet.r160_in1k@{'1' * 40} sha256:{found['sha256']}"
    manifest = json.loads((root / "teacher/artifact.json").read_text())
    card = json.loads((root / "teacher/model.json").read_text())
    assert manifest["recipe"]["sources"]["pretrained"] == card["pretrained"] == origin
    assert card["pretrained_license"] == "Apache-2.0"
    assert "weights of timm/convnextv2_base.fcmae_ft_in22k_in1k: their licence is cc-by-nc-4.0" in done.stderr
    assert "model.pretrained_license: 'MIT', but timm says apache-2.0" in done.stderr
    assert f"sources.pretrained: {origin} -> timm/test_efficientnet.r160_in1k@{'2' * 40}" in done.stderr


@pytest.mark.parametrize("name", ["convnextv2_base", "cpubone_b0_bfrobust", "mobileone_s0", "dla60_res2net"])
def test_what_timm_says_of_its_weights_decides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from aplantida.models import pretrained

    def unasked(*_: object) -> None:
        raise AssertionError("the hub was asked for weights that may not be used")

    monkeypatch.setattr(pretrained, "fetch", unasked)
    license_id = pretrained.published(name).license
    with pytest.raises(BadRequest, match=rf"weights of timm/{name}.*their licence is {license_id or 'not stated'}"):
        initial_weights(model(name=name))
    with pytest.raises(BadRequest, match="their licence is"):  # whatever the config says
        initial_weights(model(name=name, pretrained_license="Apache-2.0"))


def test_a_file_is_known_by_its_bytes(root: Path) -> None:
    file = root / "some.safetensors"
    file.write_bytes(b"-length-{weights")
    sha256, given = hash_file(file), {"name": "mobilenetv2_100", "pretrained": "some.safetensors"}
    with pytest.raises(BadRequest, match=rf"nothing is known of weights with sha256 {sha256}: say in configs/weights"):
        initial_weights(model(**given, pretrained_license="Apache-2.0"))
    for license_id in ("CC-BY-NC-4.0", "GPL-3.0", "unknown"):
        weights_list = listed(root, **{sha256: said(license_id)})
        with pytest.raises(BadRequest, match=rf"their licence is {license_id}; accepted are .* \(the test\)"):
            initial_weights(model(**given, weights_list=weights_list))
    weights_list = listed(root, **{sha256: said("mit")})
    with pytest.raises(BadRequest, match=r"model\.pretrained_license: 'Apache-2\.0', but .*weights\.yaml.* says mit"):
        initial_weights(model(**given, weights_list=weights_list, pretrained_license="Apache-2.0"))
    found = initial_weights(model(**given, weights_list=weights_list, pretrained_license="MIT"))
    assert (found.license, found.digest, str(found.origin)) == ("MIT", sha256, f"some.safetensors sha256:{sha256}")
    file.write_bytes(b"-length-{others")
    with pytest.raises(BadRequest, match="nothing is known"):
        initial_weights(model(**given, weights_list=weights_list))
    assert initial_weights(model(name="mobilenetv2_100", pretrained=False)).digest == "none"


def test_a_file_is_read_once_and_is_still_the_one_that_was_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, read = root / "once.safetensors", list[Path]()
    file.write_bytes(b"weights of this test")
    sha256, real = hash_file(file), seals.hash_file
    monkeypatch.setattr(seals, "hash_file", lambda path: (read.append(path), real(path))[1])
    weights_list = listed(root, **{sha256: said("mit")})
    given = model(name="mobilenetv2_100", pretrained="once.safetensors", weights_list=weights_list)
    ctx: Any = SimpleNamespace(output=SimpleNamespace(scratch=root))
    weights = [initial_weights(given) for _ in range(2)][1]  # as a source of the recipe, and for the training
    assert read == [file]
    copy = placed(ctx, weights.initial, str(weights.origin))
    assert copy == root / "initial_weights.safetensors"
    file.write_bytes(b"other weights")
    assert placed(ctx, weights.initial, str(weights.origin)) == copy
    assert isinstance(copy, Path)
    assert hash_file(copy) == sha256  # what a worker loads, whatever the file has become
    copy.write_bytes(b"other weights")
    with pytest.raises(BadRequest, match=r"once\.safetensors .* is not the file of once\.safetensors sha256:"):
        placed(ctx, weights.initial, str(weights.origin))
    file.unlink()
    with pytest.raises(BadRequest, match="not there"):
        placed(ctx, weights.initial, str(weights.origin))
    assert placed(ctx, None, None) is None
    assert placed(ctx, root, "whatever the checkpoint began from") == root


def test_timm_and_the_list_must_agree(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aplantida.models import pretrained

    sha256 = "ab" * 32
    file = SimpleNamespace(path=root / "x", revision="1" * 40, sha256=sha256)
    monkeypatch.setattr(pretrained, "fetch", lambda *_: file)
    given = {"name": "test_efficientnet", "weights_list": listed(root, **{sha256: said("MIT")})}
    with pytest.raises(BadRequest, match=r"timm says apache-2\.0, .* says MIT"):
        initial_weights(model(**given))
    listed(root, **{sha256: said("Apache-2.0")})
    assert initial_weights(model(**given)).license == "Apache-2.0"
    with pytest.raises(BadRequest, match="has no weights of mobilenetv2_035"):
        initial_weights(StudentModelSection(width=0.35))


@pytest.mark.parametrize(
    "entries",
    [{"ab": said("MIT")}, {"AB" * 32: said("MIT")}, {"ab" * 32: {"license": "MIT"}}, {"ab" * 32: said(" ")}, {1: "x"}],
)
def test_a_list_says_who_says_so(entries: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match="want"):
        read_statements(entries)


def test_the_list_of_the_project_and_the_reference_run() -> None:
    assert {said.license for said in stated_weights("configs/weights.yaml").values()} == {"MIT", "Apache-2.0"}
    typed = {
        read_yaml(path).get("model", {}).get("pretrained_license")
        for path in (CHECKOUT / "configs/reference").glob("*.yaml")
    }
    assert typed <= {None, "MIT", "Apache-2.0"}


def test_what_a_card_says_of_its_origin_is_read_back() -> None:
    for origin in (Origin("some file.pth", "ab" * 32), Origin("timm/x.y@main", "cd" * 32), Origin("timm hub", None)):
        assert Origin.parse(str(origin)) == origin
    assert Origin("timm/x.y@main", None).is_hub
    assert not Origin("some@file.pth", None).is_hub
