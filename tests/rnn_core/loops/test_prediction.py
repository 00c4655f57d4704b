"""Prediction."""

from __future__ import annotations

from typing import Any

import pytest

import rnn_core


def test_predictions_come_one_by_one_and_as_asked(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    (row,) = list(trained.predict(words_input, predict_keys=["class_ids"]))[:1]
    assert {name: value.shape for name, value in row.items()} == {"class_ids": (1,)}
    as_set = next(trained.predict(words_input, predict_keys={"class_ids", "classes"}))
    assert set(as_set) == {"class_ids", "classes"}
    batches = list(trained.predict(words_input, yield_single_examples=False))
    assert [len(batch["logits"]) for batch in batches] == [7, 7, 7, 3]
    with pytest.raises(rnn_core.ArgumentError, match="predict_keys"):
        next(trained.predict(words_input, predict_keys=["nothing"]))


def test_only_what_is_read_is_predicted(trained: rnn_core.RNNClassifier, words_input: Any) -> None:
    endless = trained.predict(lambda: words_input().repeat())
    assert len([next(endless) for _ in range(50)]) == 50
