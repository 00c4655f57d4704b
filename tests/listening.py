"""Where processes listen, as Linux tells it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from pathlib import Path

_LISTENS = "0A"


def listening_at(process: int | None = None) -> set[tuple[str, int]]:
    """The numeric host and the port of each TCP socket at which a process listens."""
    root = Path("/proc") / ("self" if process is None else str(process))
    owned = set()
    for link in (root / "fd").iterdir():
        with contextlib.suppress(OSError):
            owned.add(str(link.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (root / "net" / table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTENS and f"socket:[{columns[9]}]" in owned:
                host, _, port = columns[1].partition(":")
                found.add((_host(host), int(port, 16)))
    return found


def _host(digits: str) -> str:
    """Four bytes a word, each in the byte order of the machine."""
    words = [bytes.fromhex(digits[at : at + 8]) for at in range(0, len(digits), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, raw)


def beyond_loopback(process: int) -> set[tuple[str, int]]:
    """Where a process, or one that it started, listens for other machines."""
    found: set[tuple[str, int]] = set()
    for each in [process, *_descendants(process)]:
        with contextlib.suppress(OSError):  # it may have ended since
            found |= listening_at(each)
    return {place for place in found if not ipaddress.ip_address(place[0]).is_loopback}


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    for task in (Path("/proc") / str(process) / "task").iterdir():
        with contextlib.suppress(OSError):
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_descendants(child)]
    return found
