"""The parts of a training with parameter servers; ``test_failures`` runs whole ones."""

from __future__ import annotations

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rnn_core import ArgumentError, RunConfig
from rnn_core.loops.parameter_servers import Worker, _graph, chunks, is_served


@given(st.integers(1, 500), st.integers(1, 9))
def test_steps_are_handed_out_evenly(count: int, parts: int) -> None:
    sizes = chunks(count, parts)
    assert sum(sizes) == count
    assert len(sizes) <= parts
    assert max(sizes) - min(sizes) <= 1


def test_a_cluster_without_parameter_servers_is_not_served() -> None:
    assert not is_served(RunConfig())
    assert not is_served(RunConfig(train_distribute=tf.distribute.MirroredStrategy(["CPU:0"])))


def test_a_worker_knows_its_place() -> None:
    place = Worker(1, 3)
    assert (place.worker, place.worker_count, place.local_count) == (1, 3, 1)


def test_a_dataset_of_python_cannot_be_sent() -> None:
    made = tf.data.Dataset.from_generator(
        lambda: iter([1]), output_signature=tf.TensorSpec([], tf.int64)
    )
    with pytest.raises(ArgumentError, match="TensorFlow's operations only"):
        _graph(made)
