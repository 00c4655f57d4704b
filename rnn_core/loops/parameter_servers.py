"""Asynchronous training: variables live on parameter servers, workers update them without waiting.

The chief schedules a few steps at a time on whichever worker is free. The result depends on the
speed of the workers, so it is not reproducible, and no input position is saved.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import tensorflow as tf

from rnn_core.config.run_config import RunConfig, cluster_of
from rnn_core.config.strategy_kinds import is_parameter_server
from rnn_core.distribution import addresses
from rnn_core.distribution.replicas import LOST, OneReplica
from rnn_core.distribution.tensorflow_servers import keep_on_loopback
from rnn_core.errors import ArgumentError, WorkerLostError
from rnn_core.loops.input_position import InputPosition
from rnn_core.loops.trainable_model import TrainableModel
from rnn_core.models.model import Model
from rnn_core.names import InputCheckpoint
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")

_CHUNKS_PER_WORKER: Final = 2
"""More chunks balance workers of different speed, fewer cost less to schedule."""
_FAIL_ON_EXTERNAL_STATE: Final = 2
"""``ExternalStatePolicy.FAIL``: state of this process would not travel to the worker."""
_POLL_SECONDS: Final = 0.2
_STEP_POLL_SECONDS: Final = 0.002
"""Short, because the workers are idle between the end of a chunk and the next poll."""


def is_served(config: RunConfig) -> bool:
    """Whether the variables of a training live on parameter servers."""
    return is_parameter_server(config.train_distribute) or (
        config.train_distribute is None and config.num_ps_replicas > 0
    )


class Worker:
    """The index of one worker among all, which selects its shard of the input."""

    local_count = 1

    def __init__(self, worker: int, worker_count: int) -> None:
        self.worker, self.worker_count = worker, worker_count

    all_reduce_sum = OneReplica.all_reduce_sum
    all_gather = OneReplica.all_gather
    errors = OneReplica.errors


class Servers:
    """The chief's view of the cluster.

    Raises:
        WorkerLostError: a task was not reachable within ``session_creation_timeout_secs``.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.timeout_secs = config.worker_timeout_secs
        self._cluster = cluster_of(config)
        self.worker_count = config.cluster_spec.num_tasks("worker")
        self.strategy = config.train_distribute or self._connect()
        keep_on_loopback(self._cluster)
        self.coordinator = tf.distribute.coordinator.ClusterCoordinator(self.strategy)

    def describe(self) -> str:
        """One sentence on which tasks are reachable."""
        return addresses.describe(self._cluster)

    def _connect(self) -> Any:
        deadline = time.monotonic() + self._config.session_creation_timeout_secs
        while missing := addresses.unreachable_tasks(self._cluster):
            if time.monotonic() > deadline:
                raise WorkerLostError(
                    "The chief timed out waiting for tasks of its cluster: "
                    f"{'; '.join(missing.values())}. Start them, with the same TF_CONFIG except "
                    "for the task."
                )
            time.sleep(_POLL_SECONDS)
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        return tf.distribute.ParameterServerStrategy(resolver)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Names the task that is missing.

        Raises:
            WorkerLostError: a parameter server is gone, or no worker is left.
        """
        try:
            yield
        except LOST as error:
            raise WorkerLostError(
                f"The chief lost its cluster: {type(error).__name__}. "
                f"{addresses.describe(self._cluster)} Start all tasks again: they continue from "
                "the newest checkpoint."
            ) from None


class ServedModel(TrainableModel):
    """A model on parameter servers; made inside of their strategy's scope."""

    def __init__(self, model: Model, servers: Servers) -> None:
        super().__init__(model)
        self._servers = servers
        self.replicas = _Chief(servers)
        self.run = self._schedule

    def _keep_summaries(self) -> None:
        """Keeps none: their state has a varying shape, which a parameter server cannot hold."""

    def open_input(
        self, dataset: Any, way: InputCheckpoint = "none", seed: int | None = None
    ) -> InputPosition:
        """An iterator for each worker.

        Args:
            dataset: makes the dataset of a worker, given as ``Replicas``.
            way: has no effect: no position is saved.
            seed: has no effect.
        """
        del way, seed
        count = self._servers.worker_count
        datasets = [dataset(Worker(index, count)) for index in range(count)]
        return _NoPosition(self._servers.coordinator, datasets)

    def prepare(self, iterator: Any) -> None:
        """Does nothing: workers trace when they run their first steps."""

    def _schedule(self, iterator: Any, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """``count`` steps by all workers; fewer if the inputs of all have ended."""
        done, loss = 0, float("nan")
        # A worker whose input has ended does fewer steps than it was given: the next round gives
        # what is missing to the others.
        while done < int(count):
            results = self._round(iterator, int(count) - done)
            moved = [(int(steps), float(last)) for steps, last in results if steps]
            if not moved:
                break
            done += sum(steps for steps, _ in moved)
            # There is no last step among workers that do not wait for each other: any recent loss
            # will do.
            loss = moved[-1][1]
        return tf.constant(done), tf.constant(loss)

    def _round(self, iterator: Any, count: int) -> list[tuple[Array, Array]]:
        coordinator = self._servers.coordinator
        results = [
            coordinator.schedule(self._traced, args=(iterator, tf.constant(size)))
            for size in chunks(count, self._servers.worker_count * _CHUNKS_PER_WORKER)
        ]
        self._wait(time.monotonic() + self._servers.timeout_secs)
        return [result.fetch() for result in results]

    def _wait(self, deadline: float) -> None:
        """Returns when all steps are done; TensorFlow's own ``join`` has no timeout."""
        coordinator = self._servers.coordinator
        while not coordinator.done():
            if time.monotonic() > deadline:
                raise WorkerLostError(
                    f"No worker has done its steps in {self._servers.timeout_secs:g} s "
                    f"(RunConfig.worker_timeout_secs). {self._servers.describe()} Start all tasks "
                    "again: they continue from the newest checkpoint."
                )
            time.sleep(_STEP_POLL_SECONDS)
        coordinator.join()


class _Chief(OneReplica):
    """Decides alone, as one replica; its errors are those of the cluster."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns the errors of the cluster into WorkerLostError."""
        with self._servers.errors():
            yield


class _NoPosition(InputPosition):
    """The inputs of all workers, whose positions are not known to the chief."""

    def __init__(self, coordinator: Any, datasets: Sequence[tf.data.Dataset]) -> None:
        structure = datasets[0].element_spec
        graphs = tf.stack([_graph(dataset) for dataset in datasets])

        def own() -> tf.data.Dataset:
            # One function is traced for all workers, and runs on each: so the choice is an
            # operation.
            index = tf.distribute.coordinator.experimental_get_current_worker_index()
            variant = tf.raw_ops.DatasetFromGraph(graph_def=tf.gather(graphs, index))
            return tf.data.experimental.from_variant(variant, structure)

        self.iterator = iter(coordinator.create_per_worker_dataset(own))
        self.batches = 0

    def save(self, checkpoint: str) -> None:
        """Does nothing."""

    def restore(self, checkpoint: str) -> bool:
        """Returns False: the input is read from its start."""
        return False

    def forget(self, checkpoint: str) -> None:
        """Does nothing."""


def _graph(dataset: tf.data.Dataset) -> tf.Tensor:
    """The dataset as a serialized graph, to be rebuilt on its worker."""
    variant = tf.data.experimental.to_variant(dataset)
    try:
        return tf.raw_ops.DatasetToGraphV2(
            input_dataset=variant, external_state_policy=_FAIL_ON_EXTERNAL_STATE
        )
    except tf.errors.OpError as error:
        raise ArgumentError(
            "input_fn: with parameter servers its dataset is sent to the workers, and so must be "
            f"made of TensorFlow's operations only: {str(error).splitlines()[0]}"
        ) from None


def chunks(count: int, parts: int) -> list[int]:
    """``count`` split into at most ``parts`` positive sizes that differ by at most 1."""
    size, more = divmod(count, parts)
    return [one for one in [size + 1] * more + [size] * (parts - more) if one]
