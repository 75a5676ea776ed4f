from __future__ import annotations

import logging

import pytest

from aplantida.distributed.placement import Node, Share, gpu_part, largest_share, require_room, room_for
from aplantida.pipeline.errors import BadRequest


def nodes(*sizes: tuple[float, float]) -> list[Node]:
    return [Node(f"id{number}", f"node{number}", cpus, gpus) for number, (cpus, gpus) in enumerate(sizes)]


@pytest.mark.parametrize(
    ("num_workers", "gpus", "part"), [(1, 2, 1), (2, 2, 1), (3, 2, 1 / 2), (4, 2, 1 / 2), (5, 2, 1 / 3), (3, 1, 1 / 3)]
)
def test_workers_share_gpus_in_equal_parts_and_none_spans_two(num_workers: int, gpus: int, part: float) -> None:
    there = nodes((16, gpus))
    assert gpu_part(num_workers, there) == part
    assert room_for(Share(1, part), there) >= num_workers


def test_room_is_counted_by_node() -> None:
    assert room_for(Share(3), nodes((4, 0), (4, 0))) == 2
    assert room_for(Share(6), nodes((4, 0), (4, 0))) == 0  # 8 CPUs in all
    assert room_for(Share(0.5), nodes((2, 0))) == 4
    assert room_for(Share(1, 1), nodes((16, 1), (1, 2))) == 2
    assert room_for(Share(1, 1 / 3), nodes((16, 1))) == 3


def test_a_trials_cpus_are_one_nodes() -> None:
    assert largest_share(1, nodes((4, 0), (8, 0))) == 8
    assert largest_share(2, nodes((4, 0), (8, 0))) == 4
    assert largest_share(3, nodes((4, 0), (8, 0))) == 4
    assert largest_share(1, nodes((32, 0), (8, 1)), gpus=1) == 8
    assert largest_share(9, nodes((4, 0))) == 1


def test_what_does_not_fit_says_what_was_asked_what_there_is_and_what_to_set(caplog: pytest.LogCaptureFixture) -> None:
    there = nodes((4, 1), (4, 1))
    with pytest.raises(BadRequest) as refused:
        require_room(Share(1, 1), 3, there, key="resources.num_workers", why="training")
    assert str(refused.value) == (
        "resources.num_workers: training asks Ray for 3 x (1 CPU and 1 GPU), each on one node; there is room for 2 on "
        "node0: 4 CPU and 1 GPU; node1: 4 CPU and 1 GPU: set resources.num_workers to 2 or less, or add nodes"
    )
    with pytest.raises(BadRequest, match=r"no node can give one; set resources\.num_threads to less"):
        require_room(Share(8), 1, there, key="resources.num_actors", why="scoring")
    with caplog.at_level(logging.INFO, logger="aplantida"):
        require_room(Share(1, 1), 2, there, key="resources.num_workers", why="training")
    assert caplog.messages == ["device: training on GPU, 2 x (1 CPU and 1 GPU)"]
