"""What a user can mend is told from a bug, whatever library or process it comes from."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from ray.exceptions import RayTaskError

from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.errors import BadRequest, machine_refusal


class LibraryError(Exception):
    """One that a library made for itself."""


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.parquet")


def raised(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def in_a_task(error: Exception, text: str = "") -> Exception:
    return RayTaskError("write", f"ray::write()\n{text or repr(error)}", error)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EMFILE, errno.EIO])
def test_a_refusal_in_a_task_of_ray_names_file_and_cure(code: int) -> None:
    bottom = OSError(code, os.strerror(code), "/disk/x")
    wanted = machine_refusal(bottom)
    assert str(wanted).startswith(f"/disk/x: {os.strerror(code)}: ")
    task = in_a_task(bottom)
    assert isinstance(task, RayTaskError)
    assert machine_refusal(task) == wanted
    assert machine_refusal(task.as_instanceof_cause()) == wanted
    assert machine_refusal(raised(lambda: _from(RuntimeError(f"2 trials failed: {task}"), task))) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Error while serializing: I/O error: No space left on device (os error 28)", "make room"),
        ('I/O error: Not a directory (os error 20) at path "/a/b/.tmp"', "part of the path is a file"),
        ("Disk quota exceeded (os error 122)", "make room"),
        ('IO Error: Could not write file "/a/b.db": File too large', "takes no file as large as this"),
        ("database or disk is full", "make room"),
        ("1000000 requested and 496 written", "in part only"),
        ("[enforce fail at inline_container.cc:671] . unexpected pos 704 vs 598", "in part only"),
    ],
)
def test_a_library_says_it_in_words_of_its_own(text: str, said: str) -> None:
    for error in (LibraryError(text), in_a_task(LibraryError(text)), raised(lambda: _in_a_process(text))):
        assert said in str(machine_refusal(error))
        assert "\n" not in str(machine_refusal(error))


def test_a_full_database_is_one(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "small.db") as small:
        small.execute("pragma max_page_count=2")
        small.execute("create table rows (text)")
        assert "make room" in str(
            machine_refusal(raised(lambda: small.execute("insert into rows values (?)", ["x" * 99_999])))
        )


def test_a_bug_in_the_handling_of_a_refusal_is_a_bug() -> None:
    bugs = [raised(lambda: _while_handling(FULL, ValueError("index"))), RuntimeError("index (os error 2)")]
    bugs += [raised(lambda: _while_handling(FULL, KeyError("x")))]
    bugs += [
        in_a_task(bugs[0], f"{FULL!r}\nDuring handling of it:\nTraceback (most recent call last):\nValueError: index")
    ]
    for bug in [*bugs, FileNotFoundError(errno.ENOENT, "No such file or directory", "ours.json")]:
        assert machine_refusal(bug) is None
        told: list[str] = []
        with pytest.raises(type(bug)):
            exit_code_of(lambda bug=bug: _from(bug, None), told.append)
        assert told == []


def test_what_stops_a_command_is_a_code_and_a_line() -> None:
    told: list[str] = []
    stops = (
        BadRequest("no such key"),
        KeyboardInterrupt(),
        FULL,
        in_a_task(FULL),
        LibraryError("No space left (os error 28)"),
    )
    assert [exit_code_of(lambda stop=stop: _from(stop, None), told.append, "out: ") for stop in stops] == [
        2,
        130,
        2,
        2,
        2,
    ]
    assert told[0] == "no such key"
    assert "go on" in told[1]
    assert told[2] == told[3]
    assert all(line.startswith("out: ") and "make room" in line for line in told[2:])


def _from(error: BaseException, cause: BaseException | None) -> int:
    raise error from cause


def _while_handling(first: Exception, second: Exception) -> None:
    try:
        raise first
    except OSError:
        raise second  # noqa: B904


def _fail(text: str) -> None:
    raise OSError(text)


def _in_a_process(text: str) -> None:
    with ProcessPoolExecutor(1) as processes:
        processes.submit(_fail, text).result()
