"""What each example weighs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, LabelError, MissingFeatureError, MultiClassHead, RegressionHead
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.heads.weights import check_weight_column, require_some_weight
from tests.rnn_core.heads.samples import LABELS3, LOGITS3, WEIGHTS, losses

COLUMN = tf.feature_column.numeric_column


def found(head: Any, weights: Any) -> Any:
    return losses(head, LABELS3, LOGITS3, {"w": tf.constant(weights)}).weights.numpy()


@pytest.mark.parametrize("weights", [WEIGHTS, WEIGHTS[:, np.newaxis]])
@pytest.mark.parametrize("column", ["w", COLUMN("w")])
def test_a_weight_may_have_a_column_of_its_own(column: Any, weights: Any) -> None:
    assert found(MultiClassHead(3, column), weights).tolist() == WEIGHTS[:, np.newaxis].tolist()


def test_whole_numbers_weigh_too() -> None:
    assert found(MultiClassHead(3, "w"), [1, 2, 0, 1, 3, 0])[:, 0].tolist() == [1, 2, 0, 1, 3, 0]


@pytest.mark.parametrize(
    "weights",
    [
        tf.sparse.from_dense(WEIGHTS[:, np.newaxis]),
        tf.RaggedTensor.from_tensor(WEIGHTS[:, np.newaxis]),
    ],
    ids=["sparse", "ragged"],
)
def test_weights_need_not_be_dense(weights: Any) -> None:
    run = losses(MultiClassHead(3, "w"), LABELS3, LOGITS3, {"w": weights})
    assert run.weights.numpy().tolist() == WEIGHTS[:, np.newaxis].tolist()


def test_weights_of_a_shape_that_is_known_only_while_running_are_a_column() -> None:
    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)], autograph=False)
    def run(weights: tf.Tensor) -> tf.Tensor:
        return MultiClassHead(3, "w").losses({"w": weights}, LABELS3, LOGITS3).weights

    assert run(tf.constant(WEIGHTS)).numpy().tolist() == WEIGHTS[:, np.newaxis].tolist()


def test_a_numeric_weight_column_applies_its_normalizer_to_a_column() -> None:
    def share(value: Any) -> Any:
        assert value.shape == (6, 1)
        return value / tf.reduce_max(value)

    head = MultiClassHead(3, COLUMN("w", normalizer_fn=share))
    np.testing.assert_allclose(found(head, WEIGHTS)[:, 0], WEIGHTS / 3, rtol=1e-6)


def test_a_number_may_weigh_on_its_own_in_a_regression() -> None:
    weights = np.arange(18, dtype=np.float32).reshape(6, 3)
    features = {"w": tf.constant(weights)}
    own = losses(RegressionHead(3, COLUMN("w", (3,))), LOGITS3, LOGITS3, features)
    assert own.weights.numpy().tolist() == weights.tolist()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-WEIGHTS, "negative.*-1"),
        (WEIGHTS * np.nan, "no numbers.*nan"),
        (WEIGHTS[:4], "one for each row of the features, 6: got 4"),
        (np.ones([6, 2], np.float32), r"shape \[B\] or \[B, 1\], got \(6, 2\)"),
        (["x"] * 6, "numbers, got string"),
    ],
)
def test_weights_that_cannot_be_used_are_named(weights: Any, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        found(MultiClassHead(3, "w"), weights)


def test_a_missing_weight_is_named() -> None:
    with pytest.raises(MissingFeatureError, match="'w'"):
        losses(MultiClassHead(3, "w"), LABELS3, LOGITS3)


def test_a_weight_column_of_another_kind_is_refused() -> None:
    with pytest.raises(ArgumentError, match="weight_column: expected"):
        check_weight_column(3)


def test_a_batch_that_weighs_nothing_cannot_train() -> None:
    def run(examples: int, weighted: int) -> None:
        tf.function(lambda: require_some_weight(tf.constant(examples), weighted) and None)()

    with pytest.raises(LabelError, match="at least one in the batch"), named_errors():
        run(3, 0)
    run(2, 1)
    run(0, 0)
