"""Trains with rnn_core, in windows."""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.processes.windows import Windows, one_thread, pin


def main(settings: dict[str, Any]) -> None:
    """``core``, ``units``, ``window_steps``, ``model_dir``, and if wanted ``cluster``, ``sparse``,
    ``save_checkpoints_steps``."""
    pin(settings["core"])
    windows = Windows()

    # Behind the pinning.
    import tensorflow as tf

    import rnn_core
    from benchmarks.scaling.batches import column, dataset
    from benchmarks.scaling.traffic import sent_bytes
    from benchmarks.scaling.work import CLASSES

    one_thread(tf)
    strategy = rnn_core.multi_worker_strategy(120) if settings.get("cluster") else None

    class WindowHook(rnn_core.Hook):
        every_steps = settings["window_steps"]

        def after_steps(self, context: rnn_core.HookContext) -> None:
            if not windows.end_window(sent_bytes=sent_bytes()):
                context.request_stop()

    estimator = rnn_core.RNNClassifier(
        [column()],
        units=[settings["units"]],
        cell_type="lstm",
        n_classes=CLASSES,
        model_dir=settings["model_dir"],
        config=rnn_core.RunConfig(
            tf_random_seed=1,
            train_distribute=strategy,
            save_checkpoints_steps=settings.get("save_checkpoints_steps"),
            save_checkpoints_secs=None,
        ),
    )
    seed, sparse = estimator.config.task_id, settings.get("sparse", False)
    # It takes the context, and so no batch is dealt out: each worker has batches of its own.
    estimator.train(lambda input_context: dataset(seed, sparse), hooks=[WindowHook()])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
