"""Around every request: the token, and the metrics."""

from __future__ import annotations

import time

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.access import is_authorized, is_own_name
from components.serving.metrics import Metrics

# What asks for these, such as Kubernetes, has no token, and learns nothing but "yes" or "no".
PROBES = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})


class Guard:
    """Refuses who has no token, and counts and times the answers.

    Args:
        app: what answers.
        metrics: what is told of each answer.
        token: that a request must have; None: all may ask.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, token: str | None) -> None:
        self._app = app
        self._metrics = metrics
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await (self._refusal(scope) or self._app)(scope, receive, observed)
        finally:
            # By the pattern of the route: paths are made up by clients, and never end.
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if scope["path"] in PROBES:
            return None
        headers = dict(scope["headers"])
        if self._token is None:
            return None if is_own_name(headers.get(b"host", b"")) else _MISDIRECTED
        authorized = is_authorized(headers.get(b"authorization"), self._token)
        return None if authorized else _UNAUTHORIZED


# A page of any web site can have its own name lead to this machine, and then read the answers
# (DNS rebinding); a browser says in the header by which name it asks.
_MISDIRECTED = JSONResponse(
    {"error": "without a token only localhost and 127.0.0.1 are answered as host: set a token"},
    status_code=421,
)
_UNAUTHORIZED = JSONResponse(
    {"error": "expected the header `Authorization: Bearer TOKEN` with this server's token"},
    status_code=401,
    headers={"WWW-Authenticate": "Bearer"},
)
