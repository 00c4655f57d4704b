"""Out of a graph that somebody else has made the default one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rnn_core.graph.eager import eager_mode, eagerly, eagerly_generated, switches_of_caller
from tests.programs import LOAD_TENSORFLOW
from tests.projects import ROOT
from tests.rnn_core.graph import old_program

pytestmark = pytest.mark.slow


def test_operations_run_at_once_inside_of_a_graph() -> None:
    with tf.Graph().as_default():
        with eager_mode():
            assert int(tf.constant(1) + 1) == 2
        assert not tf.executing_eagerly()


def test_a_function_runs_at_once_wherever_it_is_called() -> None:
    @eagerly
    def add(one: int, other: int) -> int:
        return int(tf.constant(one) + other)

    assert add.__name__ == "add"
    assert add(1, other=2) == 3
    with tf.Graph().as_default():
        assert add(1, other=2) == 3


def test_no_strategy_of_the_caller_is_seen() -> None:
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    with strategy.scope():
        assert not eagerly(tf.distribute.has_strategy)()
        assert tf.distribute.has_strategy()


def test_a_generator_runs_at_once_and_its_caller_in_the_graph() -> None:
    ended = []

    @eagerly_generated
    def numbers(count: int) -> Iterator[int]:
        try:
            for number in range(count):
                yield int(tf.constant(number))
        finally:
            ended.append(tf.executing_eagerly())

    with tf.Graph().as_default():
        for expected, number in enumerate(numbers(3)):
            assert (number, tf.executing_eagerly()) == (expected, False)
        for _ in numbers(3):
            break
    assert ended == [True, True]


def test_shapes_are_plain_inside_and_those_of_the_program_for_its_own_functions() -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append(type(tf.TensorShape([1])[0]))

    @eagerly
    def inside() -> None:
        look()
        with switches_of_caller():
            look()
        thread = threading.Thread(target=eagerly(look))
        thread.start()
        thread.join()
        look()

    tf.compat.v1.disable_v2_tensorshape()
    try:
        inside()
        look()
    finally:
        tf.compat.v1.enable_v2_tensorshape()
    dimension = tf.compat.v1.Dimension
    assert seen == [int, dimension, int, int, dimension]


@pytest.mark.parametrize(
    "scope",
    [
        lambda: tf.Graph().as_default(),
        lambda: tf.distribute.MirroredStrategy(["CPU:0"]).scope(),
    ],
    ids=["graph", "strategy"],
)
def test_an_estimator_works_inside_of_a_scope(scope: Any, tmp_path: Path) -> None:
    entered: AbstractContextManager[Any] = scope()
    with entered:
        before = tf.executing_eagerly()
        old_program.run(tmp_path)
        assert tf.executing_eagerly() == before


@pytest.mark.parametrize(
    "name",
    [
        "disable_eager_execution",
        "disable_v2_behavior",
        pytest.param("disable_v2_tensorshape", marks=pytest.mark.slow),
        pytest.param("disable_control_flow_v2", marks=pytest.mark.slow),
    ],
)
def test_an_estimator_works_in_a_program_that_begins_with(name: str) -> None:
    program = f"import runpy; runpy.run_module('{old_program.__name__}', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", LOAD_TENSORFLOW + program, name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
