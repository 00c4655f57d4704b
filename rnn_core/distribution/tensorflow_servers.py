"""Keeps TensorFlow's own servers to this machine where the whole cluster is on it.

A TensorFlow server (gRPC) asks for no password, runs what it is sent, and listens at all
addresses: it takes no host. Where all tasks are on loopback, its socket is bound to the loopback
device as soon as it is there. Other machines could reach it for the milliseconds in between.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Iterator
from typing import Final

from rnn_core.config.cluster import Cluster
from rnn_core.distribution.addresses import is_on_loopback

logger = logging.getLogger("rnn_core")

_LOOPBACK: Final = b"lo\0"
_DESCRIPTORS: Final = "/proc/self/fd"


def keep_on_loopback(cluster: Cluster) -> None:
    """Binds the server of this task to loopback, if all tasks of the cluster are there."""
    if not is_on_loopback(cluster):
        return
    address = str(cluster.spec.task_address(cluster.task_type, cluster.task_id))
    for server in _listening_at(int(address.rpartition(":")[2])):
        try:
            # For a socket that has no device yet, Linux asks for no privilege (since 5.7).
            server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LOOPBACK)
        except OSError as error:
            logger.warning(
                "TensorFlow's server of %s %d listens at all addresses of this machine, port %s, "
                "and asks for no password: it could not be bound to loopback (%s). Close the port "
                "to other machines.",
                cluster.task_type,
                cluster.task_id,
                address.rpartition(":")[2],
                error.strerror,
            )


def _listening_at(port: int) -> Iterator[socket.socket]:
    """The listening sockets of this process at a port, whoever in it has made them."""
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208
        with contextlib.ExitStack() as stack:
            try:
                if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    continue
                # A copy, so that its end closes no socket of others.
                found = stack.enter_context(socket.socket(fileno=os.dup(int(name))))
                listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            except OSError:  # closed since the listing
                continue
            is_tcp = found.family in (socket.AF_INET, socket.AF_INET6)
            if listens and is_tcp and found.getsockname()[1] == port:
                yield found
