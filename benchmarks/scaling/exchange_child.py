"""Adds up buffers of several sizes with the other workers, and does nothing else, in windows."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.processes.windows import Windows, one_thread, pin


def main(settings: dict[str, Any]) -> None:
    """``core``, ``sizes`` (numbers of float32), ``repeats``, ``model_dir``."""
    pin(settings["core"])
    windows = Windows()

    # Behind the pinning.
    import tensorflow as tf

    import rnn_core
    from rnn_core.distribution.replicas import replicas_of

    one_thread(tf)
    strategy = rnn_core.multi_worker_strategy(120)
    config = rnn_core.RunConfig(settings["model_dir"], train_distribute=strategy)
    replicas = replicas_of(config, config.train_distribute)

    def repeated(size: int) -> Callable[[], Any]:
        """As many exchanges as ``repeats``, in one graph as the steps of a training are."""

        @tf.function(autograph=False)
        def exchanges() -> tf.Tensor:
            start = (tf.constant(0), tf.zeros([size]))
            return tf.while_loop(
                lambda done, _: done < settings["repeats"],
                lambda done, numbers: (done + 1, replicas.all_reduce_sum(lambda replica: numbers)),
                start,
                parallel_iterations=1,
            )[1]

        return exchanges

    functions = [repeated(size) for size in settings["sizes"]]
    while True:
        found = [_timed(function, replicas) for function in functions]
        if not windows.end_window(
            exchanges=[[value / settings["repeats"] for value in f] for f in found]
        ):
            return


def _timed(function: Callable[[], Any], replicas: Any) -> tuple[float, float]:
    """Seconds, and those of the processor."""
    replicas.all_gather([0.0])
    began = time.perf_counter(), time.process_time()
    function().numpy()
    return time.perf_counter() - began[0], time.process_time() - began[1]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
