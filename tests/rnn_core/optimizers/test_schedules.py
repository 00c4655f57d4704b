"""Schedules of the learning rate, and where a training is in one."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, OneCycle
from rnn_core.optimizers.optimizers import optimizer_spec

KINDS = keras.optimizers
SCHEDULES = KINDS.schedules


def expected(step: int, highest: float, total: int, share: float) -> float:
    """Of the published figures: a line from 1 / 25, half a cosine to 1 / 10,000."""
    rising = total * share
    if step < rising:
        return highest / 25 + (highest - highest / 25) * step / rising
    along = (min(step, total) - rising) / (total - rising)
    last = highest / 1e4
    return last + (highest - last) * (1 + math.cos(math.pi * along)) / 2


@pytest.mark.parametrize("share", [0.0, 0.25, 0.3])
def test_one_cycle_goes_up_and_down(share: float) -> None:
    schedule = OneCycle(0.4, 20, share)
    found = [float(schedule(step)) for step in range(25)]
    assert found == pytest.approx([expected(step, 0.4, 20, share) for step in range(25)], rel=1e-5)
    if share == 0.25:
        assert found[5] == max(found) == pytest.approx(0.4)


def test_one_cycle_is_made_again_from_its_config() -> None:
    schedule = OneCycle(0.4, 20, 0.2, 10, 100)
    again = OneCycle.from_config(schedule.get_config())
    assert [float(again(step)) for step in (0, 3, 9)] == [
        float(schedule(step)) for step in (0, 3, 9)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 10), "max_learning_rate: expected a number above 0, got 0.0"),
        ((math.nan, 10), "max_learning_rate: .* got nan"),
        ((0.1, 0), "total_steps: expected .* got 0"),
        ((0.1, 10, 1.0), r"warmup_share: expected a number in \[0, 1\), got 1.0"),
        ((0.1, 10, 0.3, 0.5), "first_divisor: expected a number above 1, got 0.5"),
    ],
)
def test_what_is_no_cycle_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        OneCycle(*arguments)


@pytest.mark.parametrize("kind", [KINDS.SGD, KINDS.AdamW])
@pytest.mark.parametrize(
    "schedule",
    [
        OneCycle(0.5, 8),
        SCHEDULES.CosineDecay(0.0, 6, warmup_target=0.5, warmup_steps=2),
        SCHEDULES.PiecewiseConstantDecay([2, 4], [0.5, 0.1, 0.01]),
    ],
)
def test_steps_are_those_of_keras_wherever_a_training_begins(kind: Any, schedule: Any) -> None:
    """SGD is one of the kinds of 2.15, AdamW one that Keras moves."""
    theirs, plain, variable = kind(schedule), keras.Variable([1.0]), tf.Variable([1.0])
    ours = optimizer_spec(kind(schedule)).make({"v": variable})
    for step in range(9):
        if step == 4:
            # Restored: the state from the last one, the position from the global step alone.
            before = ours.variables
            ours = optimizer_spec(kind(schedule)).make({"v": variable})
            for name, value in before.items():
                ours.variables[name].assign(value)
        theirs.apply([tf.constant([0.5])], [plain])
        ours.apply([tf.constant([0.5])], tf.constant(step, tf.int64))
        np.testing.assert_allclose(variable, plain, rtol=1e-6)
