"""Tensors that an input_fn returns in place of a dataset."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, EmptyInputError, RNNClassifier, RunConfig
from rnn_core.distribution.replicas import OneReplica
from rnn_core.loops.input_fn import call_input_fn

pytestmark = pytest.mark.slow

v1 = tf.compat.v1
ROWS = np.arange(8, dtype=np.float32).reshape(4, 2)
BATCHES = [ROWS[:2].tolist(), ROWS[2:].tolist()]


def called(input_fn: Callable[[], Any], seed: int | None = None) -> tf.data.Dataset:
    return call_input_fn(input_fn, "train", {}, RunConfig(tf_random_seed=seed), OneReplica())


def values(input_fn: Callable[[], Any], count: int = 10, seed: int | None = None) -> list[Any]:
    """The feature x of up to ``count`` batches."""
    batches = called(input_fn, seed).take(count)
    return [batch["x"].numpy().tolist() for batch in batches]


def dataset() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"x": ROWS}).batch(2)


def of_one_shot_iterator() -> Any:
    return v1.data.make_one_shot_iterator(dataset()).get_next()


def of_initializable_iterator() -> Any:
    iterator = v1.data.make_initializable_iterator(dataset())
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


def of_uninitialized_iterator() -> Any:
    return v1.data.make_initializable_iterator(dataset()).get_next()


def of_queue() -> Any:
    (row,) = v1.train.slice_input_producer([tf.constant(ROWS)], num_epochs=1, shuffle=False)
    return {"x": v1.train.batch([row], batch_size=2)}


def of_a_dataset_for_graphs_only() -> Any:
    assert v1.placeholder_with_default(0, []).op.type == "PlaceholderWithDefault"
    tf.constant(0).op.name.upper()
    return dataset()


@pytest.mark.parametrize(
    "input_fn",
    [
        of_one_shot_iterator,
        of_initializable_iterator,
        of_uninitialized_iterator,
        of_queue,
        of_a_dataset_for_graphs_only,
    ],
)
def test_each_batch_comes_once_and_then_the_input_ends(input_fn: Callable[[], Any]) -> None:
    assert values(input_fn) == BATCHES


def test_a_table_and_a_variable_of_the_input_fn_are_initialized() -> None:
    def input_fn() -> Any:
        keys = tf.constant([0, 2, 4, 6], tf.int64)
        rows = tf.lookup.KeyValueTensorInitializer(keys, [1.0, 2.0, 3.0, 4.0])
        table = tf.lookup.StaticHashTable(rows, 0.0)
        scale = v1.get_variable("scale", initializer=10.0, use_resource=True)
        found = tf.cast(of_one_shot_iterator()["x"], tf.int64)
        return {"x": table.lookup(found) * scale}

    assert values(input_fn) == [[[10, 0], [20, 0]], [[30, 0], [40, 0]]]


def test_random_numbers_are_others_at_each_step() -> None:
    found = values(lambda: {"x": tf.random.normal([3])}, count=4)
    assert len({tuple(one) for one in found}) == 4


def test_a_seed_gives_the_same_random_numbers_again() -> None:
    def input_fn() -> Any:
        return {"x": tf.random.uniform([3])}

    assert values(input_fn, 3, seed=4) == values(input_fn, 3, seed=4)
    assert values(input_fn, 3, seed=4) != values(input_fn, 3, seed=5)


def test_a_python_function_is_called_at_each_step() -> None:
    numbers = itertools.count()

    def input_fn() -> Any:
        number = tf.py_function(lambda: float(next(numbers)), [], tf.float32)
        return {"x": tf.ensure_shape(number, [])}

    assert values(input_fn, 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", [tuple, list])
def test_features_and_labels_may_be_a_tuple_or_a_list(kind: Any) -> None:
    def input_fn() -> Any:
        batch = of_one_shot_iterator()["x"]
        features = {
            "sparse": tf.sparse.from_dense(batch),
            "ragged": tf.RaggedTensor.from_tensor(batch),
        }
        return kind([features, batch[:, 0]])

    found = called(input_fn)
    features, labels = found.element_spec
    assert isinstance(features["sparse"], tf.SparseTensorSpec)
    assert isinstance(features["ragged"], tf.RaggedTensorSpec)
    assert labels.dtype == tf.float32
    for (features, labels), batch in zip(found, BATCHES, strict=True):
        assert tf.sparse.to_dense(features["sparse"]).numpy().tolist() == batch
        assert features["ragged"].to_list() == batch
        assert labels.numpy().tolist() == [row[0] for row in batch]


def test_labels_may_be_missing() -> None:
    found = list(called(lambda: (of_one_shot_iterator(), None)))
    assert [labels for _, labels in found] == [None, None]


def test_a_tuple_of_three_is_refused() -> None:
    with pytest.raises(ArgumentError, match="length 3"):
        called(lambda: (of_one_shot_iterator(), 1, 2))


OUTSIDE = tf.constant([1.0, 2.0])


@pytest.mark.parametrize(
    "input_fn",
    [
        lambda: {"x": tf.constant([1.0, 2.0])},
        lambda: {"x": OUTSIDE},
        lambda: {"x": OUTSIDE + 0},
        lambda: {"x": [1.0, 2.0]},
        lambda: {"x": np.array([1.0, 2.0], np.float32)},
        lambda: {"x": tf.RaggedTensor.from_row_lengths(OUTSIDE, [2]).values},
    ],
)
def test_constants_are_one_batch_without_end(input_fn: Callable[[], Any]) -> None:
    found = called(input_fn)
    assert found.cardinality() == tf.data.INFINITE_CARDINALITY
    assert values(input_fn, 3) == [[1, 2]] * 3


@pytest.mark.parametrize(
    "input_fn",
    [
        lambda: next(iter(dataset())),
        lambda: {"x": tf.constant(next(iter(dataset()))["x"].numpy())},
        lambda: {"x": tf.random.get_global_generator().normal([2])},
    ],
)
def test_a_batch_that_no_graph_can_take_again_is_refused(input_fn: Callable[[], Any]) -> None:
    with pytest.raises(ArgumentError, match=r"Return the tf\.data\.Dataset itself"):
        called(input_fn)


def test_an_iterator_from_outside_is_refused() -> None:
    iterator = iter(dataset())
    with pytest.raises(ArgumentError, match=r"Return the tf\.data\.Dataset itself"):
        called(lambda: next(iterator))


def test_a_placeholder_is_refused() -> None:
    with pytest.raises(ArgumentError, match="placeholder 'rows' has no value"):
        called(lambda: {"x": v1.placeholder(tf.float32, [2], name="rows")})


def test_an_error_of_the_input_fn_itself_stays() -> None:
    def input_fn() -> Any:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        called(input_fn)


def labelled(rows: tf.data.Dataset) -> tf.data.Dataset:
    return rows.map(lambda row: ({"x": tf.sparse.from_dense(row["x"] + 1)}, tf.constant([0, 1])))


def batches() -> Any:
    return v1.data.make_one_shot_iterator(labelled(dataset())).get_next()


def test_training_evaluation_and_prediction_end_with_the_input(tmp_path: Path) -> None:
    column = tf.feature_column.sequence_numeric_column("x")
    estimator = RNNClassifier([column], units=[4], cell_type="gru", model_dir=tmp_path)
    estimator.train(batches, steps=50)
    assert estimator.get_variable_value("global_step") == 2
    right = estimator.evaluate(lambda: labelled(dataset()))
    assert estimator.evaluate(batches) == right
    assert len(list(estimator.predict(batches))) == len(ROWS)
    with pytest.raises(EmptyInputError):
        estimator.train(
            lambda: v1.data.make_one_shot_iterator(labelled(dataset()).take(0)).get_next()
        )
