"""Where the tasks of a cluster are, which are reachable, and a barrier of workers at the start."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from rnn_core.config.cluster import EVALUATOR, Cluster, workers
from rnn_core.distribution.listener import Listener
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


class Place(NamedTuple):
    """Where a worker listens."""

    name: str
    """Its task, such as ``worker-1``."""
    host: str
    port: int


def of_workers(cluster: Cluster) -> list[Place]:
    """The places of all workers, in their order."""
    tasks = [(name, name.rpartition("-")) for name in workers(cluster.spec)]
    return [
        Place(name, *_split(str(cluster.spec.task_address(job, int(index)))))
        for name, (job, _, index) in tasks
    ]


def is_on_loopback(cluster: Cluster) -> bool:
    """Whether all tasks of a cluster are at loopback addresses, given as numbers or localhost."""
    found = [address for job in cluster.spec.jobs for address in cluster.spec.job_tasks(job)]
    return all(_is_loopback(_split(address)[0]) for address in found)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_hosts(cluster: Cluster, deadline: float) -> list[str]:
    """The numeric addresses of this machine at which the others look for this worker.

    These are what its host in ``TF_CONFIG`` stands for. Where that is loopback although others are
    elsewhere (Debian gives a machine's own name the address 127.0.1.1), or no address of this
    machine (a forwarded one), the address is added, or taken, from which it reaches the others.

    Args:
        cluster: the cluster, with the task of this process.
        deadline: in seconds on the clock of ``time.monotonic``; names may come up late.

    Raises:
        ArgumentError: the host has no address.
    """
    host, _ = _own(cluster)
    named = _numeric(host, deadline)
    if not named:
        raise ArgumentError(
            f"TF_CONFIG: the host of {cluster.task_type} {cluster.task_id}, {host!r}, has no "
            "address on this machine. Name it in the DNS or in /etc/hosts."
        )
    towards = [
        address
        for place in of_workers(cluster)
        if not _is_loopback(place.host) and (address := _address_towards(place))
    ]
    away = [address for address in towards if not _is_loopback(address)]
    own = [address for address in named if _is_of_this_machine(address)]
    if own and not all(_is_loopback(address) for address in own):
        return own
    return list(dict.fromkeys([*own, *away])) or named


def _numeric(host: str, deadline: float) -> list[str]:
    while True:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(place[0]) for *_, place in found))
        except OSError:
            # The name of a pod may be unknown for some seconds after its start.
            if time.monotonic() > deadline:
                return []
            time.sleep(_POLL_SECONDS)


def _is_of_this_machine(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _address_towards(place: Place) -> str | None:
    """The own address of what this machine would send there; None if it finds no way."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_DGRAM)
        family, *_, address = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # UDP: nothing is sent.
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return None


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


@contextlib.contextmanager
def listening(cluster: Cluster, deadline: float) -> Iterator[Listener]:
    """Listens at this worker's address, and no longer if the block fails.

    Args:
        cluster: the cluster, with the task of this process.
        deadline: how long its host may have no address yet, in seconds of ``time.monotonic``.

    Raises:
        ArgumentError: the port is taken, or the host is of another machine.
    """
    own = f"{cluster.task_type}-{cluster.task_id}"
    try:
        hosts, (_, port) = own_hosts(cluster, deadline), _own(cluster)
        listener = Listener(workers(cluster.spec).index(own), hosts, port)
    except (OSError, ValueError) as error:
        address = cluster.spec.task_address(cluster.task_type, cluster.task_id)
        raise ArgumentError(
            f"TF_CONFIG: {cluster.task_type} {cluster.task_id} cannot listen at {address}: "
            f"{error}. End the process that has the port, or choose another one in the "
            "cluster."
        ) from None
    try:
        yield listener
    except BaseException:
        listener.close()
        raise


def _own(cluster: Cluster) -> tuple[str, int]:
    return _split(str(cluster.spec.task_address(cluster.task_type, cluster.task_id)))


def wait_for_workers(cluster: Cluster, deadline: float) -> None:
    """A barrier: returns when every worker of the cluster listens at its address.

    Args:
        cluster: the cluster, with the task of this process, which listens already.
        deadline: in seconds on the clock of ``time.monotonic``.

    Raises:
        WorkerLostError: some were not reachable before the deadline.
    """
    # Parameter servers are not asked for: they do not take part in this barrier.
    trained_by = workers(cluster.spec)
    waiting = {name: at for name, at in other_tasks(cluster).items() if name in trained_by}
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
