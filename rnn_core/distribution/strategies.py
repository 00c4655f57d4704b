"""The strategy of many workers, made in bounded time, and the scope of that of one device."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
import weakref
from typing import Any, Final

import tensorflow as tf

from rnn_core.config.cluster import EVALUATOR, read_cluster, workers
from rnn_core.config.strategy_kinds import one_device
from rnn_core.distribution import addresses
from rnn_core.distribution.listener import Listener
from rnn_core.errors import WorkerLostError

logger = logging.getLogger("rnn_core")

_MIN_CONSTRUCTION_SECONDS: Final = 10.0
"""The constructor gets this long even if the workers met just before the deadline."""


class WorkersInStep(tf.distribute.MirroredStrategy):
    """The replicas of this process, and the place where the other workers find it.

    To TensorFlow it is a strategy of one process, so that no TensorFlow server is needed, which
    would listen at all addresses and ask for no password. ``Replicas`` connects the workers.

    Args:
        listener: this worker's, to which the others connect; None if there are no others.
        worker_count: how many workers there are.
    """

    def __init__(self, listener: Listener | None, worker_count: int) -> None:
        if gpus := tf.config.list_logical_devices("GPU"):
            super().__init__([gpu.name for gpu in gpus])
        else:
            # Named, since TensorFlow would warn that it does not use that of GPUs.
            super().__init__(["CPU:0"], tf.distribute.ReductionToOneDevice())
        self._worker_count = worker_count
        self._listener = listener
        if listener is not None:
            weakref.finalize(self, listener.close)

    @property
    def listener(self) -> Listener:
        """This worker's."""
        assert self._listener is not None
        return self._listener

    @property
    def num_replicas_in_sync(self) -> int:
        """Replicas of all workers."""
        return int(super().num_replicas_in_sync) * self._worker_count


def multi_worker_strategy(timeout_secs: float = 7200) -> Any:
    """The strategy of the cluster in ``TF_CONFIG``, which keeps all workers in step.

    Workers on CPUs, or on one machine, connect to each other at the addresses of ``TF_CONFIG``, and
    start no TensorFlow server. Those with GPUs on several machines get TensorFlow's
    ``MultiWorkerMirroredStrategy``; call this before TensorFlow runs an operation there.
    TensorFlow's own constructor waits for the other workers without a limit; this function raises
    an error that names those which do not answer.

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
    if len(workers(cluster.spec)) == 1:
        return WorkersInStep(None, 1)
    deadline = time.monotonic() + timeout_secs
    with addresses.listening(cluster, deadline) as listener:
        addresses.wait_for_workers(cluster, deadline)
        if addresses.is_on_loopback(cluster) or not tf.config.get_visible_devices("GPU"):
            return WorkersInStep(listener, len(workers(cluster.spec)))
    # TensorFlow's server takes the port over. Those that still wait for this worker find it again
    # at their next attempt.
    listener.close()
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
