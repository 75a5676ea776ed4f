"""``make bench``: run every benchmark and rewrite the tables of ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from aplantida.pipeline.environment import describe
from benchmarks.report import Row, table

FOLDER = Path(__file__).parent
NOT_BENCHMARKS = {"__init__", "__main__", "peers", "photos", "plan", "report"}


def main() -> int:
    """Run all; a benchmark that fails is named in the file and makes the exit code 1."""
    facts = describe()
    machine = f"{os.cpu_count()} cores of {facts['processor']}, GPUs: {', '.join(facts['gpus']) or 'none'}"
    parts = [f"# Benchmarks\n\n`make bench` on {time.strftime('%Y-%m-%d')}, {machine}. Ratios: bigger is better."]
    failed = False
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem in NOT_BENCHMARKS:
            continue
        command = ["-m", f"benchmarks.{path.stem}", "--json"]
        print(f"python {' '.join(command)}", flush=True)
        result = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=False)
        rows = [Row(**json.loads(line)) for line in result.stdout.splitlines() if line.startswith("{")]
        failed |= result.returncode != 0
        body = table(rows) if result.returncode == 0 else f"exit code {result.returncode}"
        parts.append(f"## {path.stem}\n\n`python -m benchmarks.{path.stem}`\n\n{body}")
        print(body, flush=True)
    (FOLDER / "RESULTS.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
