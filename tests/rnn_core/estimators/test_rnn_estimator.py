"""A recurrent network with any head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rnn_core import (
    ArgumentError,
    MultiClassHead,
    MultiLabelHead,
    RegressionHead,
    RNNEstimator,
    RunConfig,
    SequentialHeadWrapper,
)
from tests.rnn_core.samples import CLASSES, Data, context_columns, sequence_columns


def make(head: Any, model_dir: Path, **changes: Any) -> RNNEstimator:
    columns = sequence_columns(), context_columns()
    return RNNEstimator(
        head,
        *columns,
        units=[3],
        cell_type="gru",
        model_dir=model_dir,
        config=RunConfig(tf_random_seed=7),
        **changes,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "labels", "metric"),
    [
        (MultiLabelHead(CLASSES), lambda ids: tf.one_hot(ids, CLASSES), "auc"),
        (RegressionHead(), lambda ids: tf.cast(ids, tf.float32), "prediction/mean"),
    ],
)
def test_any_head_is_trained_and_measured(
    data: Data, tmp_path: Path, head: Any, labels: Any, metric: str
) -> None:
    estimator = make(head, tmp_path)
    batch = tf.data.Dataset.from_tensors((data.features(), labels(data.labels)))
    before = estimator.evaluate(lambda: batch)["loss"]
    estimator.train(lambda: batch.repeat(), steps=5)
    after = estimator.evaluate(lambda: batch)
    assert after["loss"] < before
    assert metric in after


@pytest.mark.parametrize("wrapped", [True, False])
def test_full_sequences_and_the_sequential_head_belong_together(
    tmp_path: Path, wrapped: bool
) -> None:
    head = MultiClassHead(CLASSES)
    given: Any = SequentialHeadWrapper(head) if wrapped else head
    with pytest.raises(ArgumentError, match="return_sequences"):
        make(given, tmp_path, return_sequences=not wrapped)
    make(given, tmp_path, return_sequences=wrapped)


def test_the_mask_has_the_name_that_the_head_gives_it(data: Data, tmp_path: Path) -> None:
    head = SequentialHeadWrapper(MultiClassHead(CLASSES), "steps")
    estimator = make(head, tmp_path, return_sequences=True)
    batch = tf.data.Dataset.from_tensors(data.features())
    (found,) = estimator.predict(lambda: batch, yield_single_examples=False)
    assert found["steps"].sum(1).tolist() == data.lengths.tolist()
