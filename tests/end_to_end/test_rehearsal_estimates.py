"""The rehearsal's arithmetic: what a plain run does, and how its hours follow from seconds a photo."""

from __future__ import annotations

import pytest

from aplantida.pipeline.config import find_file
from aplantida.pipeline.graph import Node, load_graph
from benchmarks.rehearsal.machines import OTHERS, Observed, estimate
from benchmarks.rehearsal.networks import NetworkSeconds
from benchmarks.rehearsal.workload import Counts, Work, merged_config, work_of

NODES = {node.name: node for node in load_graph(find_file("configs/pipeline.yaml"))}
COUNTS = {"global": Counts(720_000, 90_000, 90_000), "EU_SW": Counts(200_000, 25_000, 25_000)}
NETWORKS = {
    "teacher_global": NetworkSeconds("vit_base_patch16_224", 224, "cpu", 64, 2.0, 0.5, 93_000_000),
    "teacher_regional": NetworkSeconds("tf_efficientnet_lite2", 260, "cpu", 64, 0.4, 0.1, 16_000_000),
    "student": NetworkSeconds("mobilenetv2", 224, "cpu", 64, 0.1, 0.02, 14_000_000),
}


def plain(node: Node) -> Work:
    return work_of(node, merged_config(node.config), COUNTS, 16)


def test_what_a_plain_run_does_to_each_photo() -> None:
    assert plain(NODES["teacher_global"]) == Work("teacher_global", 15 * 720_000, 15 * 90_000, 15 * 900_000)
    assert plain(NODES["teacher_regional"]).trained == 20 * 200_000
    views = 17 * 720_000 + 180_000
    assert plain(NODES["logits_regional"]) == Work("teacher_regional", 0, views, views)
    assert plain(NODES["soft_labels"]) == Work("", 0, 0, views)
    assert plain(NODES["sweep"]).trained == pytest.approx(16 * 4 * 0.2 * 720_000)
    assert plain(NODES["evaluation_teacher_global"]) == Work("teacher_global", 0, 180_000, 180_000)
    assert plain(NODES["evaluation"]).role == plain(NODES["student"]).role == "student"


def test_models_go_by_the_plain_networks_seconds_and_the_rest_by_its_own() -> None:
    seen = Observed("train_teacher", 100.0, 10.0, Work("teacher_global", 1_000, 100, 1_100), whole=False)
    found = estimate(seen, Work("teacher_global", 10_000, 1_000, 11_000), NETWORKS, 2, 0.0)
    assert found.here == pytest.approx((10_000 * 2.0 + 1_000 * 0.5 + 10) / 3600)
    share = OTHERS[0].tflops / 989.0
    assert found.others[0] == pytest.approx((10_000 / (1955 * share) + 1_000 / (8839 * share) + 10) / 3600)
    rows = Observed("combine_teacher_logits", 100.0, 10.0, Work("", 0, 0, 1_000), whole=False)
    found = estimate(rows, Work("", 0, 0, 10_000), NETWORKS, 2, 0.0)
    assert found.here == pytest.approx(910 / 3600)
    assert found.others[0] == pytest.approx(910 / 3600 * 2 / 8)
    whole = Observed("split_dataset", 100.0, 10.0, Work("", 0, 0, 1_000), whole=True)
    assert estimate(whole, Work("", 0, 0, 1_000), NETWORKS, 2, 0.0).how == "measured"


def test_a_network_that_no_gpu_was_tried_on_goes_by_mobilenets_ratio_here() -> None:
    mobile, other = (OTHERS[1].gpu_seconds(name, NETWORKS) for name in ("mobilenetv2", "tf_efficientnet_lite2"))
    assert other == pytest.approx((mobile[0] * 4.0, mobile[1] * 5.0))
