"""Clients that ask one server without a pause, each on a connection of its own.

One process with an event loop, and requests that were written before: what the clients themselves
take is a small part of what the cheapest server does, on a machine that has few cores for both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """A window of load."""

    requests_per_second: float
    median_seconds: float
    p99_seconds: float
    processor_seconds: float = 0.0
    """Of the server, a request: what its neighbours on the machine do counts little in it."""


def requests(path: str, bodies: Sequence[bytes]) -> list[bytes]:
    """The bytes of a POST of each body."""
    return [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]


def ask(port: int, posts: Sequence[bytes], clients: int, seconds: float) -> Found:
    """Asks for so long with so many clients.

    Raises:
        RuntimeError: an answer was none.
    """
    taken = asyncio.run(_ask(port, posts, clients, seconds))
    taken.sort()
    return Found(len(taken) / seconds, taken[len(taken) // 2], taken[int(0.99 * len(taken))])


async def _ask(port: int, posts: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    end = time.perf_counter() + seconds
    found = await asyncio.gather(
        *(_client(port, posts, end, first) for first in range(clients)),
    )
    return [each for one in found for each in one]


async def _client(port: int, posts: Sequence[bytes], end: float, index: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    while (start := time.perf_counter()) < end:
        writer.write(posts[index % len(posts)])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        body = await reader.readexactly(length)
        if b" 200 " not in head[:20]:
            raise RuntimeError(f"expected an answer, got {head[:40]!r} {body[:500]!r}")
        taken.append(time.perf_counter() - start)
        index += 1
    writer.close()
    return taken
