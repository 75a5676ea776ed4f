from __future__ import annotations

import pytest

from aplantida.training.task import TrainTask
from tests.fixtures.trainings import make_photos, make_plan, make_task


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> TrainTask:
    return make_task(make_plan(make_photos(tmp_path_factory.mktemp("photos"))))
