"""The first mistakes: each, made on the command line, is exit 2 within seconds, and one line with the cure."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.errors import machine_refusal
from tests.fixtures.artifacts import make_images, make_split

SECONDS = 60  # on a busy machine; a few on one that is not
SMALL = {"training": {"epochs": 1, "batch_size": 12}, "data": {"image_size": 32}}
BARE = {"resources": {"num_workers": 0, "num_threads": 1, "num_loader_workers": 0}}


class Hostile:
    """Its pickle calls a function where it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def weights_files(folder: Path) -> dict[str, str]:
    """Files that are no weights, each with what is to be said of it; all are listed as known."""
    folder.mkdir()
    torch.save({"x": torch.ones(3, 100)}, folder / "other.pth")
    whole = (folder / "other.pth").read_bytes()
    (folder / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "renamed.safetensors").write_bytes(whole)
    (folder / "pickle.pth").write_bytes(pickle.dumps(Hostile(folder / "mark")))
    torch.save({"state_dict": {"x": Hostile(folder / "mark")}}, folder / "code.pth")
    torch.save({"x": Hostile(folder / "mark")}, folder / "old_code.pth", _use_new_zipfile_serialization=False)
    torch.save(nn.Linear(2, 2), folder / "module.pth")
    torch.save([1, 2, 3], folder / "list.pth")
    (folder / "text.pth").write_text("this is a text\n" * 100)
    (folder / "page.pth").write_text("<!DOCTYPE html><html><head><title>Sign in</title></head></html>")
    (folder / "pointer.safetensors").write_text("version https://git-lfs.github.com/spec/v1\nsize 12\n")
    (folder / "empty.pth").write_bytes(b"")
    (folder / "cut.safetensors").write_bytes((200).to_bytes(8, "little") + b'{"a":')
    said = {"license": "MIT", "source": "a test", "said_by": "the test"}
    known = {hashlib.sha256(file.read_bytes()).hexdigest(): said for file in folder.iterdir()}
    (folder.parent / "weights.yaml").write_text(json.dumps(known))
    return {
        "other.pth": "lacks 73 of the 86 tensors .* of the same architecture",
        "cut.pth": "cut off, or altered",
        "renamed.safetensors": "",
        "pickle.pth": "nothing of it was run",
        "code.pth": r"holds code \(posix.mkdir\).*nothing of it was run",
        "old_code.pth": r"holds code \(posix.mkdir\).*nothing of it was run",
        "module.pth": "holds code",
        "list.pth": "no tensors by name",
        "text.pth": "a text that begins with b'this is",
        "page.pth": "a web page",
        "pointer.safetensors": "git lfs pull",
        "empty.pth": "empty",
        "cut.safetensors": "cannot be read as weights",
    }


def mistakes(root: Path) -> list[tuple[list[str], dict[str, str], str]]:
    """Commands, what is added to their environment, and what their one line says."""
    (root / "file").write_text("x")
    (root / "misspelt.yaml").write_text("num_shard: 3\n")
    (root / "deep.yaml").write_text("resources: {http: {user_agnet: somebody}}\n")
    (root / "tab.yaml").write_text("http:\n\tmax_bytes: 3\n")
    (root / "colon.yaml").write_text("num_shards: 3: 4\n")
    (root / "wrong.yaml").write_text("num_shards: many\n")
    fetch, audit = ["fetch_images", "--output", "o"], ["audit_dataset", "--output", "o"]
    split = ["split_dataset", "--input", "images=images"]
    teach = ["train_teacher", "--input", "images=images", "--input", "split=split", "--output", "t"]
    hub = [*teach, "--config", overlay(root, "hub", True)]
    none = "name a file of weights in place of true, or say false"
    gone = "?serverSelectionTimeoutMS=200"
    return [
        ([*fetch, "--config", "misspelt.yaml"], {}, "num_shard = 3: no such key; did you mean num_shards"),
        ([*fetch, "--config", "deep.yaml"], {}, "user_agnet = 'somebody': no such key; did you mean user_agent"),
        ([*fetch, "--config", "tab.yaml"], {}, r"tab.yaml: line 2, column 1: .*spaces, never with tabs"),
        ([*fetch, "--config", "colon.yaml"], {}, "colon.yaml: line 1, column 14: mapping values are not allowed"),
        ([*fetch, "--config", "wrong.yaml"], {}, "num_shards = 'many': Input should be a valid integer"),
        ([*fetch, "--config", "nowhere.yaml"], {}, "nowhere.yaml: no such file under"),
        ([*fetch, "--log_level", "INFO"], {}, "give --input records=PATH"),
        ([*fetch, "--log-level", "loud"], {}, "invalid choice: 'loud'.*info"),
        ([*fetch, "--input", "nowhere"], {}, "nowhere: want a sealed artifact of kind records; it is not there"),
        ([*fetch, "--outptu", "x"], {}, "--outptu x; --help lists the flags"),
        (["train_teacher", "--output", "o", "--input", "images"], {}, "say which: images=PATH, split=PATH"),
        (split, {}, "no output: give --output PATH"),
        ([*split, "--output", "file"], {}, "output .*file: no folder can be made there"),
        ([*split, "--output", "file/below"], {}, "output .*file/below: no folder can be made there"),
        ([*split, "--output", "/proc/below"], {}, "output /proc/below: no folder can be made there"),
        (audit, {"MONGO_URI": f"mongodb://127.0.0.1:9/{gone}"}, "Connection refused.*mongod that runs"),
        (audit, {"MONGO_URI": f"mongodb://nowhere.invalid/{gone}"}, "nowhere.invalid.*mongod that runs"),
        (audit, {"MONGO_URI": "mongodb://127.0.0.1:9/?tls=true&tlsCAFile=/no.pem"}, "'/no.pem'"),
        (audit, {"MONGO_URI": "mongodb://127.0.0.1:9/?tlsFile=x"}, "Unknown option: tlsfile. Did you mean"),
        (audit, {"MONGO_URI": "http://127.0.0.1:9"}, "must begin with 'mongodb://'"),
        ([*teach, "--config", overlay(root, "gone", "gone.pth")], {}, "where no file is; want true, false or a file"),
        (hub, {"HF_HUB_OFFLINE": "1"}, f"HF_HUB_OFFLINE.*{none}"),
        (hub, {"HF_ENDPOINT": "http://127.0.0.1:9"}, f"no hub at http://127.0.0.1:9.*refused.*{none}"),
    ]


