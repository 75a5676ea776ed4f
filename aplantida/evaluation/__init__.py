"""Judging a model from its scores: numpy on a ScoreTable, no GPU, no frame."""
