"""Writing an artifact: every file atomically, one writer at a time, and nothing by orphans of a killed session."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from aplantida.pipeline.artifact import PROGRESS, Artifact, FileEntry, check_name, hash_file, place_in
from aplantida.pipeline.ledger import Ledger
from aplantida.pipeline.logs import LOGGER

SESSION = "session.json"
ROW_GROUP = 512  # rows of a Parquet table that are written and read together


class _Table(Protocol):
    """What ``write_table`` needs of a pyarrow table (the frame does not import pyarrow)."""

    @property
    def schema(self) -> Any: ...


class StaleSession(RuntimeError):
    """This writer belongs to a session that is no longer the current one; it must not touch the artifact."""


class ArtifactWriter:
    """The way result files come into an artifact.

    Picklable: copies in workers write files, the driver's own copy records them.

    Attributes:
        path: the artifact's folder; files are published into it.
        scratch: resumable state of the phase (training checkpoints …); survives kills, never part of the artifact.
        log_path: logs and TensorBoard events of this artifact, outside of it.
    """

    def __init__(self, path: Path, session_id: str) -> None:
        self.path = path
        self.session_id = session_id
        self.scratch = path / PROGRESS / "scratch"
        self.log_path = path.parent / "_logs" / path.name
        self._temporary = path / PROGRESS / "tmp"
        self._ledger: Ledger | None = Ledger(path / PROGRESS / "ledger.jsonl", path)
        for folder in (self.scratch, self.log_path, self._temporary):
            folder.mkdir(parents=True, exist_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ledger": None}

    def write_bytes(self, name: str, data: bytes) -> FileEntry:
        """Publish a file of these bytes."""
        target = self.path / check_name(name)
        temporary = self._temporary / uuid.uuid4().hex
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        self._move(temporary, target)
        return self._note(FileEntry(name, len(data), hashlib.sha256(data).hexdigest()))

    def write_text(self, name: str, text: str) -> FileEntry:
        """Publish a UTF-8 text file."""
        return self.write_bytes(name, text.encode())

    def write_json(self, name: str, value: Any) -> FileEntry:
        """Publish indented JSON with keys in the order given; NaN is refused."""
        return self.write_text(name, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_table(self, name: str, table: _Table, incompressible: Sequence[str] = ()) -> FileEntry:
        """Publish a pyarrow table as Parquet (zstd); equal tables give equal bytes.

        Args:
            name: of the file.
            table: its rows.
            incompressible: columns that are stored as they are (JPEG files, say), which is faster to write and read.
        """
        return self.write_tables(name, [table], incompressible)

    def write_tables(self, name: str, tables: Iterable[_Table], incompressible: Sequence[str] = ()) -> FileEntry:
        """The same of a table that comes in parts, of which one at a time lies in memory.

        The bytes are those of the whole table where each part but the last has a multiple of ``ROW_GROUP`` rows.
        """
        import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]  # the frame itself does without

        temporary, parts = self._temporary / uuid.uuid4().hex, iter(tables)
        first = next(parts)
        others = [_leaf(field) for field in first.schema if field.name not in incompressible]
        codecs = dict.fromkeys(others, "zstd") | dict.fromkeys(incompressible, "none")
        with pq.ParquetWriter(temporary, first.schema, compression=codecs, use_dictionary=others) as file:  # pyright: ignore
            for table in itertools.chain([first], parts):
                file.write_table(table, row_group_size=ROW_GROUP)  # pyright: ignore
        return self.publish(temporary, name)

    def publish(self, temporary: Path, name: str) -> FileEntry:
        """Move a finished file from :attr:`scratch` (or any folder of the same file system) into the artifact."""
        target = self.path / check_name(name)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        entry = FileEntry(name, temporary.stat().st_size, hash_file(temporary))
        self._move(temporary, target)
        return self._note(entry)

    def is_done(self, unit: str, key: str) -> bool:
        """Whether an earlier session (or this one) finished ``unit`` under the same ``key``."""
        return self._driver.units.get(unit, {}).get("key") == key

    def unit_info(self, unit: str) -> dict[str, Any]:
        """What was recorded with a finished unit."""
        return self._driver.units[unit]["info"]

    def record_unit(
        self, unit: str, key: str, files: Sequence[FileEntry] = (), info: dict[str, Any] | None = None
    ) -> None:
        """Note that ``unit`` is finished: a later session does not do it again."""
        self.check_session()
        self._driver.record_unit(unit, key, files, info or {})

    def link_unit(self, source: Artifact, unit: str) -> None:
        """Take a finished unit over from a sealed artifact: hard links where the file system has them, else copies."""
        row = source.units[unit]
        entries: list[FileEntry] = []
        for name in row["files"]:
            temporary = self._temporary / uuid.uuid4().hex
            try:
                os.link(source.path / name, temporary)
            except OSError:
                shutil.copyfile(source.path / name, temporary)
            self._move(temporary, self.path / name)
            entries.append(source.files[name])
        self.record_unit(unit, row["key"], entries, row["info"])

    def check_session(self) -> None:
        """Refuse to go on when another session has taken over.

        Raises:
            StaleSession: then.
        """
        try:
            current = json.loads((self.path / PROGRESS / SESSION).read_text(encoding="utf-8"))["session_id"]
        except (OSError, ValueError, KeyError):
            current = None
        if current != self.session_id:
            raise StaleSession(f"{self.path}: session {self.session_id} is over; the current one is {current}")

    @property
    def files(self) -> dict[str, FileEntry]:
        """Result files recorded so far."""
        return self._driver.files

    @property
    def units(self) -> dict[str, dict[str, Any]]:
        """Units recorded so far."""
        return self._driver.units

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has been done yet."""
        return not self.files and not self.units and not any(self.scratch.iterdir())

    def remove_strays(self) -> None:
        """Delete files that no session recorded: a killed session's last words, under a name never written again."""
        for file in sorted(self.path.rglob("*")):
            name = file.relative_to(self.path).as_posix()
            if file.is_file() and not name.startswith(f"{PROGRESS}/") and name not in self.files:
                logging.getLogger(LOGGER).warning("%s: removed a file that no session recorded: %s", self.path, name)
                file.unlink()

    @property
    def _driver(self) -> Ledger:
        if self._ledger is None:
            raise RuntimeError("units are recorded by the driver: return the FileEntry from the worker")
        return self._ledger

    def _move(self, temporary: Path, target: Path) -> None:
        self.check_session()
        place_in(self.path, target.parent.relative_to(self.path).as_posix())
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)

    def _note(self, entry: FileEntry) -> FileEntry:
        if self._ledger is not None:
            self._ledger.record_files([entry])
        return entry


def _leaf(field: Any) -> str:
    """A column's path in a Parquet file; the elements of a list lie further down."""
    return f"{field.name}.list.element" if hasattr(field.type, "value_field") else field.name
