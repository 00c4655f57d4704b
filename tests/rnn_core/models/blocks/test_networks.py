"""What holds for a network whatever it is made of: one set of numbers on every path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_core import ConvolutionLayer, NetworkConfig
from rnn_core.models import layer_choice
from rnn_core.models.recurrent_model import RecurrentModel
from tests.rnn_core.models.blocks.samples import ROW_LENGTHS, batch, model, network, randomize
from tests.rnn_core.samples import Data

CONFIGS: dict[str, dict[str, Any]] = {
    "context in the head": {"context": "head"},
    "context in both": {"context": "both", "pooling": "max"},
    "mean": {"pooling": "mean"},
    "mean and max": {"pooling": "mean_max", "context": "head"},
    "attention": {"pooling": "attention"},
    "both directions": {"bidirectional": True},
    "normalized": {"layer_normalization": True},
    "convolutions": {"front_end": [ConvolutionLayer(5, 4, 2), ConvolutionLayer(3, 3)]},
    "branch": {"convolution_branch": [ConvolutionLayer(5, 4), ConvolutionLayer(4, 3, 2)]},
    "dense": {"hidden_units": [5, 4], "context": "head"},
    "all": {
        "front_end": [ConvolutionLayer(5, 3, 2)],
        "convolution_branch": [ConvolutionLayer(4, 3)],
        "hidden_units": [5],
        "bidirectional": True,
        "layer_normalization": True,
        "pooling": "mean_max",
        "context": "both",
    },
}
"""Without anything random."""


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> NetworkConfig:
    return NetworkConfig(**CONFIGS[request.param])


def sums_of(made: RecurrentModel, data: Data, rows: slice, run: Any = None) -> Any:
    """Loss and gradients of some rows, as workers add them up; ``run`` may have been traced."""
    features = {name: value[rows] for name, value in data.features().items()}
    labels = tf.constant(data.labels[rows])
    run = run or tf.function(made.gradient_sums, autograph=False)
    return run(features, labels, tf.constant(3, tf.int64)).numpy()


# Each kind of cell by itself is compared in test_native_layers. Here every network has one, in
# turn, and that with everything has all three.
CELL_TYPES = ("gru", "simple_rnn", "lstm")
OF_EACH_NETWORK = [
    *((name, CELL_TYPES[number % 3]) for number, name in enumerate(CONFIGS) if name != "all"),
    *(("all", cell_type) for cell_type in CELL_TYPES),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cell_type"), OF_EACH_NETWORK)
def test_native_and_stock_layers_give_the_same_loss_and_gradients(
    native: Any, name: str, cell_type: str, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model(NetworkConfig(**CONFIGS[name]), cell_type=cell_type, units=[4, 3])
    randomize(made.variables)
    fast = sums_of(made, data, slice(None))
    monkeypatch.setenv("RNN_CORE_KERNELS", "off")
    stock = sums_of(made, data, slice(None))
    np.testing.assert_allclose(fast, stock, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_gradients_of_two_workers_add_up(config: NetworkConfig, data: Data) -> None:
    made = model(config)
    randomize(made.variables)
    run = tf.function(made.gradient_sums, autograph=False, reduce_retracing=True)
    together, *shares = (
        sums_of(made, data, rows, run) for rows in (slice(None), slice(0, 9), slice(9, None))
    )
    # The first number counts batches.
    np.testing.assert_allclose(sum(shares)[1:], together[1:], rtol=1e-4, atol=1e-4)


@settings(max_examples=5)
@given(extra=st.integers(0, 9))
def test_a_row_is_the_same_however_far_it_is_padded(extra: int) -> None:
    for one in CONFIGS.values():
        made = network(NetworkConfig(**one), units=[4, 3])
        expected = made(batch()).logits.numpy()
        np.testing.assert_allclose(made(batch(extra=extra)).logits, expected, atol=1e-5)


def test_a_row_alone_is_the_same_as_beside_longer_ones(config: NetworkConfig) -> None:
    made, together = network(config, units=[4, 3]), batch()
    expected = made(together).logits.numpy()
    for row, length in enumerate(ROW_LENGTHS):
        alone = {name: value[row : row + 1] for name, value in together.items()}
        alone = {**alone, "x": alone["x"][:, :length], "mask": alone["mask"][:, :length]}
        np.testing.assert_allclose(made(alone).logits[0], expected[row], atol=1e-5)


def test_steps_between_that_are_not_real_are_passed_over(config: NetworkConfig) -> None:
    made, dense = network(config), batch([3, 3])
    gaps = [0, 2, 5]
    with_gaps = {
        "c": dense["c"],
        "x": tf.constant(np.full((2, 7, 3), 9.0), tf.float32),
        "mask": tf.constant([[step in gaps for step in range(7)]] * 2),
    }
    places = [[[row, step] for step in gaps] for row in range(2)]
    with_gaps["x"] = tf.tensor_scatter_nd_update(with_gaps["x"], places, dense["x"])
    np.testing.assert_allclose(made(with_gaps).logits, made(dense).logits, atol=1e-5)


def test_a_row_without_steps_is_measured_without_not_a_number(config: NetworkConfig) -> None:
    logits = network(config)(batch([3, 0, 1])).logits
    assert np.isfinite(logits).all()


@pytest.mark.slow
def test_an_export_holds_stock_operations_and_the_same_answer(
    native: Any, config: NetworkConfig
) -> None:
    made, features = network(config, units=[4, 3]), batch()
    names = sorted(features)

    @tf.function(autograph=False)
    def logits(*values: tf.Tensor) -> tf.Tensor:
        return made(dict(zip(names, values, strict=True))).logits

    with layer_choice.stock_operations():
        traced = logits.get_concrete_function(*(features[name] for name in names))
    found = traced(*(features[name] for name in names))
    np.testing.assert_allclose(found, made(features).logits, atol=1e-5)
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(node for one in graph.library.function for node in one.node_def)]
    assert not [node.op for node in nodes if node.op.startswith("RnnCore")]
