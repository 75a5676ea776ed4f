from __future__ import annotations

from aplantida.release.sweep_page import pareto_front, sweep_page


def test_the_front_holds_what_no_smaller_trial_beats() -> None:
    points = [(2.0, 0.6), (1.0, 0.5), (3.0, 0.6), (2.0, 0.55), (4.0, 0.7), (1.0, 0.5)]
    assert pareto_front(points) == [(1.0, 0.5), (2.0, 0.6), (4.0, 0.7)]


def test_the_page_lists_the_trials_best_first_and_is_the_same_each_time() -> None:
    rows = [
        {"trial": 1, "temperature": 2.0, "bytes": 4_000_000, "val_top1": 0.25, "val_loss": 2.0},
        {"trial": 2, "temperature": 3.0, "bytes": 5_000_000, "val_top1": 0.75, "val_loss": 1.0},
    ]
    text = sweep_page(("trial", "temperature", "val_top1"), rows, "val_top1", 2)
    assert text == sweep_page(("trial", "temperature", "val_top1"), rows, "val_top1", 2)
    assert "Trial 2 is the best by val_top1" in text
    assert text.index("0.75") < text.index("0.25")
