"""The model that evaluation and prediction hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnn_core


def test_a_second_prediction_neither_traces_nor_restores(
    trained: rnn_core.RNNClassifier, words_input: Any, caplog: pytest.LogCaptureFixture
) -> None:
    list(trained.predict(words_input))
    model = trained._predicted
    assert model is not None
    traces = model.predict.experimental_get_tracing_count()
    with caplog.at_level("INFO", "rnn_core"):
        list(trained.predict(words_input))
    assert trained._predicted is model
    assert model.predict.experimental_get_tracing_count() == traces
    assert "Restored" not in caplog.text


def test_two_predictions_of_different_checkpoints_may_interleave(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    older = str(Path(trained.model_dir) / "model.ckpt-4")
    alone = [row["logits"] for row in trained.predict(words_input, checkpoint_path=older)]
    one = trained.predict(words_input, checkpoint_path=older)
    first = next(one)["logits"]
    other = [row["logits"] for row in trained.predict(words_input)]
    mixed = [first, *(row["logits"] for row in one)]
    assert np.array_equal(mixed, alone)
    assert not np.array_equal(mixed, other)
