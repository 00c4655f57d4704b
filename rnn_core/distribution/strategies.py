"""The strategy of many workers, made in bounded time (TensorFlow's own constructor can hang), and
the scope of that of one device."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import Any, Final

import tensorflow as tf

from rnn_core.config.cluster import EVALUATOR, read_cluster
from rnn_core.config.strategy_kinds import one_device
from rnn_core.distribution import addresses
from rnn_core.errors import WorkerLostError

logger = logging.getLogger("rnn_core")

_MIN_CONSTRUCTION_SECONDS: Final = 10.0
"""The constructor gets this long even if the workers met just before the deadline."""


def multi_worker_strategy(timeout_secs: float = 7200) -> Any:
    """``tf.distribute.MultiWorkerMirroredStrategy`` of the cluster in ``TF_CONFIG``.

    Call it before TensorFlow runs an operation. TensorFlow's own constructor waits for the other
    workers without a limit; this one raises an error that names those which do not answer.

    Args:
        timeout_secs: how long to wait for the other workers.

    Returns:
        The strategy; None in an evaluator, which is alone, and without a cluster.

    Raises:
        ArgumentError: ``TF_CONFIG`` is not consistent, or another process has this worker's port.
        WorkerLostError: a worker did not answer in time; it is named.
    """
    cluster = read_cluster(in_step=True)
    if cluster.task_type == EVALUATOR or not cluster.spec.jobs:
        return None
    deadline = time.monotonic() + timeout_secs
    addresses.wait_for_workers(cluster, deadline)
    try:
        return _made_in_thread(deadline)
    except (queue.Empty, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no answer in time"
        raise WorkerLostError(
            f"The workers reached each other, but could not start together: {reason}. "
            f"{addresses.describe(cluster)} Start all of them again."
        ) from None


def device_of(strategy: Any) -> contextlib.AbstractContextManager[Any]:
    """The scope of the device of a ``OneDeviceStrategy``; for anything else it changes nothing."""
    name = one_device(strategy)
    if name is None:
        return contextlib.nullcontext()
    device = tf.DeviceSpec.from_string(name)
    gpus = tf.config.list_logical_devices("GPU")
    if (device.device_type, device.device_index) == ("GPU" if gpus else "CPU", 0):
        # TensorFlow takes this one anyway. Named, it would fuse other operations, and so round
        # otherwise than without a strategy.
        return contextlib.nullcontext()
    return tf.device(name)


def _made_in_thread(deadline: float) -> Any:
    """The strategy. Its constructor cannot be interrupted, so it runs in a daemon thread."""
    results: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def make() -> None:
        try:
            results.put((tf.distribute.MultiWorkerMirroredStrategy(), None))
        # Whatever it is: the thread that waits raises it, and would else wait for the timeout.
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=make, daemon=True, name="rnn_core strategy").start()
    timeout_seconds = max(deadline - time.monotonic(), _MIN_CONSTRUCTION_SECONDS)
    strategy, error = results.get(timeout=timeout_seconds)
    if error is not None:
        raise error
    return strategy
