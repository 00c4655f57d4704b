"""How the workers of a cluster agree on what to do, through a directory that all of them see.

    worker-3.json    the registration of worker 3: a random token, and whether it is busy
    order.json       from the chief: what to do, and the tokens of the workers that it is for

A worker follows an order only if its own token is in it, so neither an order nor a worker of an
earlier run is mistaken for one of this run. When a training fails, the chief withdraws its order;
each worker ends its part, and registers with a new token for the next order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from components.artifacts.storage import write_atomically
from components.errors import WorkerFailedError
from components.workers.cluster import WorkerCluster

Status: TypeAlias = Literal["train", "done", "failed"]

_ORDER = "order.json"
_POLL_SECONDS = 0.2
"""Between two reads of a file, which may be on a network file system."""
_REGISTRATION_SECONDS = 5.0
"""Within so long a waiting worker registers again with a chief that has just started."""


@dataclass(frozen=True)
class Order:
    """What the chief wants of the workers that have these tokens."""

    status: Status
    """``done`` and ``failed`` dismiss them."""
    tokens: frozenset[str]
    job: str = ""
    """The file of the training job."""
    reason: str = ""
    """Why the chief failed."""


@dataclass(frozen=True)
class _Registration:
    """A worker that is running."""

    token: str
    busy: bool
    """Whether it follows an order, or has done so and waits for the next one."""
    host: str
    process: int


_ORDERS = TypeAdapter(Order)
_REGISTRATIONS = TypeAdapter(_Registration)


class Chief:
    """Worker 0's side. What earlier runs left in the directory is removed.

    Args:
        directory: one for the cluster; it is made.
        cluster: the workers.

    Raises:
        StorageError: the directory cannot be written.
    """

    def __init__(self, directory: Path, cluster: WorkerCluster) -> None:
        self._directory = directory
        self._cluster = cluster
        self._dispatched: dict[int, str] = {}
        self._dismissed: set[int] = set()
        self._checked_at = 0.0
        self._started_at = time.monotonic()
        # Workers that are waiting notice it and register again; those of an earlier run do not.
        for path in (directory / _ORDER, *directory.glob("worker-*.json")):
            path.unlink(missing_ok=True)

    @property
    def cluster(self) -> WorkerCluster:
        """The workers."""
        return self._cluster

    def dispatch(self, job: Path, wait_seconds: float) -> None:
        """Waits until all others have registered and are idle, and has them run the job with it.

        Raises:
            WorkerFailedError: a worker did not register in time.
        """
        # Withdrawn first: workers that still follow it end their part and become idle.
        (self._directory / _ORDER).unlink(missing_ok=True)
        others = range(1, self._cluster.size)
        found = self._wait_for_workers(others, wait_seconds, idle_only=True)
        if missing := [index for index in others if index not in found]:
            raise WorkerFailedError(
                f"{self._name(missing[0])} did not register within {wait_seconds:.0f} s "
                f"({len(missing)} of {len(others)} are missing). Is it running, with the same "
                f"config, and does it see {self._directory}?"
            )
        # The tokens of this moment: a worker that fails registers with another one, which
        # ``find_lost_worker`` sees.
        self._dispatched = found
        self._publish("train", found, job=str(job))

    def find_lost_worker(self) -> str | None:
        """A sentence about a worker that takes no part in the job any more, if there is one."""
        if time.monotonic() - self._checked_at < _POLL_SECONDS:
            return None
        self._checked_at = time.monotonic()
        for index, token in self._dispatched.items():
            found = _read_registration(self._directory, index)
            # One that failed has registered again, with another token.
            if found is None or found.token != token:
                return f"{self._name(index)} has failed: see its own log."
        return None

    def dismiss(self, status: Literal["done", "failed"], reason: str, wait_seconds: float) -> int:
        """Ends the work of all others that were not dismissed yet; waits for those not registered.

        A chief that has just started waits for them in any case, for some seconds.

        Returns:
            How many never registered.
        """
        rest = [index for index in range(1, self._cluster.size) if index not in self._dismissed]
        # This chief removed the registrations when it started: they may be about to come back.
        registration_seconds = self._started_at + _REGISTRATION_SECONDS - time.monotonic()
        seconds = max(wait_seconds, registration_seconds)
        found = self._wait_for_workers(rest, seconds, idle_only=False)
        self._dismissed |= found.keys()
        if found:
            self._publish(status, found, reason=reason)
        return len(rest) - len(found)

    def _wait_for_workers(
        self, indexes: Sequence[int], wait_seconds: float, *, idle_only: bool
    ) -> dict[int, str]:
        """The tokens by index, once all have registered or the time is over."""
        deadline = time.monotonic() + wait_seconds
        while True:
            found: dict[int, str] = {}
            for index in indexes:
                registration = _read_registration(self._directory, index)
                if registration and not (idle_only and registration.busy):
                    found[index] = registration.token
            if len(found) == len(indexes) or time.monotonic() >= deadline:
                return found
            time.sleep(_POLL_SECONDS)

    def _publish(
        self, status: Status, workers: dict[int, str], job: str = "", reason: str = ""
    ) -> None:
        order = Order(status, frozenset(workers.values()), job, reason)
        write_atomically(self._directory / _ORDER, _ORDERS.dump_json(order))

    def _name(self, index: int) -> str:
        return f"worker {index} ({self._cluster.addresses[index]})"


class Follower:
    """The side of every other worker.

    Args:
        directory: the one that the chief uses.
        cluster: the workers.

    Raises:
        StorageError: the directory cannot be written.
    """

    def __init__(self, directory: Path, cluster: WorkerCluster) -> None:
        self._directory = directory
        self._index = cluster.index
        self._last: Order | None = None
        self._own: _Registration
        self.register()

    def register(self) -> None:
        """Registers for the next order, and for none that was published before."""
        host, process = socket.gethostname(), os.getpid()
        # Random: an order names tokens, so that it cannot be for another process with this index.
        self._write(_Registration(secrets.token_hex(16), False, host, process))

    def next_order(self, wait_seconds: float) -> Order:
        """Waits for an order after the last one.

        Raises:
            WorkerFailedError: none came in time, or another process has the index of this one.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            order = self._read_order()
            if order and order != self._last and self._own.token in order.tokens:
                self._last = order
                self._write(dataclasses.replace(self._own, busy=True))
                return order
            if self._own.busy and order != self._last:
                # The chief started again after this worker had done its part.
                self.register()
            self._refresh_registration()
            if time.monotonic() >= deadline:
                raise WorkerFailedError(
                    f"worker {self._index} got no order from worker 0 for {wait_seconds:.0f} s "
                    f"in {self._directory}. Is worker 0 running, with the same work directory?"
                )
            time.sleep(_POLL_SECONDS)

    def is_current(self, order: Order) -> bool:
        """Whether the order was neither withdrawn nor replaced."""
        return self._read_order() == order

    def close(self) -> None:
        """Removes the registration."""
        # Not that of another process, which has taken this index over.
        if _read_registration(self._directory, self._index) == self._own:
            _registration_path(self._directory, self._index).unlink(missing_ok=True)

    def _refresh_registration(self) -> None:
        """Registers again with a chief that has started since: it removes all registrations."""
        found = _read_registration(self._directory, self._index)
        if found is None:
            self._write(self._own)
        elif found != self._own:
            raise WorkerFailedError(
                f"process {found.process} on {found.host} is worker {self._index} of the same "
                f"cluster too, by {_registration_path(self._directory, self._index)}: give each "
                "worker an index of its own."
            )

    def _write(self, registration: _Registration) -> None:
        path = _registration_path(self._directory, self._index)
        write_atomically(path, _REGISTRATIONS.dump_json(registration))
        self._own = registration

    def _read_order(self) -> Order | None:
        with contextlib.suppress(FileNotFoundError):
            return _ORDERS.validate_json((self._directory / _ORDER).read_bytes())
        return None


def _registration_path(directory: Path, index: int) -> Path:
    return directory / f"worker-{index}.json"


def _read_registration(directory: Path, index: int) -> _Registration | None:
    with contextlib.suppress(FileNotFoundError):
        return _REGISTRATIONS.validate_json(_registration_path(directory, index).read_bytes())
    return None
