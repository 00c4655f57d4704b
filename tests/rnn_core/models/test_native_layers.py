"""Native layers, stock layers and plain loops give the same numbers and gradients."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_core.models import native_layers, stock_layers
from rnn_core.models.cells import KINDS, CellWeights
from rnn_core.names import LayerOutput
from tests.examples_of_properties import examples
from tests.programs import LOAD_TENSORFLOW
from tests.rnn_core import plain_loops

NAMES = sorted(KINDS)
OUTPUTS: list[LayerOutput] = ["steps", "last", "mean_max"]
"""Each way through the operations."""


class Case(NamedTuple):
    """One or more layers of a kind with a batch, and what the gradient of the output is."""

    name: str
    values: Any
    mask: Any
    weights: list[Any]
    """Kernel, recurrent kernel and bias of each layer."""
    output: LayerOutput
    upstream: Any


def make_case(
    name: str,
    mask: Any,
    features: int = 3,
    units: tuple[int, ...] = (5,),
    output: LayerOutput = "steps",
    seed: int = 1,
) -> Case:
    random = np.random.default_rng(seed)
    batch, time = mask.shape
    weights, width = [], features
    for size in units:
        columns = KINDS[name].gates * size
        bias = (2, columns) if name == "gru" else (columns,)
        shapes = ((width, columns), (size, columns), bias)
        weights += [random.normal(size=shape) / np.sqrt(shape[0]) for shape in shapes]
        width = size
    values = random.normal(size=(batch, time, features))
    shape = (batch, time, width) if output == "steps" else (batch, width)
    if output == "mean_max":
        shape = (batch, 2 * width)
    return Case(name, values, mask, weights, output, random.normal(size=shape))


def up_to(lengths: Any, time: int) -> Any:
    return np.arange(time) < np.asarray(lengths)[:, np.newaxis]


def run(case: Case, run_layers: Any) -> list[Any]:
    """The output, and the gradients of the values and of all weights."""
    values = tf.constant(case.values, tf.float32)
    weights = [tf.Variable(value, dtype=tf.float32) for value in case.weights]
    cells = [CellWeights(*weights[i : i + 3]) for i in range(0, len(weights), 3)]
    layers = [(KINDS[case.name], cell) for cell in cells]

    @tf.function(autograph=False)
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            output = run_layers(layers, values, tf.constant(case.mask), case.output)
        upstream = tf.constant(case.upstream, tf.float32)
        return [output, *tape.gradient(output, [values, *weights], output_gradients=upstream)]

    return [value.numpy() for value in step()]


def plain_output(case: Case, values: Any, *weights: Any) -> Any:
    for i in range(0, len(weights), 3):
        values = plain_loops.layer(case.name, values, case.mask, weights[i : i + 3])
    return plain_loops.reduced(values, case.mask, case.output)


def check(case: Case) -> None:
    """To 1e-5: native against stock, and both against plain loops in float64."""
    native, stock = run(case, native_layers.run_native), run(case, stock_layers.run_stock)
    for one, other in zip(native, stock, strict=True):
        assert_close(one, other)
    arguments = [case.values, *case.weights]
    assert_close(native[0], plain_output(case, *arguments))
    random = np.random.default_rng(2)
    for which, gradient in enumerate(native[1:]):
        direction = random.normal(size=gradient.shape)
        expected = plain_loops.slope(
            lambda *moved: np.sum(plain_output(case, *moved) * case.upstream),
            arguments,
            which,
            direction,
        )
        scale = np.sqrt(np.sum(gradient**2) * np.sum(direction**2)) + 1
        assert abs(np.sum(gradient * direction) - expected) < 1e-5 * scale


def assert_close(found: Any, expected: Any) -> None:
    """Beside the largest number of ``expected``: a sum of many is no better than its summands."""
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("units", [(5,), (16,), (33, 8)], ids=str)
@pytest.mark.parametrize("output", OUTPUTS)
def test_layers_with_short_long_and_empty_rows(
    native: Any, name: str, units: tuple[int, ...], output: LayerOutput
) -> None:
    check(make_case(name, up_to([3, 9, 0, 1, 9, 0, 4], 9), 3, units, output))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", ["last", "mean_max"])
def test_many_rows_and_steps(native: Any, name: str, output: LayerOutput) -> None:
    lengths = np.random.default_rng(3).integers(0, 41, size=50)
    check(make_case(name, up_to(lengths, 40), 17, (24,), output))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(("batch", "time"), [(1, 1), (1, 6), (6, 1), (0, 4), (3, 0), (0, 0)])
def test_smallest_batches(
    native: Any, name: str, output: LayerOutput, batch: int, time: int
) -> None:
    case = make_case(name, np.ones((batch, time), bool), 2, (3,), output)
    if time > 0:
        check(case)
        return
    found, *gradients = run(case, native_layers.run_native)
    assert found.shape == case.upstream.shape
    assert not any(value.any() for value in (found, *gradients))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", OUTPUTS)
def test_rows_without_any_step_give_zeros(native: Any, name: str, output: LayerOutput) -> None:
    case = make_case(name, np.zeros((4, 3), bool), output=output)
    for value in run(case, native_layers.run_native):
        assert not value.any()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_padding_may_be_anywhere(native: Any, name: str) -> None:
    mask = np.random.default_rng(4).random((9, 12)) < 0.5
    for output in OUTPUTS:
        check(make_case(name, mask, output=output))


@pytest.mark.slow
@settings(max_examples=examples(15))
@given(
    name=st.sampled_from(NAMES),
    batch=st.integers(1, 37),
    time=st.integers(1, 9),
    features=st.integers(1, 20),
    units=st.integers(1, 40),
    output=st.sampled_from(get_args(LayerOutput)),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape(
    built: None,
    name: str,
    batch: int,
    time: int,
    features: int,
    units: int,
    output: LayerOutput,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    mask = up_to(random.integers(0, time + 1, size=batch), time)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNN_CORE_KERNELS", "on")
        check(make_case(name, mask, features, (units,), output, seed))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_large_numbers_stay_numbers_and_nan_stays_nan(native: Any, name: str) -> None:
    case = make_case(name, np.ones((2, 3), bool))
    assert_close(
        *(
            run(case._replace(values=case.values * 1e6), run_layers)[0]
            for run_layers in (native_layers.run_native, stock_layers.run_stock)
        )
    )
    case.values[1, 1, 0] = np.nan
    output = run(case, native_layers.run_native)[0]
    assert np.isfinite(output[0]).all()
    assert np.isfinite(output[1, 0]).all()
    assert np.isnan(output[1, 1:]).all()
    pooled = make_case(name, case.mask, output="mean_max")._replace(values=case.values)
    output = run(pooled, native_layers.run_native)[0]
    assert np.isfinite(output[0]).all()
    assert np.isnan(output[1]).all()


@pytest.mark.parametrize("run_layers", [native_layers.run_native, stock_layers.run_stock])
def test_of_equal_steps_the_first_has_the_gradient_of_the_maximum(
    native: Any, run_layers: Any
) -> None:
    mask = np.array([[False, True, True, False, True]])
    case = make_case("simple_rnn", mask, 1, (1,), "max")._replace(
        # Without memory, so that a step is tanh of its value: steps 1 and 4 are equal.
        values=np.array([[9.0, 0.5, 0.2, 9.0, 0.5]])[..., np.newaxis],
        weights=[np.ones((1, 1)), np.zeros((1, 1)), np.zeros(1)],
        upstream=np.ones((1, 1)),
    )
    output, d_values, *_ = run(case, run_layers)
    slope = 1 - np.tanh(0.5) ** 2
    np.testing.assert_allclose(output, [[np.tanh(0.5)]], rtol=1e-6)
    np.testing.assert_allclose(d_values[0, :, 0], [0, slope, 0, 0, 0], rtol=1e-5)


def test_a_row_has_the_same_numbers_in_every_batch(native: Any) -> None:
    case = make_case("lstm", up_to(np.arange(23) % 8, 7), units=(20,))
    whole = run(case, native_layers.run_native)[0]
    for rows in (slice(4, 5), slice(3, 17)):
        part = case._replace(
            values=case.values[rows], mask=case.mask[rows], upstream=case.upstream[rows]
        )
        np.testing.assert_array_equal(run(part, native_layers.run_native)[0], whole[rows])


def test_only_gradients_that_somebody_asks_for_are_made(native: Any) -> None:
    case = make_case("gru", np.ones((2, 3), bool))
    weights = CellWeights(*(tf.Variable(value, dtype=tf.float32) for value in case.weights))

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            values = tf.constant(case.values, tf.float32)
            output = native_layers.run_native(
                [(KINDS["gru"], weights)], values, tf.constant(case.mask), "steps"
            )
        return tape.gradient(output, [weights.kernel, weights.bias])

    (gradient,) = [
        operation
        for operation in step.get_concrete_function().graph.get_operations()
        if operation.type == "RnnCoreLayerGradient"
    ]
    assert not gradient.get_attr("of_inputs")


def test_a_gradient_may_be_asked_for_twice(native: Any) -> None:
    case = make_case("lstm", up_to([3, 1], 3))
    weights = CellWeights(*(tf.Variable(value, dtype=tf.float32) for value in case.weights))
    with tf.GradientTape(persistent=True) as tape:
        layers, values = [(KINDS["lstm"], weights)], tf.constant(case.values, tf.float32)
        output = native_layers.run_native(layers, values, tf.constant(case.mask), "steps")
    one, other = (tape.gradient(output, weights.kernel).numpy() for _ in range(2))
    np.testing.assert_array_equal(one, other)


def print_digests(*threads: int) -> None:
    """Prints what layers give, each time in a process of its own with so many threads.

    The processes are forked, because TensorFlow takes longer to import than all of this: it makes
    its threads at the first operation, and so after the fork.
    """
    for count in threads:
        child = os.fork()
        if child == 0:
            tf.config.threading.set_intra_op_parallelism_threads(count)
            print(count, _digest(), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0


def _digest() -> str:
    digest = hashlib.sha256()
    lengths = np.random.default_rng(5).integers(0, 31, size=70)
    for name in NAMES:
        for output in ("steps", "mean_max"):
            case = make_case(name, up_to(lengths, 30), 9, (40, 12), output)
            for value in run(case, native_layers.run_native):
                digest.update(value.tobytes())
    return digest.hexdigest()


def test_bits_do_not_depend_on_the_number_of_threads(native: Any) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{LOAD_TENSORFLOW}from tests.rnn_core.models import test_native_layers as t\n"
            "t.print_digests(1, 2, 5)",
        ],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found.keys() == {"1", "2", "5"}
    assert len(set(found.values())) == 1


GOOD = {
    "inputs": (2, 3, 4),
    "mask": (2, 3),
    "kernel": (4, 20),
    "recurrent_kernel": (5, 20),
    "bias": (20,),
}


def forward(native: Any, **shapes: Any) -> Any:
    made = {name: tf.zeros(shape) for name, shape in {**GOOD, **shapes}.items()}
    made["mask"] = tf.ones_like(made["mask"], tf.bool)
    return native.rnn_core_layer(**made, cell="lstm_cell", wanted="steps")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("inputs", (2, 3, 5)),
        ("inputs", (3, 2, 4)),
        ("inputs", (6, 4)),
        ("mask", (2, 4)),
        ("mask", (6,)),
        ("kernel", (4, 15)),
        ("kernel", (80,)),
        ("recurrent_kernel", (4, 20)),
        ("recurrent_kernel", (0, 20)),
        ("bias", (19,)),
        ("bias", (2, 20)),
    ],
)
def test_shapes_that_do_not_fit_are_an_error(
    native: Any, name: str, shape: tuple[int, ...]
) -> None:
    assert forward(native)[0].shape == (2, 3, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="RnnCoreLayer: expected"):
        forward(native, **{name: shape})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("d_output", (2, 5)),
        ("d_output", (2, 3, 4)),
        ("mask", (2, 2)),
        ("saved", (7,)),
        ("kernel", (3, 20)),
        ("recurrent_kernel", (5, 15)),
    ],
)
def test_gradients_of_other_shapes_are_an_error(
    native: Any, name: str, shape: tuple[int, ...]
) -> None:
    given = {
        "mask": tf.ones([2, 3], tf.bool),
        "kernel": tf.zeros([4, 20]),
        "recurrent_kernel": tf.zeros([5, 20]),
        "saved": forward(native)[1],
        "d_output": tf.zeros([2, 3, 5]),
    }
    more = {"cell": "lstm_cell", "wanted": "steps", "of_inputs": True}
    assert native.rnn_core_layer_gradient(**given, **more)[0].shape == (2, 3, 4)
    given[name] = tf.cast(tf.zeros(shape), given[name].dtype)
    with pytest.raises(tf.errors.InvalidArgumentError, match="RnnCoreLayer: expected"):
        native.rnn_core_layer_gradient(**given, **more)
