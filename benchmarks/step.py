"""A whole training step with native recurrent layers, beside one with stock operations.

Forward, backward, clipping and Adagrad, on batches of sparse features in memory. Both models are
traced first; then they run interleaved, so that what else the machine does meets both.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import rnn_core
from benchmarks.peers.features import column, dataset
from benchmarks.peers.work import CLASSES, WORKS, Work
from rnn_core.kernels import library

_PAIRS = 9
_SECONDS_A_RUN = 0.3


Run = Callable[[int], tuple[float, float]]
"""Runs so many steps; gives the seconds that they took and the last loss."""


def run() -> None:
    print(f"{'':2} {'milliseconds a step':24} {'ratio':>6}")
    print(f"{'':2} {'native':>11} {'stock':>12} {'stock / native':>17} {'loss':>9}")
    for name, work in WORKS.items():
        with tempfile.TemporaryDirectory() as directory:
            native, stock = (trainer(work, directory, switch) for switch in ("on", "off"))
            losses = [one(5)[1] for one in (native, stock)]
            np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
            pairs = _measure(native, stock)
        medians = [1000 * statistics.median(times) for times in zip(*pairs, strict=True)]
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"{name:2} {medians[0]:11.2f} {medians[1]:12.2f} {ratio:17.1f} {losses[0]:9.5f}")


def _measure(native: Run, stock: Run) -> list[tuple[float, float]]:
    """Seconds a step, pair by pair."""
    counts = [max(2, int(_SECONDS_A_RUN / one(2)[0] * 2)) for one in (native, stock)]
    return [
        (native(counts[0])[0] / counts[0], stock(counts[1])[0] / counts[1]) for _ in range(_PAIRS)
    ]


def trainer(
    work: Work,
    directory: str,
    switch: str,
    network: rnn_core.NetworkConfig | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Run:
    """A traced training from initial values, all steps of a run in one graph."""
    os.environ[library.SWITCH] = switch
    model = _estimator(work, directory, network).new_model(rnn_core.ModeKeys.TRAIN)
    global_step = tf.Variable(0, dtype=tf.int64)
    iterator = iter(dataset(work))

    @tf.function(autograph=False)
    def steps(count: tf.Tensor) -> tf.Tensor:
        def step(done: tf.Tensor, _: tf.Tensor) -> Any:
            features, labels = iterator.get_next()
            return done + 1, model.train_step(features, labels, global_step)

        start = (tf.constant(0), tf.constant(0.0))
        return tf.while_loop(lambda done, _: done < count, step, start, parallel_iterations=1)[1]

    def timed(count: int) -> tuple[float, float]:
        start = clock()
        loss = float(steps(tf.constant(count)))
        return clock() - start, loss

    steps.get_concrete_function(tf.constant(0))
    return timed


def _estimator(
    work: Work, directory: str, network: rnn_core.NetworkConfig | None
) -> rnn_core.RNNClassifier:
    return rnn_core.RNNClassifier(
        [column(work)],
        units=list(work.units),
        cell_type=work.cell,
        n_classes=CLASSES,
        model_dir=directory,
        config=rnn_core.RunConfig(tf_random_seed=1),
        network=network,
    )
