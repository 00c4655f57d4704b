"""A training that was killed ends with the weights that it would have had, whatever its input."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from rnn_core import Hook, HookContext, OneCycle
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of

_COSINE = keras.optimizers.schedules.CosineDecay(0.0, 6, warmup_target=0.1, warmup_steps=2)
_PIECES = keras.optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.05, 0.02])
SETTINGS: dict[str, dict[str, Any]] = {
    "loss of training": {
        "label_smoothing": 0.1,
        "class_weights": [1.0, 2.0, 3.0],
        "focal_gamma": 2.0,
    },
    "one cycle, decay of weights": {"optimizer": lambda: _adamw(OneCycle(0.05, 8))},
    "warm-up and cosine, averages": {
        "optimizer": lambda: keras.optimizers.Adam(_COSINE, use_ema=True, ema_momentum=0.7)
    },
    "steps of the rate, batches added up, averages": {
        "optimizer": lambda: _adamw(
            _PIECES, use_ema=True, gradient_accumulation_steps=2, global_clipnorm=0.1
        )
    },
}


def _adamw(rate: Any, **settings: Any) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.1, **settings)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class Fail(Hook):
    def __init__(self, step: int) -> None:
        self.every_steps = step

    def after_steps(self, context: HookContext) -> None:
        raise KeyboardInterrupt


def unseeded(data: Data) -> tf.data.Dataset:
    return data.dataset().shuffle(24).repeat().batch(5)


def counted(data: Data) -> tf.data.Dataset:
    """A shuffle without a seed, and random numbers in a function."""
    rows = data.dataset().shuffle(24).batch(5).repeat()
    return rows.map(
        lambda x, y: ({**x, "context": x["context"] + tf.random.normal(tf.shape(x["context"]))}, y)
    )


def generated(data: Data) -> tf.data.Dataset:
    """From a generator without an end."""
    endless = tf.data.Dataset.from_generator(
        itertools.count, output_signature=tf.TensorSpec([], tf.int64)
    )
    batches = data.dataset().cache().repeat().batch(5)
    return tf.data.Dataset.zip(batches, endless).map(lambda batch, _: batch)


@pytest.mark.parametrize("make", [unseeded, counted, generated])
def test_a_training_is_resumed_exactly(
    make: Callable[[Data], tf.data.Dataset], data: Data, tmp_path: Path
) -> None:
    config = {"save_summary_steps": None}
    whole = make_estimator(tmp_path / "whole", config=config)
    whole.train(lambda: make(data), max_steps=10)
    with pytest.raises(KeyboardInterrupt):
        make_estimator(tmp_path / "killed", config=config).train(
            lambda: make(data), hooks=[Fail(6)], max_steps=10
        )
    resumed = make_estimator(tmp_path / "killed", config=config)
    resumed.train(lambda: make(data), max_steps=10)
    assert same_bits(weights_of(resumed), weights_of(whole))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_resumed_exactly(name: str, data: Data, tmp_path: Path) -> None:
    """Killed at a step that is no end of anything, such as of the batches of one step."""
    quiet = {"save_summary_steps": None, "save_checkpoints_steps": 3, "log_step_count_steps": None}
    whole, killed, resumed = (
        make_estimator(tmp_path / where, config=quiet, **SETTINGS[name])
        for where in ("whole", "killed", "killed")
    )
    whole.train(lambda: unseeded(data), max_steps=8)
    with pytest.raises(KeyboardInterrupt):
        killed.train(lambda: unseeded(data), hooks=[Fail(5)], max_steps=8)
    resumed.train(lambda: unseeded(data), max_steps=8)
    assert same_bits(weights_of(resumed), weights_of(whole))


def test_the_seed_of_an_input_is_kept_by_a_restart(data: Data, tmp_path: Path) -> None:
    config = {"save_summary_steps": None, "tf_random_seed": None}
    for fail_at in (6, 10):
        with pytest.raises(KeyboardInterrupt):
            make_estimator(tmp_path, config=config).train(
                lambda: unseeded(data), hooks=[Fail(fail_at)], max_steps=20
            )
    first, second = (
        json.loads((tmp_path / f"model.ckpt-{step}.input.json").read_text())["seed"]
        for step in (4, 8)
    )
    assert isinstance(first, int)
    assert first == second
