"""The replicas of a training, and what they tell each other.

Everything that is exchanged is a sum: of the buffers of all replicas once a step, and of a table
with one row a worker whenever the workers must agree.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from rnn_core.config.cluster import Cluster, workers
from rnn_core.config.run_config import RunConfig
from rnn_core.config.strategy_kinds import is_in_step
from rnn_core.distribution import addresses
from rnn_core.distribution.all_reduce import Exchange
from rnn_core.distribution.heartbeat import silent_tasks
from rnn_core.distribution.messages import ExchangeError
from rnn_core.distribution.peer_connections import connect
from rnn_core.errors import ArgumentError, WorkerLostError
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")

_EXCHANGES: weakref.WeakKeyDictionary[Any, Exchange | None] = weakref.WeakKeyDictionary()
"""Made once for a strategy; None: its workers cannot connect, and use TensorFlow's all-reduce."""

LOST = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnknownError,
)
"""What a collective raises when another worker is gone, stopped, cut off or started anew."""


class Replicas(Protocol):
    """All replicas of a training; this process has ``local_count`` of them."""

    worker: int
    """The index of this process among the workers; 0 is the chief."""
    worker_count: int
    local_count: int

    def total(self, function: Callable[[int], tf.Tensor]) -> tf.Tensor:
        """In a graph: the sum over all replicas of ``function`` of the local index."""

    def table(self, row: Sequence[float]) -> Array:
        """float64 [workers, len(row)]: the rows of all workers, which must all call this."""

    def errors(self) -> contextlib.AbstractContextManager[None]:
        """Turns the errors of an exchange into WorkerLostError."""


class OneReplica:
    """One process with one device."""

    worker, worker_count, local_count = 0, 1, 1

    def total(self, function: Callable[[int], tf.Tensor]) -> tf.Tensor:
        """What the only replica has."""
        return function(0)

    def table(self, row: Sequence[float]) -> Array:
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
        config: names the worker of this process and how long others are waited for.

    Raises:
        ArgumentError: the strategy was made for another cluster than ``TF_CONFIG`` has now.
    """

    def __init__(self, strategy: Any, config: RunConfig) -> None:
        self._strategy = strategy
        devices = strategy.extended.worker_devices
        self.local_count = len(devices)
        self._on_cpus = {tf.DeviceSpec.from_string(d).device_type for d in devices} == {"CPU"}
        self.worker_count = strategy.num_replicas_in_sync // self.local_count
        self.worker = (config.global_id_in_cluster or 0) if self.worker_count > 1 else 0
        if self.worker_count not in (1, config.num_worker_replicas):
            raise ArgumentError(
                f"train_distribute: the strategy has {self.worker_count} workers, and TF_CONFIG "
                f"{config.num_worker_replicas}. Set TF_CONFIG before the strategy is made, and "
                "leave it as it is."
            )
        self._config = config
        self._cluster = Cluster(
            config.cluster_spec, config.task_type, config.task_id, config.is_chief
        )
        self._summed_rows = tf.function(self._sum_rows, autograph=False)
        self._exchange: Exchange | None = None
        if self.worker_count > 1 and self._on_cpus:
            if strategy not in _EXCHANGES:
                _EXCHANGES[strategy] = self._open_exchange()
            self._exchange = _EXCHANGES[strategy]

    def _open_exchange(self) -> Exchange | None:
        """Raises WorkerLostError."""
        limit_seconds = float(self._config.worker_timeout_secs)
        hosts = addresses.hosts(self._cluster)
        names = workers(self._cluster.spec)
        found = connect(self.worker, hosts, self.table, limit_seconds)
        if found is None:
            logger.warning(
                "The workers cannot connect to each other at ports of their own, and use "
                "TensorFlow's all-reduce, which is slower. Let them reach all ports of each other."
            )
            return None
        return Exchange(self.worker, found, limit_seconds, names)

    def _silent(self, tasks: list[str]) -> list[str]:
        return silent_tasks(str(self._config.model_dir), tasks)

    @property
    def _own(self) -> str:
        return f"{self._cluster.task_type}-{self._cluster.task_id}"

    def total(self, function: Callable[[int], tf.Tensor]) -> tf.Tensor:
        """Each replica calls ``function`` on its device; the sum of what they give."""
        local = itertools.count()

        def on_replica() -> tf.Tensor:
            # The replicas of a process are traced one after the other; identity gives the value
            # the device of its replica, which an all-reduce asks for.
            value = tf.identity(function(next(local)))
            return value if by_ourselves else self._all_reduce(value)

        by_ourselves = self._exchange is not None or (self._on_cpus and self.worker_count == 1)
        values = self._strategy.experimental_local_results(self._strategy.run(on_replica))
        if not by_ourselves:
            return values[0]
        own = tf.add_n(values)
        return own if self._exchange is None else self._exchange.traced_total(own)

    def _all_reduce(self, value: tf.Tensor) -> tf.Tensor:
        # With a time limit, each leaves a thread behind that sleeps until the time is over: too
        # many for the gradients of each step, which the watchdog limits.
        limited = value.dtype == tf.float64 and self.worker_count > 1
        options = tf.distribute.experimental.CommunicationOptions(
            timeout_seconds=float(self._config.worker_timeout_secs) if limited else None
        )
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value, options)

    def table(self, row: Sequence[float]) -> Array:
        """Each worker adds its row where the others have zeros.

        Raises:
            WorkerLostError: a worker is gone, or did not come in time.
        """
        if self.worker_count == 1:
            return np.asarray([row], np.float64)
        rows = np.zeros([self.worker_count, len(row)])
        rows[self.worker] = row
        with self.errors():
            if self._exchange is not None:
                return self._exchange.total(rows)
            found: Array = self._summed_rows(tf.constant(rows)).numpy()
        return found

    def _sum_rows(self, rows: tf.Tensor) -> tf.Tensor:
        return self.total(lambda replica: rows if replica == 0 else tf.zeros_like(rows))

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Names the worker that is missing.

        Raises:
            WorkerLostError: an exchange failed.
        """
        try:
            yield
        except (*LOST, ExchangeError) as error:
            if self.worker_count == 1:
                raise
            raise WorkerLostError(
                f"{self._cluster.task_type} {self._cluster.task_id} lost the others: "
                f"{self._reason(error)} {self._missing()} Start all workers again: they go on from "
                "the newest checkpoint."
            ) from None

    def _reason(self, error: Exception) -> str:
        fault = self._exchange and self._exchange.fault(error)
        return f"{fault}." if fault else _reason(error)

    def _missing(self) -> str:
        """Who does not answer; if all do, who stands still."""
        others = [task for task in workers(self._cluster.spec) if task != self._own]
        # A process that was killed may answer for a moment more: it is asked before and after.
        silent = () if addresses.faults(self._cluster) else self._silent(others)
        if addresses.faults(self._cluster):
            return addresses.describe(self._cluster)
        if silent:
            return f"{', '.join(silent)} said nothing for some seconds, but can be reached."
        return "All of them can be reached and say that they live: one may hang in its input."


def replicas_of(config: RunConfig, strategy: Any) -> Replicas:
    """The replicas that ``strategy`` keeps in step; one if it is None or of another kind."""
    return ReplicasInStep(strategy, config) if is_in_step(strategy) else OneReplica()


def _reason(error: Exception) -> str:
    """The last sentence that says something; the lines before name the graph's operations."""
    lines = [line.strip() for line in str(error).splitlines()]
    known = ("Collective ops is aborted by:", "Collective has timed out")
    found = next((line for line in lines if line.startswith(known)), type(error).__name__)
    return f"{found.rstrip('.')}."
