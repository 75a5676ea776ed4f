"""What lies in a runs folder that nobody needs, by what is needed: releases, keeps, unfinished work, and their lineage.

Nothing that can be reached from one of these roots is ever listed.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from aplantida.pipeline.artifact import MANIFEST, PROGRESS, is_sealed
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.session import leased_elsewhere
from aplantida.pipeline.waiting import WAITING, read_waiting
from aplantida.release.reachability import Need, Reached, Root, Work, reach, read_work
from aplantida.release.records import RECORDS, read_records
from aplantida.release.walking import walk

LOGS = "_logs"
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that could go.

    Attributes:
        category: ``scratch`` (a `_progress` folder inside a whole sealed artifact), ``damaged`` (its files are not what
            its manifest says), ``logs`` (old ones, of an artifact that is not there), ``unreferenced`` (sealed, and no
            root descends from it), ``orphaned`` (likewise, and one of its inputs is gone or is no longer what it was),
            ``strange`` (not opened, and it may be whole: of another format, reached by links, or out of reach) or
            ``unfinished`` (work that was begun, and that nobody is at).
        path: the folder.
        bytes: what it holds.
        why: a sentence.
    """

    category: str
    path: Path
    bytes: int
    why: str


@dataclass(frozen=True)
class Found:
    """What could go.

    Attributes:
        leftovers: by path; each may be deleted.
        kept: unfinished work and orphans that go only when they are named one by one.
    """

    leftovers: tuple[Leftover, ...]
    kept: tuple[Leftover, ...]


@dataclass(frozen=True)
class Places:
    """What lies below a folder, by path: artifacts and unfinished work, logs, release records, paused runs."""

    artifacts: list[Path]
    logs: list[Path]
    records: list[Path]
    waiting: list[Path]


def find_leftovers(
    folder: Path,
    *,
    keep: Collection[str] = (),
    named: Collection[str] = (),
    log_days: float = 0.0,
    needed_by: Sequence[Path] = (),
) -> Found:
    """What could go below ``folder``.

    Args:
        folder: a runs folder: artifacts are its sub-folders, at any depth.
        keep: names of artifact folders, or their paths below ``folder``, that are wanted for themselves. When empty,
            nothing counts as unreferenced.
        named: paths below ``folder`` of unfinished work and orphans that are not wanted any more.
        log_days: logs of an artifact that is not there are old after so many days.
        needed_by: further folders whose releases, unfinished work and paused runs may need what lies in ``folder``.

    Raises:
        BadRequest: when the folder is not there, ``keep`` or ``named`` names what is not in it, or something that is
            named is needed.
    """
    if not folder.is_dir():
        raise BadRequest(f"runs = {str(folder)!r}: no such folder")
    here = places_below(folder)
    others = [places_below(place, follow=True) for place in needed_by if place.is_dir()]
    inside = [read_work(path) for path in here.artifacts]
    outside = {path.resolve(): path for places in others for path in places.artifacts}
    known = {work.path.resolve() for work in inside}
    works = inside + [read_work(path) for place, path in sorted(outside.items()) if place not in known]
    unwanted = {_named(folder, inside, text, "named").path for text in named}
    kept = {_named(folder, inside, text, "keep").path: text for text in keep}
    roots = _roots(works, kept, unwanted, [here, *others])
    reached = reach(works, roots)
    for path in sorted(unwanted):
        if path.resolve() in reached.by:
            raise BadRequest(f"named: {path} is needed by {reached.by[path.resolve()]}: not listed")
    free = [work for work in inside if work.path.resolve() not in reached.by and not is_being_written(work.path)]
    found = [item for work in free for item in _judge(work, unwanted, bool(keep), reached)]
    leftovers = [item for item, goes in found if goes]
    leftovers += _scratch(inside) + _old_logs(here, log_days)
    return Found(_in_order(leftovers), _in_order([item for item, goes in found if not goes]))


def is_being_written(path: Path) -> bool:
    """Whether a live session holds the artifact: its lock on this machine, or a fresh lease on another."""
    with _held(path) as held:
        return not held


def delete(leftovers: Sequence[Leftover], folder: Path) -> int:
    """Delete them; returns the bytes freed. What somebody has begun to write meanwhile is left.

    Raises:
        BadRequest: when one of them does not lie below ``folder``.
    """
    freed = 0
    for item in leftovers:
        if not item.path.resolve().is_relative_to(folder.resolve()) or item.path.resolve() == folder.resolve():
            raise BadRequest(f"{item.path} does not lie below {folder}: not deleted")
        artifact = item.path.parent if item.path.name == PROGRESS else item.path
        with _held(artifact) as held:
            if held and item.path.is_dir():
                freed += _size(item.path)
                (item.path / MANIFEST).unlink(missing_ok=True)  # first: half an artifact must not look sealed
                shutil.rmtree(item.path)
    return freed


