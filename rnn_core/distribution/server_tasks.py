"""Workers and parameter servers: they run a TensorFlow server until the chief's training ends."""

from __future__ import annotations

import logging
import time
from typing import Final

import tensorflow as tf

from rnn_core.config.cluster import CHIEF, MASTER
from rnn_core.config.run_config import RunConfig, cluster_of
from rnn_core.distribution.addresses import connection_error
from rnn_core.distribution.heartbeat import HeartbeatWatcher
from rnn_core.distribution.tensorflow_servers import keep_on_loopback
from rnn_core.errors import ArgumentError, WorkerLostError
from rnn_core.kernels.library import operations

logger = logging.getLogger("rnn_core")

_POLL_SECONDS: Final = 0.5
# Long enough for a busy chief to miss a few attempts of 2 s each.
_GONE_SECONDS: Final = 10.0
"""A chief that has been unreachable for this long counts as gone."""


def serve(config: RunConfig, model_dir: str) -> None:
    """Runs a TensorFlow server for the chief, until the chief's training has ended.

    Raises:
        ArgumentError: the port of this task is taken.
        WorkerLostError: the chief was not reachable within ``session_creation_timeout_secs``, or it
            is gone.
    """
    # The graphs that the chief sends may contain native operations: the library must be loaded.
    operations("layers")
    chief = CHIEF if CHIEF in config.cluster_spec.jobs else MASTER
    # The watcher must exist before the server: the chief starts only once all servers answer, so
    # that no change of its heartbeat can be missed.
    watcher = HeartbeatWatcher(model_dir, f"{chief}-0")
    try:
        server = tf.distribute.Server(
            config.cluster_spec,
            job_name=config.task_type,
            task_index=config.task_id,
            protocol="grpc",
            start=True,
        )
    except tf.errors.OpError as error:
        address = config.cluster_spec.task_address(config.task_type, config.task_id)
        raise ArgumentError(
            f"TF_CONFIG: {config.task_type} {config.task_id} cannot serve at {address}: "
            f"{str(error).splitlines()[0]}. End the process that has the port, or choose another."
        ) from None
    keep_on_loopback(cluster_of(config))
    logger.info("%s %d serves the chief.", config.task_type, config.task_id)
    try:
        _wait_for_end(config, str(config.cluster_spec.task_address(chief, 0)), watcher)
    finally:
        # A TensorFlow server has no stop(): it ends when the last reference to it goes.
        del server


def _wait_for_end(config: RunConfig, address: str, watcher: HeartbeatWatcher) -> None:
    began_at, seen_at = time.monotonic(), None
    while True:
        state, _ = watcher.poll()
        if state in ("done", "interrupted"):
            return
        now = time.monotonic()
        # A chief that started and was killed between two polls has left its heartbeat file only.
        if connection_error(address) is None or (seen_at is None and state is not None):
            seen_at = now
        elif seen_at is not None and now - seen_at > _GONE_SECONDS:
            _refuse(config, f"the chief at {address} is gone; its last state was {state}")
        elif seen_at is None and now - began_at > config.session_creation_timeout_secs:
            _refuse(config, f"the chief at {address} is unreachable ({connection_error(address)})")
        time.sleep(_POLL_SECONDS)


def _refuse(config: RunConfig, what: str) -> None:
    raise WorkerLostError(
        f"{config.task_type} {config.task_id}: {what}. Start all tasks of the cluster again: they "
        "continue from the newest checkpoint."
    )
