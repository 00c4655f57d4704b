"""The base class of hooks, and what they see."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, Hook, HookContext, ModeKeys, UnsupportedError


@pytest.fixture
def context() -> HookContext:
    variables = {"global_step": tf.Variable(4, dtype=tf.int64), "a/b": tf.Variable([1.0, 2.0])}
    return HookContext(global_step=4, loss=0.5, variables=variables)


def test_a_hook_that_overrides_nothing_does_nothing() -> None:
    context, hook = HookContext(loss=0.5), Hook()
    hook.begin(context)
    hook.before_steps(context)
    hook.after_steps(context)
    hook.before_save(context)
    hook.after_save(context, "model.ckpt-1")
    hook.end(context)
    assert context == HookContext(loss=0.5)


@pytest.mark.parametrize(("step", "expected"), [(0, 100), (99, 100), (100, 200)])
def test_a_hook_looks_at_multiples_of_its_steps(step: int, expected: int) -> None:
    assert Hook().next_step_due(step) == expected


def test_a_context_before_the_first_step_has_no_loss() -> None:
    assert math.isnan(HookContext().loss)


def test_a_request_is_remembered() -> None:
    context = HookContext()
    context.request_stop()
    context.request_checkpoint()
    assert context.stop_requested
    assert context.save_requested


def test_steps_are_counted_in_batches_outside_of_training() -> None:
    assert HookContext(global_step=7, batches=2).step == 7
    assert HookContext(global_step=7, batches=2, mode=ModeKeys.EVAL).step == 2


def test_values_are_found_by_name_and_by_variable(context: HookContext) -> None:
    named = tf.Variable([3.0], name="a/b")
    assert [context.value(name) for name in ("loss", "loss:0", "global_step:0")] == [0.5, 0.5, 4]
    for name in ("a/b", "a/b:0", named):
        np.testing.assert_array_equal(context.value(name), [1.0, 2.0])


def test_a_value_that_does_not_exist_is_named(context: HookContext) -> None:
    with pytest.raises(ArgumentError, match=r"a/b, global_step.*'nothing'"):
        context.value("nothing")
    with pytest.raises(UnsupportedError, match=r"compute with its value in a subclass"):
        context.value(tf.constant(1.0))
