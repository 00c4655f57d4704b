"""Dropout: where it acts, and what its numbers depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ConvolutionLayer, Hook, HookContext, NetworkConfig
from rnn_core.models.blocks.dropout import Dropout
from tests.rnn_core.models.blocks.samples import batch, network
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of

PLACES = ["input", "layer", "output", "context", "recurrent"]
STEP = tf.constant(5, tf.int64)


def test_the_share_is_dropped_and_the_rest_scaled_up() -> None:
    dropped = Dropout("place", 0.25, 1)(tf.ones([100, 100]), STEP).numpy()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.75)}
    assert np.mean(dropped == 0) == pytest.approx(0.25, abs=0.02)
    # Both halves of a draw are used, and are not alike.
    assert np.mean(dropped.ravel()[::2] == dropped.ravel()[1::2]) == pytest.approx(0.625, abs=0.02)


def test_an_odd_number_of_values_and_a_rate_near_one_are_no_exception() -> None:
    dropped = Dropout("place", 0.9999999, 1)(tf.ones([7, 3]), STEP).numpy()
    assert dropped.shape == (7, 3)
    assert np.isfinite(dropped).all()


def test_numbers_depend_on_seed_place_and_step_alone() -> None:
    values = tf.ones([50])
    first = Dropout("place", 0.5, 1)(values, STEP)
    np.testing.assert_array_equal(Dropout("place", 0.5, 1)(values, STEP), first)
    others = [("place", 2, STEP), ("other", 1, STEP), ("place", 1, STEP + 1)]
    for place, seed, step in others:
        assert not np.array_equal(Dropout(place, 0.5, seed)(values, step), first)


def test_nothing_is_dropped_outside_of_training_or_at_a_rate_of_zero() -> None:
    values = tf.ones([5])
    assert Dropout("place", 0.5, 1)(values, None) is values
    assert Dropout("place", 0.0, 1)(values, STEP) is values


@pytest.mark.parametrize("place", PLACES)
def test_each_place_drops_in_training_only(place: str) -> None:
    dropping: Any = {f"{place}_dropout": 0.5}
    made = network(NetworkConfig(context="head", **dropping), units=[8, 8])
    plain = network(NetworkConfig(context="head"), units=[8, 8])
    assert made.variables.keys() == plain.variables.keys()
    features = batch()
    np.testing.assert_allclose(made(features).logits, plain(features).logits, atol=1e-6)
    first, again, later = (made(features, step).logits.numpy() for step in (STEP, STEP, STEP + 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, later)
    assert not np.allclose(first, plain(features, STEP).logits)


def test_native_and_stock_layers_drop_the_same_weights(
    native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network(NetworkConfig(recurrent_dropout=0.3, layer_dropout=0.2), units=[8, 8])
    fast = made(batch(), STEP).logits
    monkeypatch.setenv("RNN_CORE_KERNELS", "off")
    np.testing.assert_allclose(made(batch(), STEP).logits, fast, atol=1e-5)


RATES: dict[str, Any] = {f"{place}_dropout": 0.2 for place in PLACES}
ALL = NetworkConfig(
    bidirectional=True,
    pooling="mean_max",
    context="both",
    layer_normalization=True,
    front_end=(ConvolutionLayer(4, 3, 2),),
    convolution_branch=(ConvolutionLayer(3, 3),),
    hidden_units=(5,),
    **RATES,
)


class Fail(Hook):
    every_steps = 6

    def after_steps(self, context: HookContext) -> None:
        raise KeyboardInterrupt


@pytest.mark.slow
def test_a_resumed_training_drops_what_an_uninterrupted_one_drops(
    data: Data, tmp_path: Path
) -> None:
    def estimator(name: str) -> Any:
        config = {"save_summary_steps": None}
        return make_estimator(tmp_path / name, units=[4, 3], network=ALL, config=config)

    whole = estimator("whole").train(data.train_input, max_steps=10)
    with pytest.raises(KeyboardInterrupt):
        estimator("killed").train(data.train_input, hooks=[Fail()], max_steps=10)
    resumed = estimator("killed").train(data.train_input, max_steps=10)
    assert same_bits(weights_of(resumed), weights_of(whole))
