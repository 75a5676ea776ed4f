"""``make bench``: run benchmarks and put their tables into ``benchmarks/RESULTS.md``.

python -m benchmarks                       # all of them
python -m benchmarks loader train_step     # these; the tables of the others stay as they are
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from aplantida.pipeline.environment import describe
from benchmarks.report import Row, table

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"
NOT_BENCHMARKS = {
    *("__init__", "__main__", "apart", "cpu_work", "earlier", "peers", "photos", "plan", "report"),
    *(f"browser_{part}" for part in ("bundle", "files", "models", "peers", "server", "traffic")),
}
TITLE = "# Benchmarks\n\nRatios: bigger is better. A dash: not measured, or no goal."


def main() -> int:
    """Run what is wanted; a benchmark that fails is named in the file and makes the exit code 1."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)} (default: all)")
    wanted = parser.parse_args().names or names
    if unknown := [name for name in wanted if name not in names]:
        sys.exit(f"{unknown[0]!r} is no benchmark: want some of {', '.join(names)}")
    failed = False
    for name in wanted:
        print(f"python -m benchmarks.{name}", flush=True)
        succeeded, section = run(name)
        failed |= not succeeded
        print(section, flush=True)
        put_section(name, section)
    return int(failed)


def put_section(name: str, section: str) -> None:
    """Write one benchmark's part of the file, in order of name; the others stay."""
    sections = {**read_sections(), name: section}
    kept = [f"## {one}\n\n{sections[one].strip()}" for one in sorted(sections)]
    RESULTS.write_text("\n\n".join([TITLE, *kept]) + "\n", encoding="utf-8")


def run(name: str) -> tuple[bool, str]:
    """Run one; its section of the file."""
    facts = describe()
    machine = f"{os.cpu_count()} cores of {facts['processor']}, GPUs: {', '.join(facts['gpus']) or 'none'}"
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    rows = [Row(**json.loads(line)) for line in result.stdout.splitlines() if line.startswith("{")]
    body = table(rows) if result.returncode == 0 else f"exit code {result.returncode}"
    return result.returncode == 0, f"`python -m benchmarks.{name}` on {time.strftime('%Y-%m-%d')}, {machine}.\n\n{body}"


def read_sections() -> dict[str, str]:
    """What the file says now, by benchmark."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
    parts = re.split(r"^## (\w+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


if __name__ == "__main__":
    raise SystemExit(main())
