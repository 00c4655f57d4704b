"""The addresses of a cluster: who answers, and a meeting of all workers before they start."""

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
_POLL_SECONDS: Final = 0.1
_SAY_EVERY_SECONDS: Final = 30.0


def others(cluster: Cluster) -> dict[str, str]:
    """Addresses of the other tasks, such as ``{"worker-1": "10.0.0.2:2222"}``; no evaluator's."""
    found = {
        f"{job}-{index}": str(cluster.spec.task_address(job, index))
        for job in cluster.spec.jobs
        if job != EVALUATOR
        for index in cluster.spec.task_indices(job)
    }
    own = f"{cluster.task_type}-{cluster.task_id}"
    return {name: address for name, address in found.items() if name != own}


def hosts(cluster: Cluster) -> list[str]:
    """Names or addresses of the machines of all workers, in the order of the workers."""
    tasks = [task.rpartition("-") for task in workers(cluster.spec)]
    found = [str(cluster.spec.task_address(job, int(index))) for job, _, index in tasks]
    return [address.rpartition(":")[0].strip("[]") for address in found]


def fault(address: str) -> str | None:
    """Why nobody answers at ``host:port``; None if somebody does."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS):
            return None
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


def faults(cluster: Cluster) -> dict[str, str]:
    """The other tasks that do not answer, each with its address and the reason."""
    return {
        name: f"{name} ({address}): {found}"
        for name, address in others(cluster).items()
        if (found := fault(address))
    }


def describe(cluster: Cluster) -> str:
    """One sentence on who answers now."""
    missing = faults(cluster)
    if not missing:
        return "All other workers answer at their addresses now."
    return f"Without an answer: {'; '.join(missing.values())}."


def meet(cluster: Cluster, deadline: float) -> None:
    """Returns when every worker of the cluster has come here, too.

    Each listens at its own address until it has seen all others do so.

    Args:
        cluster: the cluster, with the place of this process.
        deadline: on the clock of ``time.monotonic``.

    Raises:
        ArgumentError: this worker's port is taken, or its host name is of another machine.
        WorkerLostError: some did not come in time.
    """
    trained_by = workers(cluster.spec)
    waiting = {name: at for name, at in others(cluster).items() if name in trained_by}
    with _listening(cluster):
        say_at = time.monotonic() + _SAY_EVERY_SECONDS
        while waiting := {name: at for name, at in waiting.items() if fault(at)}:
            now = time.monotonic()
            if now > deadline:
                raise WorkerLostError(
                    f"{cluster.task_type} {cluster.task_id} waited for the other workers in vain. "
                    f"{describe(cluster)} Check that they were started, with the same TF_CONFIG "
                    "but for the task, and that their ports are open."
                )
            if now > say_at:
                logger.info("Waiting for %s", ", ".join(waiting))
                say_at = now + _SAY_EVERY_SECONDS
            time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[None]:
    address = str(cluster.spec.task_address(cluster.task_type, cluster.task_id))
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if socket.has_ipv6 and host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # As TensorFlow's server will: at all addresses of this machine.
            listener.bind(("", int(port)))
            listener.listen()
        except (OSError, ValueError) as error:
            raise ArgumentError(
                f"TF_CONFIG: {cluster.task_type} {cluster.task_id} cannot listen at {address}: "
                f"{error}. End the process that has the port, or choose another one in the "
                "cluster."
            ) from None
        yield
