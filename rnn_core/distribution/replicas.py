"""The replicas of a training and their two collectives.

``all_reduce_sum`` adds the buffers of all replicas once per step; ``all_gather`` gives every worker
one row of each worker, whenever the workers must agree on something.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from rnn_core.config.cluster import workers
from rnn_core.config.run_config import RunConfig, cluster_of
from rnn_core.config.strategy_kinds import is_in_step
from rnn_core.distribution import addresses
from rnn_core.distribution.addresses import Place
from rnn_core.distribution.all_reduce import Exchange
from rnn_core.distribution.heartbeat import directory_of, stalled_tasks
from rnn_core.distribution.listener import Listener
from rnn_core.distribution.messages import ExchangeError
from rnn_core.distribution.peer_connections import connect
from rnn_core.distribution.strategies import WorkersInStep
from rnn_core.distribution.tensorflow_servers import keep_on_loopback
from rnn_core.errors import ArgumentError, WorkerLostError
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")

_EXCHANGES: weakref.WeakKeyDictionary[Any, Exchange | None] = weakref.WeakKeyDictionary()
"""One per strategy, reused by later trainings; None: workers that cannot connect to each other."""

LOST = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnknownError,
)
"""What a collective raises when another worker is gone, stopped, cut off or restarted."""


class Replicas(Protocol):
    """All replicas of a training; this process has ``local_count`` of them."""

    worker: int
    """The index of this process among the workers; 0 is the chief."""
    worker_count: int
    local_count: int

    def all_reduce_sum(self, function: Callable[[int], tf.Tensor]) -> tf.Tensor:
        """In a graph: the sum of ``function(local index)`` over all replicas of all workers."""

    def all_gather(self, row: Sequence[float]) -> Array:
        """float64 [workers, len(row)]: every worker's row. All workers must call this."""

    def errors(self) -> contextlib.AbstractContextManager[None]:
        """Turns the errors of an exchange into WorkerLostError."""


