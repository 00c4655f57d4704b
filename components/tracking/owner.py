"""Whose a run is, and whether its process is gone.

A run that was killed says nothing: in MLflow and in Prefect it stays as it was, running. Whoever
starts next ends it there, and must not end a run that is alive. A path proves nothing, since in
containers all work directories have the same one. So each run records whose it is:

- the id of its work directory, which is made once and lies in it;
- the boot id of its machine, and which file it locked there: device and inode;
- a heartbeat, the time, which it renews every ``HEARTBEAT_SECONDS``.

Of the runs with the same work directory id, one is gone

- if it locked the very file that the asking run holds the lock of now, on the same machine since
  the same boot: the system frees a lock only when the process ends;
- or if its heartbeat is older than ``STALE_SECONDS``.

The first rule finds a killed run at once. The second one covers all that can come between: a work
directory that was copied (``cp -r``, an image with one in it) has the same id, but another lock; on
a network volume another host may hold "the same" lock at the same time; a machine that was started
anew, or a pod that moved, cannot prove anything about its predecessor. In these cases a killed run
is found by the first start after ``STALE_SECONDS``, and a live one is left alone.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

WORK_DIR_ID_TAG = "rnnflow.work_dir_id"
HOST_TAG = "rnnflow.host"
BOOT_TAG = "rnnflow.boot_id"
LOCK_TAG = "rnnflow.lock"
HEARTBEAT_TAG = "rnnflow.heartbeat"
"""Seconds since 1970, by the clock of the run's machine."""

HEARTBEAT_SECONDS = 30.0
STALE_SECONDS = 300.0
"""Ten heartbeats: a server may be away for minutes, and two machines' clocks may differ."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclasses.dataclass(frozen=True)
class Owner:
    """The process that holds the lock of a work directory."""

    work_dir_id: str
    host: str
    """For people: containers of one machine differ in it, and others share one."""
    boot_id: str
    """One for each start of a machine, the same in all its containers; empty if unknown."""
    lock: str
    """Device and inode of the file that is locked."""

    def tags(self) -> dict[str, str]:
        """What a run records of its owner, with its first heartbeat."""
        return {
            WORK_DIR_ID_TAG: self.work_dir_id,
            HOST_TAG: self.host,
            BOOT_TAG: self.boot_id,
            LOCK_TAG: self.lock,
            **heartbeat_tag(),
        }

    def proves_gone(
        self, recorded: Mapping[str, object], stale_seconds: float = STALE_SECONDS
    ) -> bool:
        """Whether the other run that recorded these tags is gone; call it while the lock is held.

        Args:
            recorded: the tags, or labels, of a run that is said to be running.
            stale_seconds: how old its last heartbeat must be, where the lock proves nothing.
        """
        if recorded.get(WORK_DIR_ID_TAG) != self.work_dir_id:
            return False
        place = (recorded.get(BOOT_TAG), recorded.get(LOCK_TAG))
        if self.boot_id and place == (self.boot_id, self.lock):
            return True
        try:
            last = float(str(recorded.get(HEARTBEAT_TAG)))
        except ValueError:  # it recorded none, which no run of ours does
            return False
        return time.time() - last > stale_seconds


def owner_of(work_dir_id: str, lock: BinaryIO) -> Owner:
    """This process, which holds ``lock``."""
    status = os.fstat(lock.fileno())
    boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.is_file() else ""
    return Owner(work_dir_id, socket.gethostname(), boot_id, f"{status.st_dev}:{status.st_ino}")


def heartbeat_tag() -> dict[str, str]:
    """The tag of a run that is alive now."""
    return {HEARTBEAT_TAG: f"{time.time():.0f}"}
