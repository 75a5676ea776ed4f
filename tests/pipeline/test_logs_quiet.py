"""What is not ours stays off the console, whoever writes it and however; a debug run shows it."""

from __future__ import annotations

import contextlib
import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from aplantida.pipeline.logs import LOGGER, configure_console

PROGRAM = """
import logging, os, subprocess, sys, warnings
from pathlib import Path
from aplantida.pipeline.logs import configure_console, log_file
from aplantida.pipeline.progress import Progress
configure_console(sys.argv[1])
log = logging.getLogger("aplantida.test")
log.info("before")
try:
    with log_file(Path(sys.argv[2]) / "log.jsonl"), Progress(log, 2, "things", "counting") as bar:
        warnings.warn("foreign: a warning")
        logging.getLogger("somebody").error("foreign: a logger")
        os.write(2, b"foreign: C++\\n")
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('foreign: a process\\n')"])
        bar.update(2)
        log.info("ours")
        raise RuntimeError("of the work")
finally:
    log.info("after")
"""


@pytest.mark.parametrize("level", ["info", "debug"])
def test_only_our_lines_are_on_the_console(tmp_path: Path, level: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, level, str(tmp_path)], capture_output=True, text=True)
    ours = [line.partition(": ")[2] for line in done.stderr.splitlines() if " I aplantida.test: " in line]
    assert ours == ["before", "ours", "counting: 2/2 things", "after"]
    assert "RuntimeError: of the work" in done.stderr  # what ends the program is told
    assert done.stdout == ""
    libraries = tmp_path / "libraries.log"
    foreign = ["a warning", "a logger", "C++", "a process"]
    shown = done.stderr if level == "debug" else libraries.read_text(encoding="utf-8")
    assert all(f"foreign: {what}" in shown for what in foreign)
    assert libraries.exists() == (level == "info")
    assert ("foreign" in done.stderr) == (level == "debug")


def test_a_console_goes_where_standard_error_goes_now(capsys: pytest.CaptureFixture[str]) -> None:
    """Also when it was set up while another stood in its place."""
    stand_in = io.StringIO()
    log = logging.getLogger(LOGGER)
    with contextlib.redirect_stderr(stand_in):
        configure_console("info")
        log.info("to the stand-in")
    log.info("to the one after it")
    assert "to the stand-in" in stand_in.getvalue()
    assert "to the one after it" not in stand_in.getvalue()
    assert "to the one after it" in capsys.readouterr().err
