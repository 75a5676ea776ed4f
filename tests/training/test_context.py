from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aplantida.training.context import LocalContext, newest_whole
from tests.fixtures.trainings import Killed


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
    context = LocalContext(tmp_path, torch.device("cpu"), num_threads=1)
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