def _roots(works: Sequence[Work], keep: dict[Path, str], unwanted: set[Path], places: Sequence[Places]) -> list[Root]:
    """All that is wanted for itself, as a person would call it."""
    roots = [Root(f"keep: {text}", (Need(path, None),)) for path, text in sorted(keep.items())]
    for record in read_records(file for found in places for file in found.records):
        needs = tuple(Need(path, digest) for path, digest in record.needs)
        roots.append(Root(f"the release {record.name} ({record.file})", needs))
    for file in (file for found in places for file in found.waiting):
        for node, paths in read_waiting(file).items():
            roots.append(Root(f"the node {node} that {file} waits for", tuple(Need(resolve(p), None) for p in paths)))
    for work in works:
        if work.path in unwanted:
            continue
        if work.is_release:
            roots.append(Root(f"the release {work.path}", (Need(work.path, None),)))
        elif work.state == "unfinished":
            roots.append(Root(f"the unfinished {work.path}", (Need(work.path, None),)))
    return roots


def _named(folder: Path, works: Sequence[Work], text: str, key: str) -> Work:
    """The artifact that a key of the config speaks of: its path below the folder, or its name where that is one."""
    exact = [work for work in works if work.path.relative_to(folder).as_posix() == text.strip("/")]
    found = exact or [work for work in works if work.path.name == text]
    if len(found) != 1:
        which = "names several: " + ", ".join(str(work.path) for work in found) if found else "is no artifact"
        raise BadRequest(f"{key}: {text!r} {which} below {folder}; want the path of one below it")
    return found[0]


def _judge(work: Work, unwanted: set[Path], has_keep: bool, reached: Reached) -> Iterator[tuple[Leftover, bool]]:
    """What a work that nothing needs is, and whether it goes."""
    is_named = work.path in unwanted
    if work.state == "damaged":
        yield _leftover("damaged", work.path, work.trouble), True
    elif work.state == "strange":
        yield _leftover("strange", work.path, work.trouble), is_named
    elif work.state == "unfinished":
        why = "begun and not finished; its phase, run again, would go on"
        yield _leftover("unfinished", work.path, why), is_named
    elif lost := _lost_input(work):
        yield _leftover("orphaned", work.path, lost), is_named
    elif is_named:
        yield _leftover("unreferenced", work.path, "named, and nothing else needs it"), True
    elif has_keep and not reached.illegible:
        yield _leftover("unreferenced", work.path, "no keep, release or unfinished work descends from it"), True


def _lost_input(work: Work) -> str:
    """What became of a sealed artifact's input; empty when all are as they were."""
    for need in work.needs:
        if need.path is None:
            continue
        if not is_sealed(need.path):
            return f"its input {need.path} is gone"
        if read_work(need.path).digest != need.digest:
            return f"its input {need.path} has been made anew since"
    return ""


def _scratch(works: Sequence[Work]) -> list[Leftover]:
    return [
        _leftover("scratch", work.path / PROGRESS, "left inside a sealed artifact")
        for work in works
        if work.state == "sealed" and (work.path / PROGRESS).is_dir() and not is_being_written(work.path)
    ]


def _old_logs(places: Places, days: float) -> list[Leftover]:
    alive = {path.parent / LOGS / path.name for path in places.artifacts}
    found: list[Leftover] = []
    for path in (path for path in places.logs if path not in alive):
        newest = max((file.lstat().st_mtime for file in (path, *path.rglob("*"))), default=0.0)
        age = (time.time() - newest) / SECONDS_A_DAY
        if age >= days:
            found.append(_leftover("logs", path, f"of an artifact that is not there, {age:.0f} days old"))
    return found


def _in_order(leftovers: Sequence[Leftover]) -> tuple[Leftover, ...]:
    return tuple(sorted(leftovers, key=lambda item: (str(item.path), item.category)))


@contextlib.contextmanager
def _held(path: Path) -> Generator[bool]:
    """Hold an artifact's lock, so that nobody begins to write it; yields False when somebody does already."""
    lock = path / PROGRESS / "lock"
    if not lock.is_file():
        yield True
        return
    with lock.open("a", encoding="utf-8") as stream:
        yield _lock(stream) and leased_elsewhere(path) is None


def _lock(stream: TextIO) -> bool:
    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def places_below(folder: Path, *, follow: bool = False) -> Places:
    """What lies below ``folder``; links to folders are followed on demand, and never for what may be deleted."""
    found = Places([], [], [], [])
    for here, names, files in walk(folder, follow=follow):
        if MANIFEST in files or PROGRESS in names:
            found.artifacts.append(here)
            names.clear()
            continue
        if here.name == LOGS:
            found.logs.extend(here / name for name in sorted(names))
            names.clear()
        elif here.name == RECORDS:
            found.records.extend(here / name for name in sorted(files) if name.endswith(".json"))
            names.clear()
        elif WAITING in files:
            found.waiting.append(here / WAITING)
    return found


def _leftover(category: str, path: Path, why: str) -> Leftover:
    return Leftover(category, path, _size(path), why)


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
