"""One byte flipped anywhere in a whole run or its bundle is found by ``python -m aplantida.verify``, and named."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aplantida.pipeline.artifact import MANIFEST, open_artifact
from aplantida.release.verification import Subject, subjects_at
from aplantida.verify import main as verify
from tests.fixtures.mini_run import MiniRun

pytestmark = pytest.mark.timeout(3600)
AT_LEAST = 150


@pytest.fixture
def linked(mini_run: MiniRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run once more, by hard links, with its bundle as a web page has it."""
    root = tmp_path / "linked"
    shutil.copytree(mini_run.root, root, copy_function=os.link, ignore=shutil.ignore_patterns("mongo", "_logs"))
    monkeypatch.setenv("APLANTIDA_ROOT", str(root))
    bundle = next(place.place for place in subjects_at(root) if (place.place / "bundle.json").is_file())
    shutil.copytree(bundle, root / "pwa", copy_function=os.link, ignore=shutil.ignore_patterns(MANIFEST))
    return root


@contextmanager
def flipped(file: Path, draw: random.Random) -> Iterator[None]:
    """The file with one byte changed, as a file of its own; then the link that it was."""
    aside = file.with_name(f"{file.name}.aside")
    changed = bytearray(file.read_bytes())
    changed[draw.randrange(len(changed))] ^= draw.randrange(1, 256)
    file.rename(aside)
    elsewhere = aside.replace(Path(os.environ["APLANTIDA_ROOT"]).parent / "aside")
    file.write_bytes(changed)
    try:
        yield
    finally:
        elsewhere.replace(file)


def sample(subjects: list[Subject], draw: random.Random) -> list[tuple[Subject, Path]]:
    """Files of every kind: for each kind of artifact, folder and suffix one, and others by chance."""
    kinds: dict[tuple[str, str, str], list[tuple[Subject, Path]]] = {}
    for subject in subjects:
        kind = open_artifact(subject.place).kind if subject.kind == "artifact" else subject.kind
        for file in sorted(subject.place.rglob("*")):
            if file.is_file() and file.stat().st_size:
                parts = file.relative_to(subject.place).parts
                key = (kind, parts[0] if len(parts) > 1 else "", file.suffix)
                kinds.setdefault(key, []).append((subject, file))
    chosen = [draw.choice(files) for files in kinds.values()]
    others = [item for files in kinds.values() for item in files if item not in chosen]
    return chosen + draw.sample(others, min(len(others), max(AT_LEAST - len(chosen), 20)))


def test_one_flipped_byte_is_found_in_every_kind_of_file(linked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw, subjects = random.Random(18), subjects_at(linked)
    assert verify([str(linked)]) == 0
    assert {subject.kind for subject in subjects} == {"artifact", "bundle"}
    tried = sample(subjects, draw)
    assert len(tried) >= 100
    assert {file.suffix for _, file in tried} >= {
        ".parquet",
        ".json",
        ".safetensors",
        ".jsonl",
        ".yaml",
        ".html",
        ".bin",
    }
    assert {file.relative_to(linked).parts[0] for _, file in tried} >= {"runs", "pwa"}
    missed: list[str] = []
    for subject, file in tried:
        capsys.readouterr()
        with flipped(file, draw):
            code = verify([str(subject.place)])
        if code != 4 or file.relative_to(subject.place).as_posix() not in capsys.readouterr().out:
            missed.append(str(file))
    assert missed == []
    assert verify([str(linked)]) == 0
