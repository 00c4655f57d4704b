"""How each kind of optimizer moves a variable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core.optimizers.optimizers import optimizer_spec
from tests.rnn_core.goldens import optimizer_cases
from tests.rnn_core.goldens.optimizer_cases import CASES
from tests.rnn_core.samples import run_optimizer

GOLDENS = json.loads((Path(optimizer_cases.__file__).parent / "optimizers.json").read_text())


@pytest.mark.parametrize("gradient", ["dense", "sparse"])
@pytest.mark.parametrize("name", CASES)
def test_steps_and_slots_are_those_of_2_15(name: str, gradient: str) -> None:
    case, variable = CASES[name], tf.Variable(optimizer_cases.START)
    made = case.optimizer(keras.optimizers, keras.optimizers.schedules)
    ours = optimizer_spec(made).make({"v": variable})
    state: Any = ours.variables
    state[f"training/{case.kind}/decay"].assign(case.decay)
    for step, value in enumerate(optimizer_cases.gradients(gradient == "sparse")):
        ours.apply([value], tf.constant(step, tf.int64))
    expected = GOLDENS[f"{name} {gradient}"]
    np.testing.assert_allclose(variable, expected["variable"], rtol=1e-6, atol=1e-6)
    slots = {key.rpartition("/")[2]: value for key, value in state.items() if "/v/" in key}
    assert slots.keys() == expected["slots"].keys()
    for slot, values in expected["slots"].items():
        np.testing.assert_allclose(slots[slot], values, rtol=1e-6, atol=1e-6)


def test_a_row_without_a_gradient_rests_under_adagrad() -> None:
    gradient = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1]), [3, 2])
    moved = run_optimizer("Adagrad", [gradient], np.zeros((3, 2), np.float32))
    assert moved[[0, 2]].tolist() == [[0, 0], [0, 0]]
    assert np.all(moved[1] < 0)
