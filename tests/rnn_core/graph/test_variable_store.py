"""Variables by the names of the checkpoint."""

from __future__ import annotations

import tensorflow as tf

from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore


def test_a_name_is_made_once_and_trained_unless_said_otherwise() -> None:
    store = VariableStore(1)
    one = store.create("a", (2, 3), initializers.glorot_uniform)
    assert store.create("a", (2, 3), initializers.zeros) is one
    frozen = store.create("b", (1,), initializers.zeros, trainable=False)
    adopted = tf.Variable(1.0)
    store.adopt("c", adopted, True)
    assert store.variables == {"a": one, "b": frozen, "c": adopted}
    assert list(store.trainable) == ["a", "c"]
