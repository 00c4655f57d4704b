"""Where context features enter."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from rnn_core import NetworkConfig
from tests.rnn_core.models.blocks.samples import C, F, batch, network

KERNEL, LAYER = "rnn_model/logits/kernel", "rnn_model/rnn/gru_cell/kernel"


def test_context_in_the_head_is_behind_the_representation() -> None:
    with_context = network(NetworkConfig(context="head"))
    assert with_context.variables[LAYER].shape == (F, 3 * 4)
    assert with_context.variables[KERNEL].shape == (4 + C, 3)
    without = network(context=False)
    for name, variable in without.variables.items():
        variable.assign(with_context.variables[name][: variable.shape[0]])
    features = batch()
    added = features["c"] @ with_context.variables[KERNEL][4:]
    expected = without(features).logits + added
    np.testing.assert_allclose(with_context(features).logits, expected, atol=1e-6)


def test_context_in_both_is_in_the_steps_and_in_the_head() -> None:
    made = network(NetworkConfig(context="both"))
    assert made.variables[LAYER].shape == (F + C, 3 * 4)
    assert made.variables[KERNEL].shape == (4 + C, 3)


def test_context_in_the_head_is_beside_the_output_of_each_step() -> None:
    made = network(NetworkConfig(context="head"), sequences=True)
    features = batch()
    other = {**features, "c": features["c"] + 1.0}
    moved = made(other).logits - made(features).logits
    expected = tf.reduce_sum(made.variables[KERNEL][4:], 0)
    np.testing.assert_allclose(moved, np.broadcast_to(expected, moved.shape), atol=1e-5)


def test_nothing_changes_where_there_is_no_context() -> None:
    features = batch()
    plain, head = (network(NetworkConfig(context=one), context=False) for one in ("steps", "head"))
    assert plain.variables.keys() == head.variables.keys()
    np.testing.assert_array_equal(plain(features).logits, head(features).logits)
