"""What a server takes, and how it batches; each value is an option of ``rnnflow serve``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and how many rows may wait."""

    # Some 1,000 rows of 100 steps with 12 numbers each, or one of 100,000 steps; it is parsed in
    # half a second, during which others wait for Python's lock.
    max_body_bytes: int = 16 << 20
    """Bytes of a request's body; more is answered with 413."""
    max_request_rows: int = 1000
    """Rows of a request; more is answered with 413."""
    max_row_steps: int | None = None
    """Steps of a row, if the model itself does not allow fewer; more is a fault of the row."""
    # Beyond it a row would wait for seconds behind others: the client is told to come later.
    max_waiting_rows: int = 10_000
    """Rows that may wait for their batch; a request beyond it is answered with 503."""


@dataclass(frozen=True)
class Batching:
    """How rows of several requests become one call of the model."""

    # Short beside what a batch takes, and long enough for clients to send their next request: with
    # eight of them, batches of eight rows take a third less of the processor than those of four.
    max_wait_milliseconds: float = 3.0
    """How long a batch waits for as many rows as were there a moment ago; a lone one never does."""
    max_rows: int = 64
    """Rows of a batch."""


MAX_FAULTS = 100
"""Faults that an answer lists; who has more has one cause, and a shorter answer shows it."""


class RequestTooLargeError(Exception):
    """A request that is larger than the server takes: answered with 413."""


def check_rows(count: int, limits: Limits) -> None:
    """Refuses a request of too many rows.

    Raises:
        RequestTooLargeError: there are more than the limits allow.
    """
    if count > limits.max_request_rows:
        raise RequestTooLargeError(
            f"the request has {count:,} rows, and {limits.max_request_rows:,} may be in one "
            "(--max-request-rows): send it in parts"
        )
