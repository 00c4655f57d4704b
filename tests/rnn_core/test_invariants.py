"""What never changes a result: the order of the rows, how they are batched, and padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnn_core import RNNClassifier
from tests.rnn_core.samples import ROWS, Data, make_estimator

pytestmark = pytest.mark.slow

FEW = settings(
    max_examples=12,
    deadline=None,
    # The fixture is one estimator, which evaluations do not change.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def binary(data: Data, tmp_path_factory: pytest.TempPathFactory) -> RNNClassifier:
    """Weighted, with two classes: the head with the most metrics."""
    column = tf.feature_column.numeric_column("context", shape=(2,), normalizer_fn=_weights)
    estimator = make_estimator(tmp_path_factory.mktemp("binary"), n_classes=2, weight_column=column)
    return estimator.train(lambda: _batches(data, list(range(ROWS)), [8]).repeat(), steps=3)


def _weights(context: tf.Tensor) -> tf.Tensor:
    return tf.abs(context[:, :1])


def _batches(data: Data, order: list[int], sizes: list[int]) -> tf.data.Dataset:
    """The rows in ``order``, in batches of ``sizes`` again and again."""
    ends = np.minimum(np.cumsum(np.resize(sizes, ROWS)), ROWS)
    starts = np.concatenate([[0], ends[:-1]])
    parts = [order[start:end] for start, end in zip(starts, ends, strict=True) if end > start]

    def batches() -> Any:
        for part in parts:
            features = {name: tf.gather(value, part) for name, value in data.features().items()}
            yield features, tf.gather(data.labels % 2, part)

    spec = tf.nest.map_structure(tf.type_spec_from_value, next(iter(batches())))
    return tf.data.Dataset.from_generator(batches, output_signature=_any_rows(spec))


def _any_rows(spec: Any) -> Any:
    def relaxed(one: Any) -> Any:
        shape = [None, *one.shape[1:]]
        if isinstance(one, tf.RaggedTensorSpec):
            return tf.RaggedTensorSpec(shape, one.dtype, one.ragged_rank)
        return tf.TensorSpec(shape, one.dtype)

    return tf.nest.map_structure(relaxed, spec)


def _without_batch_mean(metrics: dict[str, float]) -> dict[str, float]:
    """``loss`` is a mean over batches, and so depends on them."""
    return {name: value for name, value in metrics.items() if name != "loss"}


@FEW
@given(
    order=st.permutations(range(ROWS)),
    sizes=st.lists(st.integers(1, ROWS), min_size=1, max_size=4),
)
def test_order_and_batches_never_change_an_evaluation(
    data: Data, binary: RNNClassifier, order: list[int], sizes: list[int]
) -> None:
    expected = binary.evaluate(lambda: _batches(data, list(range(ROWS)), [8]))
    found = binary.evaluate(lambda: _batches(data, order, sizes))
    assert _without_batch_mean(found) == pytest.approx(_without_batch_mean(expected), rel=1e-5)


def test_bucketing_by_length_never_changes_an_evaluation(data: Data, binary: RNNClassifier) -> None:
    expected = binary.evaluate(lambda: _batches(data, list(range(ROWS)), [8]))
    by_length = np.argsort(data.lengths, kind="stable").tolist()
    found = binary.evaluate(lambda: _batches(data, by_length, [6]))
    assert _without_batch_mean(found) == pytest.approx(_without_batch_mean(expected), rel=1e-5)


@FEW
@given(companion=st.integers(0, ROWS - 1), row=st.integers(0, ROWS - 1))
def test_a_longer_row_beside_it_never_changes_a_prediction(
    data: Data, binary: RNNClassifier, companion: int, row: int
) -> None:
    alone = next(binary.predict(lambda: _batches(data, [row], [1])))
    beside = next(binary.predict(lambda: _batches(data, [row, companion], [2])))
    assert np.allclose(alone["logits"], beside["logits"], rtol=1e-5, atol=1e-7)


@FEW
@given(kinds=st.tuples(*[st.sampled_from(["ragged", "sparse", "wide sparse"])] * 2))
def test_ragged_and_sparse_sequences_give_the_same_predictions(
    data: Data, binary: RNNClassifier, kinds: tuple[str, str]
) -> None:
    expected = [row["logits"] for row in binary.predict(lambda: _batches(data, ROWS_IN_ORDER, [8]))]

    def spelled(features: Any, labels: Any) -> Any:
        names = zip(("numbers", "tokens"), kinds, strict=True)
        return {**features, **{name: _spelled(features[name], kind) for name, kind in names}}

    dataset = _batches(data, ROWS_IN_ORDER, [8])
    found = [row["logits"] for row in binary.predict(lambda: dataset.map(spelled))]
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-7)


ROWS_IN_ORDER = list(range(ROWS))


def _spelled(feature: tf.RaggedTensor, kind: str) -> Any:
    if kind == "ragged":
        return feature
    sparse = feature.to_sparse()
    more = [0, 3, 0][: len(sparse.shape)] if kind == "wide sparse" else [0] * len(sparse.shape)
    return tf.SparseTensor(sparse.indices, sparse.values, sparse.dense_shape + more)


def test_one_model_dir_is_evaluated_alike_by_two_estimators(
    data: Data, binary: RNNClassifier
) -> None:
    column = tf.feature_column.numeric_column("context", shape=(2,), normalizer_fn=_weights)
    other = make_estimator(Path(binary.model_dir), n_classes=2, weight_column=column)
    batches = lambda: _batches(data, ROWS_IN_ORDER, [8])  # noqa: E731
    assert other.evaluate(batches) == binary.evaluate(batches)