def overlay(root: Path, name: str, pretrained: bool | str) -> str:
    model = {"name": "test_efficientnet", "pretrained": pretrained, "weights_list": str(root / "weights.yaml")}
    (root / f"{name}.yaml").write_text(json.dumps({"model": model, **SMALL, **BARE}))
    return f"{name}.yaml"


def run_job(root: Path, command: list[str], more: dict[str, str], before: str = "") -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MONGO"))}
    environment |= {"APLANTIDA_ROOT": str(root), "PYTHONPATH": str(CHECKOUT), "HF_HUB_CACHE": str(root / "hub"), **more}
    words = ["bash", "-c", f'{before} exec "$@"', "run", sys.executable, "-m", f"jobs.{command[0]}", *command[1:]]
    done = subprocess.run(
        words, env=environment, cwd=root, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def artifacts(root: Path) -> Path:
    make_images("images")
    make_split("split", "images")
    return root


def test_first_mistakes_are_one_line(artifacts: Path) -> None:
    asked = mistakes(artifacts)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda item: run_job(artifacts, item[0], item[1]), asked))
    for (command, more, said), (code, output) in zip(asked, answers, strict=True):
        assert code == 2, (command, more, output)
        assert len(output.splitlines()) == 1, (command, more, output)
        assert re.search(said, output), (command, more, output)


def test_files_that_are_no_weights_are_one_line_and_nothing_of_them_is_run(
    artifacts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from aplantida.phases.train_teacher import PHASE
    from aplantida.pipeline.cli import main

    inputs = ["--input", "images=images", "--input", "split=split", "--log-level", "error"]
    for name, said in weights_files(artifacts / "weights").items():
        config = overlay(artifacts, "some", f"weights/{name}")
        capfd.readouterr()
        assert main(PHASE, ["--config", str(artifacts / config), *inputs, "--output", "teacher"]) == 2
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert f"weights/{name}" in lines[0]
        assert re.search(said, lines[0]), lines
    (artifacts / "page.pth").write_text("<html>nobody knows this one")  # and nobody is asked for its licence
    assert (
        main(PHASE, ["--config", str(artifacts / overlay(artifacts, "page", "page.pth")), *inputs, "--output", "t"])
        == 2
    )
    assert "a web page" in capfd.readouterr().err
    assert not (artifacts / "weights/mark").exists()


def test_a_disk_that_takes_no_more_is_one_line(artifacts: Path) -> None:
    command = ["split_dataset", "--input", "images=images", "--output", "split2", "--log-level", "error"]
    code, output = run_job(artifacts, command, {}, before="ulimit -f 1;")  # 1 KiB a file
    assert (code, len(output.splitlines())) == (2, 1), output
    assert "takes no file as large as this" in output


def test_what_the_machine_refuses_is_told_from_a_bug() -> None:
    def raised(bottom: Exception) -> Exception:
        try:
            try:
                raise bottom
            except Exception as error:
                raise RuntimeError("a worker failed") from error
        except RuntimeError as error:
            return error

    for code in (errno.ENOSPC, errno.EDQUOT):
        assert "make room" in str(machine_refusal(raised(OSError(code, os.strerror(code), "x.parquet"))))
    assert str(machine_refusal(OSError(errno.EACCES, "Permission denied", "a/b"))).startswith("a/b: Permission denied")
    assert "make room" in str(machine_refusal(RuntimeError("serialize: I/O: No space left on device (os error 28)")))
    for bug in (FileNotFoundError(errno.ENOENT, "No such file", "x"), KeyError("x"), ValueError("y")):
        assert machine_refusal(raised(bug)) is None
