"""What the graph of a dataset says."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core.loops.input_graph import inspect

RANGE = tf.data.Dataset.range(10)


def drawn(parallel: int | None = None, seed: int | None = 1) -> tf.data.Dataset:
    return RANGE.map(lambda _: tf.random.uniform([], seed=seed), num_parallel_calls=parallel)


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (RANGE.shuffle(10), None),
        (RANGE.shuffle(10_000).batch(2), None),
        (RANGE.shuffle(10_001), "for 10001 rows"),
        (RANGE.shuffle(tf.data.UNKNOWN_CARDINALITY), "for all rows"),
        (RANGE.map(lambda _: tf.zeros([1000])).shuffle(1000).repeat(), "for 1000 rows"),
        (RANGE.cache().batch(2), "caches"),
        (RANGE.cache("file"), None),
        (RANGE.interleave(lambda _: RANGE.shuffle(20_000)), "for 20000 rows"),
    ],
)
def test_a_large_buffer_is_found(dataset: tf.data.Dataset, reason: str | None) -> None:
    found = inspect(dataset).large_buffer
    assert found is None if reason is None else reason in str(found)


@pytest.mark.parametrize(
    ("dataset", "what"),
    [
        (RANGE.shuffle(10, seed=1).batch(2).repeat(), None),
        (RANGE.shuffle(10).batch(2).repeat(), "a shuffle without a seed"),
        (drawn(), None),
        (drawn(seed=None), "random operations without a seed"),
        (drawn(parallel=2), "random operations in a parallel function"),
        (RANGE.map(lambda row: tf.numpy_function(abs, [row], tf.int64)), "Python functions"),
    ],
)
def test_what_may_not_repeat_is_found(dataset: tf.data.Dataset, what: str | None) -> None:
    assert inspect(dataset).unrepeatable == what
