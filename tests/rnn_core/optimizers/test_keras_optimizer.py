"""Optimizers that Keras alone knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, UnsupportedError
from rnn_core.optimizers.keras_optimizer import KerasOptimizer, keras_spec
from rnn_core.optimizers.optimizers import optimizer_spec
from tests.rnn_core.goldens.optimizer_cases import START, gradients
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of

KINDS = keras.optimizers
SCHEDULE = KINDS.schedules.ExponentialDecay(0.1, 2, 0.5)
QUIET = {"save_checkpoints_steps": 2, "save_summary_steps": None, "log_step_count_steps": None}
OPTIMIZERS = {
    "AdamW": KINDS.AdamW(0.1),
    "Nadam": KINDS.Nadam(0.1),
    "Adamax": KINDS.Adamax(0.1),
    "Adadelta": KINDS.Adadelta(0.1),
    "Lion": KINDS.Lion(SCHEDULE),
    "Adafactor": KINDS.Adafactor(0.1),
    "Adam with decay of weights": KINDS.Adam(0.1, weight_decay=0.1),
    "SGD with averages": KINDS.SGD(SCHEDULE, use_ema=True, ema_overwrite_frequency=3),
    "SGD of two batches": KINDS.SGD(0.1, gradient_accumulation_steps=2),
    "Nadam clipped": KINDS.Nadam(0.1, clipnorm=1.0),
    "clipped SGD of two batches": KINDS.SGD(0.1, clipnorm=1.0, gradient_accumulation_steps=2),
    "clipped AdamW of three": KINDS.AdamW(
        SCHEDULE, global_clipnorm=0.5, gradient_accumulation_steps=3
    ),
}


def made(optimizer: Any, variable: tf.Variable) -> KerasOptimizer:
    ours = optimizer_spec(optimizer).make({"a/v": variable})
    assert isinstance(ours, KerasOptimizer)
    return ours


def run(ours: KerasOptimizer, values: list[Any], first: int = 0) -> None:
    for step, value in enumerate(values, first):
        ours.apply([value], tf.constant(step, tf.int64))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_keras(name: str) -> None:
    theirs = type(OPTIMIZERS[name]).from_config(OPTIMIZERS[name].get_config())
    expected, variable = keras.Variable(START), tf.Variable(START)
    for gradient in gradients(sparse=False):
        theirs.apply([gradient], [expected])
    run(made(OPTIMIZERS[name], variable), gradients(sparse=False))
    np.testing.assert_allclose(variable, expected, rtol=1e-6, atol=1e-7)
    assert not np.allclose(variable, START)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_state_goes_on_where_it_was(name: str) -> None:
    whole, part = tf.Variable(START), tf.Variable(START)
    run(made(OPTIMIZERS[name], whole), gradients(sparse=False))
    before = made(OPTIMIZERS[name], part)
    run(before, gradients(sparse=False)[:3])
    after = made(OPTIMIZERS[name], part)
    assert after.variables.keys() == before.variables.keys()
    for key, value in before.variables.items():
        after.variables[key].assign(value)
    run(after, gradients(sparse=False)[3:], 3)
    assert part.numpy().tolist() == whole.numpy().tolist()


def test_state_is_named_by_kind_variable_and_slot() -> None:
    ours = optimizer_spec(KINDS.Nadam(0.1)).make({"a/v": tf.Variable([1.0]), "b": tf.Variable(2.0)})
    assert set(ours.variables) == {
        f"training/Nadam/{name}"
        for name in (
            *("learning_rate", "u_product"),
            *("a/v/momentums", "a/v/velocities", "b/momentums", "b/velocities"),
        )
    }


def test_rows_move_as_a_dense_gradient_moves_them() -> None:
    rows, dense = tf.Variable(START), tf.Variable(START)
    run(made(KINDS.AdamW(0.1), rows), gradients(sparse=True))
    totals = [np.zeros_like(START) for _ in gradients(sparse=True)]
    for total, one in zip(totals, gradients(sparse=True), strict=True):
        np.add.at(total, one.indices.numpy(), one.values.numpy())
    run(made(KINDS.AdamW(0.1), dense), [tf.constant(total) for total in totals])
    np.testing.assert_allclose(rows, dense, rtol=1e-6)


def test_a_variable_without_a_gradient_rests() -> None:
    moved, rests = tf.Variable([1.0]), tf.Variable([1.0])
    ours = optimizer_spec(KINDS.AdamW(0.1)).make({"moved": moved, "rests": rests})
    ours.apply([tf.constant([1.0]), None], tf.constant(0, tf.int64))
    assert (float(moved[0]) < 1, float(rests[0])) == (True, 1.0)


def test_steps_run_inside_of_a_loop_of_a_graph() -> None:
    eager, looped = tf.Variable(START), tf.Variable(START)
    run(made(KINDS.AdamW(SCHEDULE), eager), [tf.ones_like(START)] * 3)
    ours = made(KINDS.AdamW(SCHEDULE), looped)

    @tf.function(autograph=False)
    def loop() -> Any:
        def step(done: Any) -> Any:
            ours.apply([tf.ones_like(START)], done)
            return (done + 1,)

        return tf.while_loop(lambda done: done < 3, step, [tf.constant(0, tf.int64)])

    loop()
    np.testing.assert_allclose(looped, eager, rtol=1e-6)


@pytest.mark.slow
def test_a_training_in_two_parts_ends_as_the_whole_one(data: Data, tmp_path: Path) -> None:
    whole, parts = (
        make_estimator(tmp_path / name, optimizer=KINDS.Nadam(0.1), config=QUIET)
        for name in ("whole", "parts")
    )
    batch = data.dataset().batch(24).repeat
    whole.train(batch, max_steps=4)
    for last in (2, 4):
        parts.train(batch, max_steps=last)
    assert "training/Nadam/rnn_model/logits/kernel/momentums" in parts.get_variable_names()
    assert same_bits(weights_of(whole), weights_of(parts))


def test_the_optimizer_that_was_given_stays_as_it_is() -> None:
    given = KINDS.AdamW(0.1)
    run(made(given, tf.Variable(START)), gradients(sparse=False))
    assert (given.built, int(given.iterations)) == (False, 0)


def test_an_optimizer_that_moved_other_variables_starts_anew() -> None:
    used, variable, expected = KINDS.AdamW(0.1), tf.Variable(START), tf.Variable(START)
    used.apply([tf.ones_like(START)], [keras.Variable(START)])
    run(made(used, variable), gradients(sparse=False))
    run(made(KINDS.AdamW(0.1), expected), gradients(sparse=False))
    assert variable.numpy().tolist() == expected.numpy().tolist()


def test_a_learning_rate_that_a_checkpoint_changed_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = made(KINDS.Lion(0.1), tf.Variable(START))
    ours.warn_of_changes()
    assert not caplog.text
    ours.variables["training/Lion/learning_rate"].assign(0.5)
    ours.warn_of_changes()
    assert "learning_rate of the optimizer is 0.5" in caplog.text


def excluding(**what: Any) -> Any:
    optimizer = KINDS.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(**what)
    return optimizer


def test_variables_are_excluded_from_the_decay_of_weights_by_their_names() -> None:
    variables = {name: tf.Variable([2.0]) for name in ("a/kernel", "a/bias")}
    ours = optimizer_spec(excluding(var_names=["bias", "beta"])).make(variables)
    ours.apply([tf.constant([0.0])] * 2, tf.constant(0, tf.int64))
    found = [float(one[0]) for one in variables.values()]
    assert found == pytest.approx([2 * (1 - 0.1 * 0.5), 2])


def test_an_exclusion_that_finds_no_variable_is_named() -> None:
    spec = optimizer_spec(excluding(var_names=["biases"]))
    with pytest.raises(ArgumentError, match=r"got 'biases'; the variables: a/bias"):
        spec.make({"a/bias": tf.Variable([2.0])})


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (KINDS.Adam(0.1, loss_scale_factor=8.0), "loss_scale_factor is not supported"),
        (KINDS.LossScaleOptimizer(KINDS.Adam(0.1)), "give the inner one alone"),
        (excluding(var_list=[tf.Variable(1.0)]), r"exclude_from_weight_decay\(var_list\) is not"),
    ],
)
def test_what_only_the_loop_of_keras_honours_is_refused(optimizer: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        optimizer_spec(optimizer)


def test_a_schedule_that_cannot_be_read_is_named() -> None:
    class Constant(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> float:
            return 0.1

    with pytest.raises(ArgumentError, match=r"AdamW: expected .* get_config"):
        keras_spec(KINDS.AdamW(Constant()))


def test_state_that_has_no_name_is_refused() -> None:
    class Hiding(keras.optimizers.SGD):
        def build(self, variables: Any) -> None:
            super().build(variables)
            self._hidden = {"a": self.add_variable((), name="hidden")}

    with pytest.raises(UnsupportedError, match="Hiding: expected its state in attributes"):
        optimizer_spec(Hiding(0.1)).make({"v": tf.Variable(START)})
