"""Who may ask: whoever is on this machine, or whoever has the token."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import socket
from pathlib import Path

from components.errors import UserError

TOKEN_VARIABLE = "RNNFLOW_SERVE_TOKEN"
# Guessed at 1,000 tries a second, 16 hexadecimal digits last for hundreds of millions of years.
_SHORTEST_TOKEN = 16


def read_token(file: Path | None) -> str | None:
    """The token of the server, from a file or the environment; None if there is neither.

    Never from the command line, which every user of the machine can read.

    Raises:
        UserError: the file cannot be read, or the token is too short or cannot be in a header.
    """
    token = os.environ.get(TOKEN_VARIABLE) if file is None else _content(file)
    if token is None:
        return None
    token = token.strip()
    source = TOKEN_VARIABLE if file is None else str(file)
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable():
        raise UserError(
            f"expected a token of {_SHORTEST_TOKEN} or more printable ASCII characters in {source}"
            f", got {len(token)} characters; `openssl rand -hex 32` makes one."
        )
    return token


def check_access(host: str, token: str | None) -> None:
    """Refuses to answer other machines without a token.

    Raises:
        UserError: the address is reached from other machines, and there is no token; or it is none.
    """
    if token is None and not is_loopback(host):
        raise UserError(
            f"--host {host} is reached from other machines: a token is needed. Put one in the "
            f"environment variable {TOKEN_VARIABLE} or in a file that --token-file names "
            "(`openssl rand -hex 32` makes one), or leave --host out."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches all addresses of a host.

    Raises:
        UserError: there is no such host.
    """
    try:
        found = socket.getaddrinfo(host or None, None, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: expected an address of this machine: {error}.") from None
    # An address of IPv6 may have the name of a network interface behind it.
    addresses = {str(entry[4][0]).partition("%")[0] for entry in found}
    return all(ipaddress.ip_address(each).is_loopback for each in addresses)


def is_own_name(header: bytes) -> bool:
    """Whether the header ``Host`` names this machine as itself, with any port."""
    name = re.sub(r":\d+$", "", header.decode("latin-1").lower())
    return name in {"localhost", "[::1]"} or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


def is_authorized(header: bytes | None, token: str) -> bool:
    """Whether the header ``Authorization`` holds the token; as slow for every wrong one."""
    scheme, _, given = (header or b"").partition(b" ")
    return hmac.compare_digest(given.strip(), token.encode()) and scheme.lower() == b"bearer"


def _content(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--token-file {file}: cannot be read: {error}.") from None
