from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from aplantida.pipeline.writer import StaleSession
from aplantida.training.checkpoints import FOLDER, STATE_FILE, checkpoint_name, newest_whole
from aplantida.training.context import LocalContext
from aplantida.training.loop import train
from aplantida.training.task import TrainTask
from tests.fixtures.trainings import Killed, TakenOver

CPU = torch.device("cpu")


def test_a_checkpoint_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    assert newest_whole(tmp_path) is None
    (tmp_path / "tmp-000000011").mkdir()  # a killed process left it
    (tmp_path / "tmp-000000011/state.pt").write_bytes(b"half of it")
    for number in (1, 2, 3, 10):
        (tmp_path / f"{number:09d}").mkdir()
        torch.save({"weights": torch.arange(5000.0)}, tmp_path / f"{number:09d}/state.pt")
    newest, third, second = (tmp_path / f"{number:09d}/state.pt" for number in (10, 3, 2))
    assert newest_whole(tmp_path) == newest
    newest.write_bytes(newest.read_bytes()[:-100])
    assert newest_whole(tmp_path) == third
    damaged = bytearray(third.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    third.write_bytes(damaged)
    assert newest_whole(tmp_path) == second


def test_killed_while_a_checkpoint_is_written_the_one_before_it_is_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = LocalContext(tmp_path, CPU, num_threads=1)
    context.save({"step": 9}, 9, {})

    def killed_half_way(_state: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("torch.save", killed_half_way)
        with pytest.raises(Killed):
            context.save({"step": 10}, 10, {})
    kept = context.latest()
    assert kept is not None
    assert torch.load(kept, weights_only=True) == {"step": 9}
    context.save({"step": 10}, 10, {})
    kept = context.latest()
    assert kept is not None
    assert torch.load(kept, weights_only=True) == {"step": 10}
    assert [path.name for path in (tmp_path / FOLDER).iterdir() if not path.name.isdigit()] == []


def damage(folder: Path, number: int) -> None:
    """As a power cut leaves it: in its place, and not all of it on disk."""
    path = folder / FOLDER / checkpoint_name(number) / STATE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half of it")


def numbers(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in (folder / FOLDER).glob("[0-9]*"))


def test_a_damaged_checkpoint_is_written_anew_when_its_number_comes_again(tmp_path: Path) -> None:
    context = LocalContext(tmp_path, CPU, num_threads=1)
    context.save({"step": 9}, 9, {})
    damage(tmp_path, 10)
    context.save({"step": 10}, 10, {})
    kept = context.latest()
    assert kept is not None
    assert torch.load(kept, weights_only=True) == {"step": 10}


def test_damaged_ones_of_higher_numbers_do_not_drive_out_whole_ones(tmp_path: Path) -> None:
    context = LocalContext(tmp_path, CPU, num_threads=1)
    context.save({"step": 4}, 4, {})
    for number in (12, 16):
        damage(tmp_path, number)
    context.save({"step": 6}, 6, {})
    context.save({"step": 8}, 8, {})
    kept = context.latest()
    assert kept is not None
    assert torch.load(kept, weights_only=True) == {"step": 8}
    assert numbers(tmp_path) == [6, 8]


def test_all_that_survives_a_training_is_on_disk_before_it_is_in_its_place(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, moved, fsync, replace = set[int](), list[Path](), os.fsync, Path.replace

    def note(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def look(path: Path, target: Path) -> Path:
        late = [inner for inner in [path, *path.rglob("*")] if inner.stat().st_ino not in synced]
        assert late == [], f"{target} would be in its place before it is on disk"
        moved.append(target)
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "replace", look)
    result = train(task, LocalContext(tmp_path, CPU, num_threads=1))
    assert moved[-1] == result
    assert {path.name for path in result.iterdir()} >= {"model.safetensors", "history.json"}
    assert {path.name for path in moved[:-1]} == {checkpoint_name(step) for step in (2, 3, 4, 6, 8, 9)}
    assert {path.parent for path in moved} == {tmp_path, tmp_path / FOLDER}
    assert all(path.parent.stat().st_ino in synced for path in moved)


@pytest.mark.parametrize("steps", [2, 9], ids=["before a checkpoint", "before the result"])
def test_a_session_that_is_over_puts_nothing_in_its_place(task: TrainTask, tmp_path: Path, steps: int) -> None:
    context = LocalContext(tmp_path, CPU, num_threads=1, check=TakenOver(tmp_path, steps))
    with pytest.raises(StaleSession):
        train(task, context)
    assert max(numbers(tmp_path)) == steps
    assert not (tmp_path / "result").exists()