class OneReplica:
    """One process with one device."""

    worker, worker_count, local_count = 0, 1, 1

    def all_reduce_sum(self, function: Callable[[int], tf.Tensor]) -> tf.Tensor:
        """The value of the only replica."""
        return function(0)

    def all_gather(self, row: Sequence[float]) -> Array:
        """The row of the only worker."""
        return np.asarray([row], np.float64)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Changes nothing."""
        yield


class ReplicasInStep:
    """The replicas of ``MirroredStrategy`` or ``MultiWorkerMirroredStrategy``.

    Args:
        strategy: the strategy.
        config: names the worker of this process and how long to wait for the others.

    Raises:
        ArgumentError: the strategy was made for another cluster than ``TF_CONFIG`` has now.
        WorkerLostError: a worker is gone.
    """

    def __init__(self, strategy: Any, config: RunConfig) -> None:
        self._strategy = strategy
        devices = strategy.extended.worker_devices
        self.local_count = len(devices)
        self._on_cpus = {tf.DeviceSpec.from_string(d).device_type for d in devices} == {"CPU"}
        self.worker_count = strategy.num_replicas_in_sync // self.local_count
        if self.worker_count not in (1, config.num_worker_replicas):
            raise ArgumentError(
                f"train_distribute: the strategy has {self.worker_count} workers, and TF_CONFIG "
                f"{config.num_worker_replicas}. Set TF_CONFIG before the strategy is made, and "
                "leave it as it is."
            )
        self.worker = 0
        if self.worker_count > 1:
            # Not the global id in the cluster, which counts other tasks and gaps, too.
            task = f"{config.task_type}-{config.task_id}"
            self.worker = workers(config.cluster_spec).index(task)
        self._config = config
        self._cluster = cluster_of(config)
        if self.worker_count > 1 and not isinstance(strategy, WorkersInStep):
            keep_on_loopback(self._cluster)
        self._reduce_rows = tf.function(
            lambda rows: self.all_reduce_sum(lambda i: rows if i == 0 else tf.zeros_like(rows)),
            autograph=False,
        )
        self._exchange: Exchange | None = None
        if self.worker_count > 1 and (self._on_cpus or isinstance(strategy, WorkersInStep)):
            if strategy not in _EXCHANGES:
                _EXCHANGES[strategy] = self._open_exchange()
            self._exchange = _EXCHANGES[strategy]

    def _open_exchange(self) -> Exchange | None:
        """Raises ArgumentError and WorkerLostError."""
        if self._config.model_dir is None:
            raise ArgumentError("RunConfig.model_dir: many workers need one that all of them see.")
        if isinstance(self._strategy, WorkersInStep):
            places = addresses.of_workers(self._cluster)
            with self.errors():
                return self._exchange_with(places, self._strategy.listener)
        return self._exchange_beside_tensorflow()

    def _exchange_with(self, places: Sequence[Place], listener: Listener) -> Exchange:
        """Raises ExchangeError."""
        directory = directory_of(str(self._config.model_dir))
        limit_seconds = float(self._config.worker_timeout_secs)
        found = connect(self.worker, places, listener, directory, limit_seconds)
        return Exchange(self.worker, found, limit_seconds, workers(self._cluster.spec))

    def _exchange_beside_tensorflow(self) -> Exchange | None:
        """At ports that the system chooses: those of ``TF_CONFIG`` are of TensorFlow's servers.

        Returns:
            None, on all workers, if any two of them could not connect: all must use one kind of
            all-reduce.

        Raises:
            WorkerLostError: a worker is gone.
        """
        exchange: Exchange | None = None
        with contextlib.ExitStack() as stack:
            listener = self._temporary_listener(stack)
            # 0 tells the others that this worker cannot listen. This is a barrier, too: every
            # listener is open before anybody connects.
            ports = self.all_gather([listener.port if listener else 0])[:, 0].astype(int).tolist()
            if listener is not None and all(ports):
                named = zip(addresses.of_workers(self._cluster), ports, strict=True)
                try:
                    places = [place._replace(port=port) for place, port in named]
                    exchange = self._exchange_with(places, listener)
                except (OSError, ExchangeError) as error:
                    logger.warning("Worker %d and the others: %s", self.worker, error)
            if self.all_gather([exchange is not None]).all():
                return exchange
        logger.warning(
            "The workers cannot connect to each other directly, and use TensorFlow's "
            "all-reduce, which is slower. Open all ports between their machines."
        )
        return None

    def _temporary_listener(self, stack: contextlib.ExitStack) -> Listener | None:
        try:
            hosts = addresses.own_hosts(self._cluster, time.monotonic())
            listener = Listener(self.worker, hosts, 0)
        except (OSError, ArgumentError) as error:
            logger.warning("Cannot listen for the other workers: %s", error)
            return None
        stack.callback(listener.close)
        return listener

    def all_reduce_sum(self, function: Callable[[int], tf.Tensor]) -> tf.Tensor:
        """Each replica calls ``function`` on its device; returns the sum over all of them."""
        local = itertools.count()

        def on_replica() -> tf.Tensor:
            # The replicas of a process are traced one after the other; identity gives the value
            # the device of its replica, which an all-reduce asks for.
            value = tf.identity(function(next(local)))
            return value if adds_up_here else self._all_reduce(value)

        # On other devices TensorFlow knows the best way between those of one process.
        adds_up_here = self._on_cpus and (self._exchange is not None or self.worker_count == 1)
        values = self._strategy.experimental_local_results(self._strategy.run(on_replica))
        own = tf.add_n(values) if adds_up_here else values[0]
        return own if self._exchange is None else self._exchange.traced_all_reduce_sum(own)

    def _all_reduce(self, value: tf.Tensor) -> tf.Tensor:
        # With a timeout, TensorFlow leaves a thread behind that sleeps until the timeout is over:
        # too many for the gradients (float32) of each step, for which the watchdog is there. Only
        # all_gather uses float64.
        limited = value.dtype == tf.float64 and self.worker_count > 1
        options = tf.distribute.experimental.CommunicationOptions(
            timeout_seconds=float(self._config.worker_timeout_secs) if limited else None
        )
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value, options)

    def all_gather(self, row: Sequence[float]) -> Array:
        """An all-reduce in which each worker adds its row where the others have zeros.

        Raises:
            WorkerLostError: a worker is gone, or did not answer in time.
        """
        if self.worker_count == 1:
            return np.asarray([row], np.float64)
        rows = np.zeros([self.worker_count, len(row)])
        rows[self.worker] = row
        with self.errors():
            if self._exchange is not None:
                return self._exchange.all_reduce_sum(rows)
            found: Array = self._reduce_rows(tf.constant(rows)).numpy()
        return found

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns a failed exchange into an error that names the missing or stalled workers.

        Raises:
            WorkerLostError: an exchange failed.
        """
        try:
            yield
        except (*LOST, ExchangeError) as error:
            if self.worker_count == 1:
                raise
            fault = self._exchange and self._exchange.fault(error)
            known = str(error) if isinstance(error, ExchangeError) else _reason(error)
            raise WorkerLostError(
                f"{self._cluster.task_type} {self._cluster.task_id} lost the other workers: "
                f"{fault or known}. {self._missing()} Start all workers again: they "
                "continue from the newest checkpoint."
            ) from None

    def _missing(self) -> str:
        """Names the unreachable workers; if there are none, those without a heartbeat."""
        cluster = self._cluster
        own = f"{cluster.task_type}-{cluster.task_id}"
        others = [task for task in workers(cluster.spec) if task != own]
        # A process that was just killed may still accept connections for a moment, so reachability
        # is checked before and after the seconds in which heartbeats are watched.
        stalled: list[str] = []
        if not addresses.unreachable_tasks(cluster):
            stalled = stalled_tasks(str(self._config.model_dir), others)
        if addresses.unreachable_tasks(cluster):
            return addresses.describe(cluster)
        if stalled:
            return f"{', '.join(stalled)} sent no heartbeat for some seconds, but can be reached."
        return (
            "All workers are reachable and send heartbeats; one may be blocked in its input "
            "pipeline."
        )


def replicas_of(config: RunConfig, strategy: Any) -> Replicas:
    """The replicas that ``strategy`` keeps in step; one if it is None or of another kind."""
    return ReplicasInStep(strategy, config) if is_in_step(strategy) else OneReplica()


def _reason(error: Exception) -> str:
    """The one useful sentence of a collective's error; the other lines list operations."""
    lines = [line.strip() for line in str(error).splitlines()]
    known = ("Collective ops is aborted by:", "Collective has timed out")
    found = next((line for line in lines if line.startswith(known)), type(error).__name__)
    return found.rstrip(".")
