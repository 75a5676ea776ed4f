from __future__ import annotations

import logging

import pytest

from aplantida.pipeline import progress
from aplantida.pipeline.progress import Progress


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_rate_and_eta_leave_out_the_start_and_earlier_work(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress(logging.getLogger("test"), 1000, "photos", "working") as bar:
        clock.now += 80  # getting going
        bar.update(500)  # what an earlier session did
        for _ in range(4):
            clock.now += 5
            bar.update(25, best="0.5")
    assert lines(caplog) == [
        "working: 550/1000 photos, 5.0/s, ETA 90 s, best 0.5",
        "working: 600/1000 photos, 5.0/s, ETA 80 s, best 0.5",
        "working: 600/1000 photos, 5.0/s, ETA 80 s",
    ]


def test_the_rate_is_that_of_the_last_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bar = Progress(logging.getLogger("test"), None, "photos", "working")
    bar.update(1)
    for _ in range(10):
        clock.now += 10
        bar.update(10)
    for _ in range(7):
        clock.now += 10
        bar.update(100)
    assert lines(caplog)[0] == "working: 11 photos, 1.0/s"
    assert lines(caplog)[-1] == "working: 801 photos, 10.0/s"


def test_slow_work_is_counted_by_the_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bar = Progress(logging.getLogger("test"), 8, "shards", "scoring")
    for _ in range(3):
        clock.now += 40
        bar.update(1)
    assert lines(caplog)[-1] == "scoring: 3/8 shards, 1.5/min, ETA 200 s"


def test_one_step_alone_has_no_rate(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Progress(logging.getLogger("test"), 1, "trials", "sweep") as bar:
        clock.now += 30
        bar.update()
    assert lines(caplog) == ["sweep: 1/1 trials"]
