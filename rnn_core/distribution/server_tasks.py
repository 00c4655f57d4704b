"""Workers and parameter servers of a training that their chief leads: they serve, and then end."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

import tensorflow as tf

from rnn_core.config.cluster import CHIEF, MASTER
from rnn_core.config.run_config import RunConfig
from rnn_core.distribution.addresses import fault
from rnn_core.distribution.heartbeat import Watch
from rnn_core.errors import ArgumentError, WorkerLostError
from rnn_core.kernels.library import operations

logger = logging.getLogger("rnn_core")

_POLL_SECONDS: Final = 0.5
_GONE_SECONDS: Final = 10.0
"""For so long nobody answers at the chief's address before it counts as gone."""


def serve(config: RunConfig, model_dir: str) -> None:
    """Runs a TensorFlow server for the chief, until the chief's training has ended.

    Raises:
        ArgumentError: the port of this task is taken.
        WorkerLostError: the chief did not come in ``session_creation_timeout_secs``, or it is gone.
    """
    # What the chief sends may hold the native operations.
    operations("layers")
    chief = CHIEF if CHIEF in config.cluster_spec.jobs else MASTER
    # Before the server, without which the chief does not begin: nothing that it says is missed.
    watch = Watch(model_dir, f"{chief}-0")
    server = _start_server(config)
    try:
        _wait_for_end(config, str(config.cluster_spec.task_address(chief, 0)), watch)
    finally:
        # It serves for as long as somebody holds it.
        del server


def _wait_for_end(config: RunConfig, address: str, watch: Watch) -> None:
    began_at, seen_at = time.monotonic(), None
    while True:
        state, _ = watch.look()
        if state in ("done", "interrupted"):
            return
        now = time.monotonic()
        # A chief that came and was killed between two looks has left its file only.
        if fault(address) is None or (seen_at is None and state is not None):
            seen_at = now
        elif seen_at is not None and now - seen_at > _GONE_SECONDS:
            _refuse(config, f"the chief at {address} is gone; its last state was {state}")
        elif seen_at is None and now - began_at > config.session_creation_timeout_secs:
            _refuse(config, f"the chief at {address} did not come ({fault(address)})")
        time.sleep(_POLL_SECONDS)


def _start_server(config: RunConfig) -> Any:
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
    logger.info("%s %d serves.", config.task_type, config.task_id)
    return server


def _refuse(config: RunConfig, what: str) -> None:
    raise WorkerLostError(
        f"{config.task_type} {config.task_id}: {what}. Start all tasks of the cluster again: they "
        "go on from the newest checkpoint."
    )
