"""Workers on this machine: one for each member of a local cluster, or one of a larger cluster."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Sequence
from pathlib import Path

from components.errors import WorkerFailedError
from components.runtime.subprocesses import child_environment
from components.workers.cluster import TF_CONFIG, WorkerCluster
from components.workers.worker_process import WorkerCommand

HOST = "127.0.0.1"

# Above the registered ports of most services.
_FIRST_PORT = 10_000
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_FIRST_EPHEMERAL = 32_768
_ATTEMPTS = 1000


def local_workers(command: Sequence[str], count: int, logs: Path) -> list[WorkerCommand]:
    """A cluster of ``count`` workers on ports that are free now.

    Each gets its share of the cores, unless ``TF_NUM_INTRAOP_THREADS`` says otherwise.

    Args:
        command: what every worker runs.
        count: how many.
        logs: folder of the log files; it is made.

    Raises:
        WorkerFailedError: there are not enough free ports.
    """
    addresses = tuple(f"{HOST}:{port}" for port in free_ports(count))
    threads = str(max(1, len(os.sched_getaffinity(0)) // count))
    environment = {"TF_NUM_INTRAOP_THREADS": threads, **child_environment()}
    return [
        _worker(command, WorkerCluster(addresses, index), environment, logs)
        for index in range(count)
    ]


def own_worker(command: Sequence[str], cluster: WorkerCluster, logs: Path) -> WorkerCommand:
    """The one worker of this machine, or pod, or task, in a cluster that others start too."""
    return _worker(command, cluster, child_environment(), logs)


def free_ports(count: int) -> list[int]:
    """TCP ports that nothing uses.

    They are outside of the range of ports for outgoing connections, so that none is taken by chance
    before a worker listens on it.

    Raises:
        WorkerFailedError: there are not enough.
    """
    first_ephemeral = _USUAL_FIRST_EPHEMERAL
    with contextlib.suppress(OSError, ValueError):
        first_ephemeral = int(_PORT_RANGE.read_text().split()[0])
    ports = range(_FIRST_PORT, max(_FIRST_PORT + 1000, first_ephemeral))
    with contextlib.ExitStack() as sockets:
        found: list[int] = []
        for port in random.SystemRandom().sample(ports, min(_ATTEMPTS, len(ports))):
            if len(found) == count:
                break
            # All stay open until the end, so that no port is found twice.
            probe = sockets.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                found.append(port)
    if len(found) < count:
        raise WorkerFailedError(
            f"expected {count} free ports from {ports.start} to {ports.stop - 1} on this machine, "
            f"found {len(found)}."
        )
    return found


def _worker(
    command: Sequence[str], cluster: WorkerCluster, environment: dict[str, str], logs: Path
) -> WorkerCommand:
    logs.mkdir(parents=True, exist_ok=True)
    return WorkerCommand(
        name=f"worker {cluster.index}",
        command=tuple(command),
        environment={**environment, TF_CONFIG: cluster.tf_config, "PYTHONUNBUFFERED": "1"},
        log=logs / f"worker-{cluster.index}.log",
    )
