"""Trains with TensorFlow 2.15's estimator, in windows, as ``train_child`` does with rnn_core."""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.processes.windows import Windows, one_thread, pin


def main(settings: dict[str, Any]) -> None:
    """``core``, ``units``, ``window_steps``, ``model_dir``, and if wanted ``cluster``."""
    pin(settings["core"])
    windows = Windows()

    # Behind the pinning.
    import tensorflow as tf

    from benchmarks.scaling.batches import column, dataset
    from benchmarks.scaling.traffic import sent_bytes
    from benchmarks.scaling.work import CLASSES

    one_thread(tf)
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if settings.get("cluster") else None

    class WindowHook(tf.compat.v1.train.SessionRunHook):
        steps = 0

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.steps += 1
            if self.steps % settings["window_steps"] == 0 and not windows.end_window(
                sent_bytes=sent_bytes()
            ):
                run_context.request_stop()

    estimator = tf.estimator.experimental.RNNClassifier(
        [column()],
        units=[settings["units"]],
        cell_type="lstm",
        n_classes=CLASSES,
        model_dir=settings["model_dir"],
        config=tf.estimator.RunConfig(
            tf_random_seed=1,
            train_distribute=strategy,
            save_checkpoints_secs=3600,
            session_config=tf.compat.v1.ConfigProto(
                intra_op_parallelism_threads=1, inter_op_parallelism_threads=1
            ),
        ),
    )
    seed = estimator.config.task_id or 0
    if strategy is None:
        estimator.train(lambda: dataset(seed, sparse=True), hooks=[WindowHook()])
        return
    # Workers of a cluster cannot call train; so many steps no measurement takes.
    tf.estimator.train_and_evaluate(
        estimator,
        tf.estimator.TrainSpec(
            lambda: dataset(seed, sparse=True), max_steps=10**9, hooks=[WindowHook()]
        ),
        tf.estimator.EvalSpec(lambda: dataset(seed, sparse=True), steps=1),
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
