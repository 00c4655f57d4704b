"""What the estimator reads from its newest checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rnn_core
from tests.rnn_core.samples import make_estimator, sequence_columns


@pytest.mark.slow
def test_variables_of_the_newest_checkpoint_are_read_by_name(
    trained: rnn_core.RNNClassifier,
) -> None:
    names = trained.get_variable_names()
    assert "training/Adagrad/rnn_model/rnn/gru_cell/kernel/accumulator" in names
    assert "dense_features/category_indicator" not in names
    assert trained.get_variable_value("global_step") == 10
    several: Any = ["global_step", "rnn_model/logits/bias"]
    both = trained.get_variable_value(several)
    assert both["rnn_model/logits/bias"].shape == (3,)
    with pytest.raises(rnn_core.CheckpointError, match="'nothing'"):
        trained.get_variable_value("nothing")


def test_without_a_checkpoint_there_is_nothing_to_read(tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    assert estimator.latest_checkpoint() is None
    with pytest.raises(rnn_core.CheckpointError, match="train first"):
        estimator.get_variable_names()


def test_a_checkpoint_may_be_given_as_a_path(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    latest = trained.latest_checkpoint()
    assert latest is not None
    by_path = trained.evaluate(words_input, checkpoint_path=Path(latest))
    assert by_path == trained.evaluate(words_input, checkpoint_path=latest)
    assert next(trained.predict(words_input, checkpoint_path=Path(latest)))


def test_a_config_of_another_kind_is_named(tmp_path: Path) -> None:
    config: Any = {"tf_random_seed": 3}
    with pytest.raises(rnn_core.ArgumentError, match="config: expected a RunConfig, got"):
        rnn_core.RNNClassifier(
            sequence_columns(), units=[3], cell_type="gru", model_dir=tmp_path, config=config
        )
