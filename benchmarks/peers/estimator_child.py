"""Trains with the estimator of TensorFlow 2.15."""

from __future__ import annotations

import json
import sys
from typing import Any

import tensorflow as tf

from benchmarks.peers.classifier import new_classifier
from benchmarks.peers.features import dataset
from benchmarks.peers.work import LOSS_STEP, WORKS, Work, weights
from benchmarks.processes.windows import Windows


class WindowHook(tf.compat.v1.train.SessionRunHook):
    """Begins with the given weights, and trains in windows."""

    def __init__(self, work: Work, windows: Windows) -> None:
        self._work, self._windows = work, windows
        self._steps, self._next = 0, LOSS_STEP

    def after_create_session(self, session: Any, coord: Any) -> None:
        trained = tf.compat.v1.trainable_variables()
        for variable, value in zip(trained, weights(self._work), strict=True):
            variable.load(value, session)

    def before_run(self, run_context: Any) -> Any:
        self._steps += 1
        if self._steps < self._next:
            return None
        # What a head reports as its loss has this name in the graph of an estimator.
        loss = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.SUMMARIES, scope="loss")[0]
        return tf.compat.v1.train.SessionRunArgs(loss.op.inputs[1])

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if self._steps < self._next:
            return
        self._next += self._work.window_steps
        if not self._windows.end_window(loss=float(run_values.results)):
            run_context.request_stop()


def main(settings: dict[str, Any]) -> None:
    """``work``, ``model_dir``."""
    work = WORKS[settings["work"]]
    estimator = new_classifier(work, settings["model_dir"])
    estimator.train(lambda: dataset(work), hooks=[WindowHook(work, Windows())])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
