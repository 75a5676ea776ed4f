"""What the image's recipe copies is there, and its web stage has all that it imports: it is not built in every run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from aplantida.pipeline.config import CHECKOUT

RECIPE = (CHECKOUT / "docker/Dockerfile").read_text(encoding="utf-8")


def copied(stage: str) -> list[tuple[list[str], str]]:
    """(sources, target) of each COPY out of the checkout in a part of the recipe."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", stage, re.MULTILINE)
    return [(words[:-1], words[-1]) for words in map(str.split, lines)]


def test_everything_that_is_copied_is_there() -> None:
    sources = [name for names, _ in copied(RECIPE) for name in names]
    assert len(sources) > 15
    assert [name for name in sources if not (CHECKOUT / name).exists()] == []


def test_the_web_stage_has_all_that_it_imports(tmp_path: Path) -> None:
    (stage,) = re.findall(r"^FROM environment AS web$(.*?)^FROM ", RECIPE, re.MULTILINE | re.DOTALL)
    for names, target in copied(stage):
        for name in names:
            place = tmp_path / target / (Path(name).name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            source = CHECKOUT / name
            shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
    script = "import aplantida, aplantida.export.web_build as build; print(aplantida.__file__, build.WEB.is_dir())"
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == [str(tmp_path / "aplantida/__init__.py"), "True"]
