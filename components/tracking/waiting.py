"""Waits for MLflow where a stage cannot do without it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Final, TypeVar

from components.errors import RegistryAwayError
from components.runtime.outage import Outage, pauses
from components.tracking.client import connect
from components.tracking.errors import broken_connection, reason
from components.tracking.journal import without_credentials

_Value = TypeVar("_Value")

_ATTEMPTS: Final = 3
"""How often a call may fail while MLflow answers another request: then the call is the cause."""


def wait_for_mlflow(call: Callable[[], _Value], tracking_uri: str, wait_seconds: float) -> _Value:
    """What ``call`` returns, which is called again while MLflow is away.

    Args:
        call: asks MLflow; doing it again must do no harm.
        tracking_uri: the address that it asks.
        wait_seconds: counted from the first call that failed.

    Raises:
        RegistryAwayError: MLflow was away for all that time, or the call alone gets no answer.
    """
    server = f"MLflow at {without_credentials(tracking_uri)}"
    outage, attempts = Outage(), 0
    deadline: float | None = None
    for pause in pauses():
        try:
            value = call()
        except RegistryAwayError as error:
            if not broken_connection(error) and _answers(tracking_uri):
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise
            now = time.monotonic()
            deadline = deadline or now + wait_seconds
            if now >= deadline:
                raise RegistryAwayError(
                    f"{error} The run asked again for {wait_seconds:.0f} s "
                    "(launch.server_wait_seconds)."
                ) from error
            why = reason(error.__cause__ or error)
            outage.begins(server, why, f"the run waits for it, at most {wait_seconds:.0f} s")
            time.sleep(min(pause, deadline - now))
        else:
            break
    outage.ends()
    return value


def _answers(tracking_uri: str) -> bool:
    # Any error of it says the same: whatever the call lacked, the server does not have it now.
    with contextlib.suppress(Exception):
        connect(tracking_uri).search_experiments(max_results=1)
        return True
    return False
