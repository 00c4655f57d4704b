"""The wrappers of ``tf.nn`` around cells of Keras 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.recurrent_layers import create_layers
from tests.rnn_core.models.own_cells import samples

T, B, H = 4, 3, 2
VALUES = tf.constant(np.random.default_rng(2).normal(size=(B, T, H)), tf.float32)
MASK = tf.ones([B, T], tf.bool)
NAMES = ("bias", "kernel", "recurrent_kernel")
Make = Callable[[], Any]


def lstm() -> keras.layers.Layer:
    return keras.layers.LSTMCell(H)


def dropping(cell: Any, **settings: Any) -> Any:
    return tf.nn.RNNCellDropoutWrapper(cell, **settings)


def made(make: Make, values: Any = None, seed: int = 3) -> tuple[Callable[..., Any], VariableStore]:
    """A function of the training step, None in evaluation, to outputs [B, T, H]."""
    store = VariableStore(seed)
    layers = create_layers(make, False, H, store)
    given = VALUES if values is None else values

    train = tf.function(lambda step: layers(given, MASK, step, "steps"), autograph=False)
    measure = tf.function(lambda: layers(given, MASK, None, "steps"), autograph=False)

    def run(step: int | None) -> Any:
        return (measure() if step is None else train(tf.constant(step, tf.int64))).numpy()

    return run, store


WRAPPED: dict[str, Make] = {
    "dropout_wrapper": lambda: dropping(lstm(), input_keep_prob=0.5),
    "residual_wrapper": lambda: tf.nn.RNNCellResidualWrapper(
        dropping(lstm(), output_keep_prob=0.5)
    ),
    "device_wrapper": lambda: tf.nn.RNNCellDeviceWrapper(lstm(), "/cpu:0"),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_weights_have_the_names_of_2_15_and_evaluation_drops_nothing(name: str) -> None:
    run, store = made(WRAPPED[name])
    assert sorted(store.trainable) == [f"rnn_model/rnn/{name}/{weight}" for weight in NAMES]
    bare, weights = made(lambda: keras.layers.LSTMCell(H, unit_forget_bias=False))
    for weight in NAMES:
        values = store.variables[f"rnn_model/rnn/{name}/{weight}"]
        weights.variables[f"rnn_model/rnn/lstm_cell/{weight}"].assign(values)
    expected = bare(None) + (VALUES if name == "residual_wrapper" else 0)
    np.testing.assert_allclose(run(None), expected, rtol=1e-5, atol=1e-6)
    differs = not np.allclose(run(0), run(None))
    assert differs == (name != "device_wrapper")


@pytest.mark.parametrize("place", ["input_keep_prob", "output_keep_prob", "state_keep_prob"])
@pytest.mark.parametrize("variational", [False, True])
def test_dropout_depends_on_seed_and_training_step_alone(place: str, variational: bool) -> None:
    more: dict[str, Any] = {"variational_recurrent": variational, place: 0.5}
    if variational:
        more |= {"dtype": tf.float32, "input_size": tf.TensorShape([H])}

    def make() -> Any:
        return dropping(lstm(), **more)

    run, _ = made(make)
    again, _ = made(make)
    other, _ = made(make, seed=4)
    steps = [run(step) for step in range(6)]
    assert len({step.tobytes() for step in steps}) > 1
    np.testing.assert_array_equal([again(step) for step in range(6)], steps)
    assert not np.allclose([other(step) for step in range(6)], steps)


def test_a_mask_is_drawn_for_each_step_and_a_variational_one_once() -> None:
    class Through(samples.Hidden):
        """Gives out its input."""

        state_size = output_size = H

        def call(self, inputs: Any, states: Any) -> Any:
            return inputs, states

    ones = tf.ones([B, T, H])
    settings: dict[str, Any] = {"dtype": tf.float32, "variational_recurrent": True}
    each, _ = made(lambda: dropping(Through(), output_keep_prob=0.5), ones)
    once, _ = made(lambda: dropping(Through(), output_keep_prob=0.5, **settings), ones)
    masks = np.stack([each(step) for step in range(200)])
    assert set(np.unique(masks)) == {0, 2}
    assert masks.mean() == pytest.approx(1, abs=0.1)
    assert not (masks == masks[:, :, :1]).all()
    one = np.stack([once(step) for step in range(200)])
    assert (one == one[:, :1, :1]).all()
    assert one.mean() == pytest.approx(1, abs=0.2)


def test_a_state_filter_says_which_states_are_dropped() -> None:
    def hidden_alone(state: Any) -> Any:
        return [True, False] if isinstance(state, list) else True

    def nothing(state: Any) -> bool:
        del state
        return False

    def with_filter(visitor: Any) -> Any:
        keep = {"state_keep_prob": 0.01, "dropout_state_filter_visitor": visitor}
        return made(lambda: dropping(lstm(), **keep))[0]

    assert not np.allclose(with_filter(hidden_alone)(0), with_filter(None)(0))
    np.testing.assert_allclose(with_filter(nothing)(0), with_filter(nothing)(None), rtol=1e-6)


def test_dropout_inside_of_a_wrapped_cell_acts_in_training() -> None:
    run, _ = made(
        lambda: tf.nn.RNNCellDeviceWrapper(keras.layers.LSTMCell(H, dropout=0.5), "/cpu:0")
    )
    assert not np.allclose(run(0), run(None))
    np.testing.assert_array_equal(run(1), run(1))


def test_a_dropout_wrapper_inside_of_another_cell_is_refused() -> None:
    class Around(samples.Hidden):
        def __init__(self) -> None:
            super().__init__()
            self.inner = dropping(lstm(), input_keep_prob=0.5)

    with pytest.raises(ArgumentError, match=r"Around holds a tf.nn.RNNCellDropoutWrapper.*Dropout"):
        made(Around)
