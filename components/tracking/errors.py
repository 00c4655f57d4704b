"""What MLflow, its databases and its file stores raise: what is final, and messages for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import requests

from components.errors import RegistryAwayError, RegistryError, RnnflowError
from components.tracking.client import MlflowException
from components.tracking.journal import without_credentials

_DENIED_CODES = frozenset({"CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED", "UNAUTHENTICATED"})
# Codes of requests that can never succeed; any other failure may be over at the next try.
_FINAL_CODES = frozenset(
    {
        "ALREADY_EXISTS",
        "BAD_REQUEST",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "NOT_FOUND",
        "NOT_IMPLEMENTED",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
    }
)


@contextlib.contextmanager
def registry_errors(tracking_uri: str, purpose: str) -> Iterator[None]:
    """Turns what MLflow, its database or its file store raise into one clear error.

    Raises:
        RegistryAwayError: MLflow does not answer: what was not done, where, why, and what to do.
        RegistryError: MLflow rejected the request; the same is said.
    """
    where = without_credentials(tracking_uri)
    try:
        yield
    except RnnflowError:
        raise
    except Exception as error:
        # The clients of databases and of cloud stores share no root with MLflow's exceptions.
        if isinstance(error, MlflowException) and error.error_code in _FINAL_CODES | _DENIED_CODES:
            raise RegistryError(
                f"cannot {purpose}: MLflow at {where} rejected the request ({first_line(error)}). "
                "Fix that and run again; finished stages are reused."
            ) from error
        raise RegistryAwayError(
            f"cannot {purpose}: MLflow at {where} does not answer ({reason(error)}). Start it, "
            "or set MLFLOW_TRACKING_URI to a server that runs, and run again; finished stages are "
            "reused."
        ) from error


def is_final(error: Exception) -> bool:
    """Whether the same request would always fail, as the server rejected it."""
    return isinstance(error, MlflowException) and error.error_code in _FINAL_CODES


def reason(error: BaseException) -> str:
    """Why a request failed, in a few words; for a broken connection its cause."""
    return first_line(broken_connection(error) or error)


def broken_connection(error: BaseException) -> BaseException | None:
    """The refused, reset or timed-out connection behind an error; None if the server answered."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionError | TimeoutError) and not isinstance(
            cause, requests.RequestException
        ):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def first_line(error: BaseException) -> str:
    """The first line of an error, short enough for one line of a log."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
