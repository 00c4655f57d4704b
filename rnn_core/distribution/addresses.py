"""Reachability of the tasks of a cluster, and a barrier of all workers before they start."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from typing import Final

from rnn_core.config.cluster import EVALUATOR, Cluster, workers
from rnn_core.errors import ArgumentError, WorkerLostError

logger = logging.getLogger("rnn_core")

_PROBE_SECONDS: Final = 2.0
"""How long one attempt to connect may take."""
_POLL_SECONDS: Final = 0.1
_LOG_SECONDS: Final = 30.0


def other_tasks(cluster: Cluster) -> dict[str, str]:
    """Addresses by task, such as ``{"worker-1": "10.0.0.2:2222"}``, without this one's and the
    evaluator's.
    """
    found = {
        f"{job}-{index}": str(cluster.spec.task_address(job, index))
        for job in cluster.spec.jobs
        if job != EVALUATOR
        for index in cluster.spec.task_indices(job)
    }
    own = f"{cluster.task_type}-{cluster.task_id}"
    return {name: address for name, address in found.items() if name != own}


def hosts(cluster: Cluster) -> list[str]:
    """The host names or IP addresses of all workers, in the order of the workers."""
    tasks = [task.rpartition("-") for task in workers(cluster.spec)]
    found = [str(cluster.spec.task_address(job, int(index))) for job, _, index in tasks]
    return [address.rpartition(":")[0].strip("[]") for address in found]


def connection_error(address: str) -> str | None:
    """Why a connection to ``host:port`` fails; None if it succeeds."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS):
            return None
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


def unreachable_tasks(cluster: Cluster) -> dict[str, str]:
    """The unreachable other tasks by name, each with its address and the reason."""
    return {
        name: f"{name} ({address}): {found}"
        for name, address in other_tasks(cluster).items()
        if (found := connection_error(address))
    }


def describe(cluster: Cluster) -> str:
    """One sentence on which other tasks are reachable now."""
    missing = unreachable_tasks(cluster)
    if not missing:
        return "All other workers are reachable now."
    return f"Unreachable: {'; '.join(missing.values())}."


def wait_for_workers(cluster: Cluster, deadline: float) -> None:
    """A barrier: returns when every worker of the cluster has called this, too.

    Each listens at its own address until it has connected to all others once.

    Args:
        cluster: the cluster, with the task of this process.
        deadline: in seconds on the clock of ``time.monotonic``.

    Raises:
        ArgumentError: this worker's port is taken, or its host name is of another machine.
        WorkerLostError: some were not reachable before the deadline.
    """
    # Parameter servers are not asked for: they do not take part in this barrier.
    trained_by = workers(cluster.spec)
    waiting = {name: at for name, at in other_tasks(cluster).items() if name in trained_by}
    # A worker that has left stays reachable for those that still wait: its TensorFlow server takes
    # over the port, and the gap is bridged by their next attempt.
    with _listening(cluster):
        log_at = time.monotonic() + _LOG_SECONDS
        while waiting := {name: at for name, at in waiting.items() if connection_error(at)}:
            now = time.monotonic()
            if now > deadline:
                raise WorkerLostError(
                    f"{cluster.task_type} {cluster.task_id} timed out waiting for the other "
                    f"workers. {describe(cluster)} Check that they were started, with the same "
                    "TF_CONFIG except for the task, and that their ports are open."
                )
            if now > log_at:
                logger.info("Waiting for %s", ", ".join(waiting))
                log_at = now + _LOG_SECONDS
            time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[None]:
    address = str(cluster.spec.task_address(cluster.task_type, cluster.task_id))
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if socket.has_ipv6 and host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # Connections of a training before may linger in TIME_WAIT at this port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # On all interfaces, as TensorFlow's server will, which takes the port over afterwards.
            listener.bind(("", int(port)))
            listener.listen()
        except (OSError, ValueError) as error:
            raise ArgumentError(
                f"TF_CONFIG: {cluster.task_type} {cluster.task_id} cannot listen at {address}: "
                f"{error}. End the process that has the port, or choose another one in the "
                "cluster."
            ) from None
        yield
