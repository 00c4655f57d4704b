"""What this process has sent over TCP, as the kernel counts it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path
from typing import Final

_BYTES_ACKED_AT: Final = 120
"""Where ``struct tcp_info`` of linux/tcp.h has ``tcpi_bytes_acked``, a 64-bit number."""


def sent_bytes() -> int:
    """Bytes that were sent and confirmed on all connections that are open now."""
    total = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        # One of them is that of this listing, and others may close in the meantime.
        with contextlib.suppress(OSError):
            if descriptor.is_socket():
                total += _acked(int(descriptor.name))
    return total


def _acked(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            return 0
        if connection.type != socket.SOCK_STREAM:
            return 0
        information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    (acked,) = struct.unpack_from("Q", information, _BYTES_ACKED_AT)
    return int(acked)
