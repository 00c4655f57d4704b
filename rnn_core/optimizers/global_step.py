"""The global step for optimizers that compute their learning rate from it, as in TensorFlow 1.

The functions of ``tf.compat.v1.train``, such as ``exponential_decay``, take the value of
``get_global_step()``, which ``tf.estimator`` supplied while it called the optimizer's function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError, UnsupportedError

_COLLECTION: Final = tf.compat.v1.GraphKeys.GLOBAL_STEP
_NAME: Final = "global_step"
_ADVICE: Final = (
    "Give it a decay function of tf.compat.v1.train with get_global_step(), or a schedule of "
    "keras.optimizers.schedules, which counts the steps by itself."
)


@contextmanager
def global_step_as(step: tf.Tensor | tf.Variable) -> Iterator[None]:
    """Makes ``tf.compat.v1.train.get_global_step()`` give ``step`` in the current graph."""
    graph = tf.compat.v1.get_default_graph()
    before = graph.get_collection(_COLLECTION)
    graph.clear_collection(_COLLECTION)
    graph.add_to_collection(_COLLECTION, step)
    try:
        yield
    finally:
        graph.clear_collection(_COLLECTION)
        for one in before:
            graph.add_to_collection(_COLLECTION, one)


class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A decay function of ``tf.compat.v1.train`` as a function of the step.

    Args:
        schedule: takes the step, a scalar; returns the learning rate.
    """

    def __init__(self, schedule: Any) -> None:
        # piecewise_constant holds tensors, which a graph that is exported could not read.
        settings = tf.nest.map_structure(
            lambda value: value.numpy() if tf.is_tensor(value) else value, schedule.get_config()
        )
        self._schedule = type(schedule)(**settings)

    def __call__(self, step: Any) -> Any:
        """The learning rate after ``step`` steps, a float scalar."""
        return self._schedule(step)


class RateFunction:
    """A learning rate that a function without arguments computes at each step.

    Args:
        function: may call ``get_global_step()``, or read ``step``.
        step: int64 variable that ``get_global_step()`` gave when ``function`` was made, if any.

    Raises:
        ArgumentError: it reads a global step that no training changes.
    """

    def __init__(self, function: Callable[[], Any], step: tf.Variable | None) -> None:
        self._function = function
        self._step = None
        for variable in _variables_read(function):
            if variable is step:
                self._step = step
            elif _is_global_step(variable):
                raise ArgumentError(
                    "optimizer: its learning rate reads a global step that was made outside of "
                    "the optimizer's function, and so never changes. Call get_global_step() in "
                    f"that function. {_ADVICE}"
                )

    def at(self, step: tf.Tensor) -> tf.Tensor:
        """The learning rate after ``step`` steps; called while a step is traced.

        Raises:
            ArgumentError: the function raises an error.
        """
        if self._step is not None:
            self._step.assign(step)
        try:
            with global_step_as(step):
                rate = self._function()
                # Eagerly, a decay function gives a function.
                return tf.convert_to_tensor(rate() if callable(rate) else rate)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"optimizer: its learning rate cannot be computed: {error} {_ADVICE}"
            ) from error


Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule | RateFunction
"""A constant, a function of the step, or a function of no arguments."""


def called(function: Callable[[], Any]) -> tuple[Any, tf.Variable]:
    """What ``function`` returns, an optimizer, and the global step that it could ask for.

    Raises:
        ArgumentError: it computes the learning rate from the step at once, so that it would never
            change.
    """
    # Trainable, because a tape sees only the reads of trainable variables.
    step = tf.Variable(0, dtype=tf.int64, name=_NAME, trainable=True)
    error: Exception | None = None
    optimizer = None
    with global_step_as(step), tf.GradientTape() as tape:
        try:
            optimizer = function()
        except (TypeError, ValueError) as raised:
            error = raised
    is_read = any(variable is step for variable in tape.watched_variables())
    rate = getattr(optimizer, "_learning_rate", None)
    if is_read and (error is not None or isinstance(rate, keras.Variable)):
        raise ArgumentError(
            "optimizer: expected a learning rate that changes with the step, got one that was "
            f"computed from get_global_step() once{f': {error}' if error else ''}. {_ADVICE}"
        ) from error
    if error is not None:
        raise error
    return optimizer, step


def learning_rate(optimizer: keras.optimizers.Optimizer, step: tf.Variable | None) -> Rate:
    """The learning rate of ``optimizer``, which is not changed.

    Args:
        optimizer: a Keras optimizer.
        step: what ``get_global_step()`` gave when it was made, if anything.

    Raises:
        ArgumentError: it depends on a global step that no training changes.
        UnsupportedError: it is rounded to half precision.
    """
    rate = optimizer._learning_rate  # the schedule itself; the public name gives its value
    if isinstance(rate, keras.Variable):
        if rate.dtype in ("float16", "bfloat16"):
            raise UnsupportedError(
                f"optimizer: expected a learning rate in float32, got one in {rate.dtype}, "
                "which is rounded: keras.config.floatx() was so when the optimizer was made. "
                "Set it to 'float32'; mixed precision is not supported."
            )
        return _value(rate.value)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return rate
    if isinstance(rate, functools.partial) and hasattr(rate.func, "get_config"):
        # What the decay functions return: the schedule with the step as its only argument. None is
        # what get_global_step() gives outside of the optimizer's function.
        (at,) = rate.args
        if at is None or _is_global_step(at):
            return StepDecay(rate.func)
    return RateFunction(rate, step)


def _value(variable: tf.Variable) -> float:
    """Also of a variable that was made in a graph, where it has its initial value."""
    try:
        return float(variable.numpy())
    except (NotImplementedError, TypeError, ValueError):
        with tf.compat.v1.Session(graph=variable.graph) as session:
            return float(session.run(variable.initial_value))


def _is_global_step(value: Any) -> bool:
    return isinstance(value, tf.Variable) and value.name.split(":")[0] == _NAME


def _variables_read(function: Callable[[], Any]) -> list[tf.Variable]:
    """The variables that a learning rate is computed from; none if it cannot be computed yet."""

    def compute() -> tf.Tensor:
        with global_step_as(tf.constant(0, tf.int64)):
            return tf.convert_to_tensor(function())

    try:
        traced = tf.function(compute, autograph=False).get_concrete_function()
    except (TypeError, ValueError):
        return []
    return list(traced.graph.variables)
