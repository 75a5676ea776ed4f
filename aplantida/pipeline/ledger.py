"""The ledger of an unfinished artifact: one JSON line for every published file and every finished unit."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aplantida.pipeline.artifact import FileEntry


class Ledger:
    """Append-only, fsynced; a line cut short by a kill is ignored, and so are lines whose files are gone."""

    def __init__(self, path: Path, artifact_path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._artifact_path = artifact_path
        self.files: dict[str, FileEntry] = {}
        self.units: dict[str, dict[str, Any]] = {}
        self._load(mend=not read_only)

    def record_files(self, entries: Sequence[FileEntry]) -> None:
        """Note published files."""
        self._append({"files": [entry.to_json() for entry in entries]})
        self.files.update((entry.name, entry) for entry in entries)

    def record_unit(self, unit: str, key: str, entries: Sequence[FileEntry], info: dict[str, Any]) -> None:
        """Note a finished unit and the files it consists of."""
        row = {"key": key, "files": [entry.name for entry in entries], "info": info}
        self._append({"unit": unit, **row, "files": [entry.to_json() for entry in entries]})
        self.units[unit] = row
        self.files.update((entry.name, entry) for entry in entries)

    def _append(self, row: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _load(self, *, mend: bool) -> None:
        if not self._path.exists():
            return
        text = self._path.read_text(encoding="utf-8", errors="replace")
        whole, _, rest = text.rpartition("\n")
        if rest and mend:  # a line cut short: drop it, so that the next append starts a line of its own
            self._path.write_text(whole + "\n" if whole else "", encoding="utf-8")
        for line in filter(None, whole.split("\n")):  # a text in a line may hold what Unicode ends a line with
            row = json.loads(line)
            entries = [FileEntry(**item) for item in row["files"]]
            if not all(self._is_there(entry) for entry in entries):
                continue
            self.files.update((entry.name, entry) for entry in entries)
            if "unit" in row:
                names = [entry.name for entry in entries]
                self.units[row["unit"]] = {"key": row["key"], "files": names, "info": row["info"]}

    def _is_there(self, entry: FileEntry) -> bool:
        file = self._artifact_path / entry.name
        return file.is_file() and file.stat().st_size == entry.bytes
