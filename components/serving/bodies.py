"""Bodies in, JSON out: what the routes have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response

from components.data.row_parsing import InvalidRow
from components.data.sources.jsonl import decode_line
from components.serving.limits import Limits, RequestTooLargeError

_Result = TypeVar("_Result")

# A client that sends some bytes and then nothing would keep its connection for ever.
BODY_SECONDS = 30.0
_LARGE_BODY_BYTES = 64 << 10
"""It is parsed in a thread, so that the event loop goes on with the requests of others."""


class BadRequestError(Exception):
    """A request that cannot be read; ``status`` is that of the answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body of a request, of which no more is held than is allowed.

    Raises:
        RequestTooLargeError: it is larger.
        BadRequestError: it does not come.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limits.max_body_bytes:
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_body_bytes:
                    raise _too_large(limits)
    except TimeoutError:
        raise BadRequestError(
            f"the body did not come within {BODY_SECONDS:.0f} s: send it at once", 408
        ) from None
    return bytes(body)


async def parsed(body: bytes, parse: Callable[[Any], _Result]) -> _Result:
    """What ``parse`` makes of the JSON value of a body; of a large one in a thread.

    Raises:
        BadRequestError: the body is no JSON.
    """

    def work() -> _Result:
        value = decode_line(body)
        if isinstance(value, InvalidRow):
            raise BadRequestError(f"expected a body in JSON: {value.reason}")
        return parse(value)

    return work() if len(body) < _LARGE_BODY_BYTES else await asyncio.to_thread(work)


def json_response(content: Any, status: int = 200, **headers: str) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def _too_large(limits: Limits) -> RequestTooLargeError:
    return RequestTooLargeError(
        f"the body is larger than {limits.max_body_bytes:,} bytes (--max-body-bytes): send the "
        "rows in parts"
    )
