"""How two workers that connect show each other that they know the token of their training.

    listener -> caller    a challenge: random bytes
    caller -> listener    its index, a challenge of its own, and the proof of a caller
    listener -> caller    the proof of a listener

A proof is the HMAC-SHA256, with the token as its key, of the role, both challenges and both
indices. The token itself is never sent, and a proof that somebody has seen fits no other
connection.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import struct
import time
from typing import Final

TOKEN_BYTES: Final = 32
"""As many as SHA-256 has: a longer key of HMAC is no stronger."""
_CHALLENGE_BYTES: Final = 16
"""128 bits, so that no two connections have the same by chance."""
_CALL: Final = struct.Struct(f"!I{_CHALLENGE_BYTES}s32s")
"""The index of the caller, its challenge, and its proof."""
_LIMIT_SECONDS: Final = 10.0
"""For one greeting. A worker answers within milliseconds; one that is suspended is asked again."""


class RefusedError(Exception):
    """The other side is no worker of this training."""


class WrongTokenError(RefusedError):
    """The other side knows another token, or none."""

    def __init__(self) -> None:
        super().__init__("it does not know the token of this training")


def call(connection: socket.socket, token: bytes, own: int, peer: int) -> None:
    """The side of worker ``own``, which has connected to worker ``peer``.

    Raises:
        RefusedError: the other side did not show that it knows the token, or closed.
        OSError: the connection failed, or nothing came in time.
    """
    deadline = time.monotonic() + _LIMIT_SECONDS
    theirs = _receive(connection, _CHALLENGE_BYTES, deadline)
    ours = secrets.token_bytes(_CHALLENGE_BYTES)
    challenges = theirs + ours
    connection.sendall(_CALL.pack(own, ours, _proof(token, b"caller", challenges, own, peer)))
    proof = _receive(connection, hmac.new(token, digestmod="sha256").digest_size, deadline)
    if not hmac.compare_digest(proof, _proof(token, b"listener", challenges, own, peer)):
        raise WrongTokenError


def answer(connection: socket.socket, token: bytes, own: int) -> int:
    """The side of worker ``own``, to which somebody has connected.

    Returns:
        The index of the worker that connected.

    Raises:
        RefusedError: the other side did not show that it knows the token, or closed.
        OSError: the connection failed, or nothing came in time.
    """
    deadline = time.monotonic() + _LIMIT_SECONDS
    ours = secrets.token_bytes(_CHALLENGE_BYTES)
    connection.settimeout(_LIMIT_SECONDS)
    connection.sendall(ours)
    caller, theirs, proof = _CALL.unpack(_receive(connection, _CALL.size, deadline))
    challenges = ours + theirs
    if not hmac.compare_digest(proof, _proof(token, b"caller", challenges, caller, own)):
        raise WrongTokenError
    connection.sendall(_proof(token, b"listener", challenges, caller, own))
    return int(caller)


def _proof(token: bytes, role: bytes, challenges: bytes, caller: int, listener: int) -> bytes:
    return hmac.digest(token, role + challenges + struct.pack("!II", caller, listener), "sha256")


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    """Exactly ``size`` bytes, however few come at once."""
    received = b""
    while len(received) < size:
        # More than 0, which would mean not to wait at all.
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        part = connection.recv(size - len(received))
        if not part:
            raise RefusedError("it closed the connection")
        received += part
    return received
