"""Benchmarks that are asked for help, or for what they do not know, measure nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aplantida.pipeline.config import CHECKOUT
from benchmarks.__main__ import FOLDER, NOT_BENCHMARKS
from benchmarks.report import read_flags

FILES = sorted(path for path in FOLDER.glob("*.py") if path.stem not in NOT_BENCHMARKS)


def test_every_benchmark_reads_its_flags_before_it_measures() -> None:
    assert len(FILES) > 20
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert 'if __name__ == "__main__":' in text, path
        assert any(word in text for word in ("read_flags(__doc__", ".parse_args(")), path
    for path in FOLDER.rglob("*.py"):
        assert "parse_known_args" not in path.read_text(encoding="utf-8"), f"{path}: takes flags it does not know"


def test_flags_are_known_or_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, code, said in ((["--help"], 0, "What it does"), (["--wyde"], 2, "--wyde"), (["x"], 2, "x")):
        monkeypatch.setattr(sys, "argv", ["some", *flags])
        with pytest.raises(SystemExit) as caught:
            read_flags("What it does.", "--wide")
        assert caught.value.code == code
        assert said in "".join(capsys.readouterr())
    monkeypatch.setattr(sys, "argv", ["some", "--wide"])
    assert vars(read_flags("What it does.", "--wide")) == {"wide": True, "json": False}
    monkeypatch.setattr(sys, "argv", ["some", "--photos", "7"])
    assert vars(read_flags("What it does.", photos=100)) == {"photos": 7, "json": False}
    monkeypatch.setattr(sys, "argv", ["some", "--photo", "7"])
    with pytest.raises(SystemExit):
        read_flags("What it does.", photos=100)
    assert "[--photos PHOTOS]" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", ".evaluation", ".judging", ".rehearsal", ".plan", ".split_memory"])
def test_a_flag_that_nobody_knows_is_refused_with_those_there_are(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks{name}", "--unknwon"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stdout
    assert "unrecognized arguments: --unknwon" in done.stderr
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize("words", [["benchmarks.memory"], ["benchmarks"]])
def test_help_measures_nothing(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words, "--help"], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
