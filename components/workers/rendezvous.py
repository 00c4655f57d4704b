"""How the workers of a cluster agree on what to do, through a directory that all of them see.

    worker-3.json    from worker 3: that it is there, with a random token, and whether it is busy
    order.json       from the chief: what to do, and the tokens of those whom it means

A worker heeds an order only if its own token is in it, so neither an order nor a worker of an
earlier run is taken for one of this. When a training fails, the chief takes its order back; each
worker ends its part, and is there with a new token for the next order.
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
from components.workers.cluster import Cluster

Status: TypeAlias = Literal["train", "done", "failed"]

_ORDER = "order.json"
_POLL_SECONDS = 0.2
_COME_BACK_SECONDS = 5.0
"""In so long a worker that is there shows itself again to a chief that has just begun."""


@dataclass(frozen=True)
class Order:
    """What the chief wants of the workers that have these tokens."""

    status: Status
    """``done`` and ``failed`` let them go."""
    tokens: frozenset[str]
    job: str = ""
    """The file that says what to train."""
    reason: str = ""
    """Why the chief failed."""


@dataclass(frozen=True)
class _Registration:
    """A worker that is there."""

    token: str
    busy: bool
    """It heeds an order, or has done so and waits for what comes after."""
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

    def __init__(self, directory: Path, cluster: Cluster) -> None:
        self._directory = directory
        self._cluster = cluster
        self._called: dict[int, str] = {}
        self._let_go: set[int] = set()
        self._looked_at = 0.0
        self._began_at = time.monotonic()
        for path in (directory / _ORDER, *directory.glob("worker-*.json")):
            path.unlink(missing_ok=True)

    @property
    def cluster(self) -> Cluster:
        """The workers."""
        return self._cluster

    def call(self, job: Path, wait_seconds: float) -> None:
        """Waits until all others are there, anew, and orders them to run their part of the job.

        Raises:
          WorkerFailedError: one was not there in time.
        """
        (self._directory / _ORDER).unlink(missing_ok=True)
        others = range(1, self._cluster.size)
        found = self._wait_for(others, wait_seconds, is_idle=True)
        if missing := [index for index in others if index not in found]:
            raise WorkerFailedError(
                f"{self._name(missing[0])} was not there after {wait_seconds:.0f} s "
                f"({len(missing)} of {len(others)} are missing). Is it running, with the same "
                f"config, and does it see {self._directory}?"
            )
        self._called = found
        self._give("train", found, job=str(job))

    def find_loss(self) -> str | None:
        """A sentence about a worker that does not take part any more, if there is one."""
        if time.monotonic() - self._looked_at < _POLL_SECONDS:
            return None
        self._looked_at = time.monotonic()
        for index, token in self._called.items():
            found = _read(_registration(self._directory, index))
            if found is None or found.token != token:
                return f"{self._name(index)} has failed: see its own log."
        return None

    def let_go(self, status: Literal["done", "failed"], reason: str, wait_seconds: float) -> int:
        """Ends the work of all others that were not let go before; waits for those not there yet.

        A chief that has just begun waits for them in any case, for some seconds.

        Returns:
          How many never came.
        """
        rest = [index for index in range(1, self._cluster.size) if index not in self._let_go]
        # Who is there must register again when a chief begins.
        until_back = self._began_at + _COME_BACK_SECONDS - time.monotonic()
        found = self._wait_for(rest, max(wait_seconds, until_back), is_idle=False)
        self._let_go |= found.keys()
        if found:
            self._give(status, found, reason=reason)
        return len(rest) - len(found)

    def _wait_for(
        self, indexes: Sequence[int], wait_seconds: float, *, is_idle: bool
    ) -> dict[int, str]:
        """The tokens of those that are there, as soon as all are, or else when the time is over."""
        deadline = time.monotonic() + wait_seconds
        while True:
            there = {index: _read(_registration(self._directory, index)) for index in indexes}
            found = {
                index: one.token
                for index, one in there.items()
                if one and not (is_idle and one.busy)
            }
            if len(found) == len(there) or time.monotonic() >= deadline:
                return found
            time.sleep(_POLL_SECONDS)

    def _give(self, status: Status, found: dict[int, str], job: str = "", reason: str = "") -> None:
        order = Order(status, frozenset(found.values()), job, reason)
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

    def __init__(self, directory: Path, cluster: Cluster) -> None:
        self._directory = directory
        self._path = _registration(directory, cluster.index)
        self._index = cluster.index
        self._last: Order | None = None
        self._own: _Registration
        self.register()

    def register(self) -> None:
        """Is there for the next order, and for none that was given before."""
        host, process = socket.gethostname(), os.getpid()
        self._write(_Registration(secrets.token_hex(16), False, host, process))

    def next_order(self, wait_seconds: float) -> Order:
        """Waits for an order behind the last one.

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
                # The chief began anew after this worker had done its part.
                self.register()
            self._stay()
            if time.monotonic() >= deadline:
                raise WorkerFailedError(
                    f"worker {self._index} heard nothing from the chief for {wait_seconds:.0f} s "
                    f"in {self._directory}. Is worker 0 running, with the same work directory?"
                )
            time.sleep(_POLL_SECONDS)

    def stands(self, order: Order) -> bool:
        """Whether the order was not taken back or replaced."""
        return self._read_order() == order

    def close(self) -> None:
        """Is there no more."""
        if _read(self._path) == self._own:
            self._path.unlink(missing_ok=True)

    def _stay(self) -> None:
        """A chief that starts removes all registrations: the ones of the living come back."""
        found = _read(self._path)
        if found is None:
            self._write(self._own)
        elif found != self._own:
            raise WorkerFailedError(
                f"process {found.process} on {found.host} is worker {self._index} of the same "
                f"cluster too, by {self._path}: give each worker an index of its own."
            )

    def _write(self, registration: _Registration) -> None:
        write_atomically(self._path, _REGISTRATIONS.dump_json(registration))
        self._own = registration

    def _read_order(self) -> Order | None:
        with contextlib.suppress(FileNotFoundError):
            return _ORDERS.validate_json((self._directory / _ORDER).read_bytes())
        return None


def _registration(directory: Path, index: int) -> Path:
    return directory / f"worker-{index}.json"


def _read(path: Path) -> _Registration | None:
    with contextlib.suppress(FileNotFoundError):
        return _REGISTRATIONS.validate_json(path.read_bytes())
    return None
