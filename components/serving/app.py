"""The routes: rows in the row format, the Open Inference Protocol, health and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline

from components.data.row_parsing import Row, json_type
from components.export.row_scoring import answer_row
from components.monitoring.answer_log import AnswerLog
from components.serving.batching import TooManyWaitingError
from components.serving.bodies import BadRequestError, json_response, parsed, read_body
from components.serving.description import describe
from components.serving.faults import InvalidRequestError, parse_rows
from components.serving.guard import Guard
from components.serving.host import ModelHost
from components.serving.inference_protocol import ProtocolError
from components.serving.inference_routes import add_inference_routes
from components.serving.limits import Limits, RequestTooLargeError, check_rows
from components.serving.metrics import Metrics
from components.serving.served_model import ModelFailedError, ServedModel


@dataclass
class Service:
    """What the routes share."""

    host: ModelHost
    limits: Limits
    metrics: Metrics
    token: str | None = None
    log: AnswerLog | None = None
    """What a sample of the answers is written to."""
    is_draining: bool = False
    """Set on SIGTERM: whoever asks whether the server is ready hears no, and is still answered."""


def make_app(service: Service) -> FastAPI:
    """The application, whose pages of documentation load nothing from elsewhere."""
    app = FastAPIOffline(
        redoc_url=None, title=f"rnnflow: {service.host.model.name}", openapi_url="/openapi.json"
    )
    app.add_middleware(Guard, metrics=service.metrics, token=service.token)
    app.openapi = lambda: describe(app, service.host.model, service.token)  # type: ignore[method-assign]
    _add_error_handlers(app, service)
    _add_operations(app, service)
    add_inference_routes(
        app,
        service.host,
        service.limits,
        service.metrics,
        lambda: not service.is_draining,
        service.log,
    )

    @app.post("/predict", tags=["predict"], summary="Label and probabilities of each row")
    async def predict(request: Request) -> Response:
        body = await read_body(request, service.limits)
        with service.host.leased() as model:
            rows, top_k, chosen = await parsed(body, lambda value: _rows(value, model, service))
            scores = await model.score(rows)
            service.metrics.rows.inc(len(rows))
            ids = [row.id or None for row in rows]
            if service.log is not None:
                ids = service.log.ids(row.id for row in rows)
                row_bytes = len(body) / max(1, len(rows))
                service.log.put(chosen, ids, scores, model.labels, model.version, row_bytes)
            answers = [
                {"id": row_id} | answer_row(each, model.labels, top_k)._asdict()
                for row_id, each in zip(ids, scores, strict=True)
            ]
            return json_response(
                {"model": model.name, "model_version": model.version, "predictions": answers}
            )

    return app


def _rows(
    value: Any, model: ServedModel, service: Service
) -> tuple[list[Row], int | None, dict[int, Any]]:
    """The rows of a request, how many labels an answer is to list, and the rows to be logged."""
    if not isinstance(value, dict) or not isinstance(value.get("rows"), list):
        found = f"the keys {sorted(value)}" if isinstance(value, dict) else json_type(value)
        raise BadRequestError(f'expected {{"rows": [...]}}, got {found}: see /docs', 422)
    top_k = value.get("top_k")
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise BadRequestError(
            f'expected "top_k" to be a whole number from 1 on, got {top_k!r}', 422
        )
    check_rows(len(value["rows"]), service.limits)
    rows = parse_rows(value["rows"], model.form)
    # Of the others nothing is kept: they may be large.
    return rows, top_k, {} if service.log is None else service.log.chosen(value["rows"])


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operations"], summary="The process answers")
    async def healthz() -> Response:
        return json_response({"status": "ok"})

    @app.get("/readyz", tags=["operations"], summary="It takes requests; 503 while it ends")
    async def readyz() -> Response:
        if service.is_draining:
            return json_response({"status": "draining"}, 503)
        return json_response({"status": "ready", "model_version": service.host.model.version})

    @app.get("/metrics", tags=["operations"], summary="Metrics in Prometheus's text format")
    async def metrics() -> Response:
        return Response(
            service.metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8"
        )


def _add_error_handlers(app: FastAPI, service: Service) -> None:
    @app.exception_handler(InvalidRequestError)
    async def invalid(_: Request, error: InvalidRequestError) -> Response:
        service.metrics.invalid_rows.inc(error.invalid_rows)
        rows = "1 row is" if error.invalid_rows == 1 else f"{error.invalid_rows:,} rows are"
        first = error.faults[0]
        return json_response(
            {
                "error": f"{rows} invalid; {first.path}: {first.message}",
                "faults": [fault._asdict() for fault in error.faults],
            },
            422,
        )

    @app.exception_handler(RequestTooLargeError)
    async def too_large(_: Request, error: RequestTooLargeError) -> Response:
        return json_response({"error": str(error)}, 413, Connection="close")

    @app.exception_handler(BadRequestError)
    async def bad(_: Request, error: BadRequestError) -> Response:
        return json_response({"error": str(error)}, error.status)

    @app.exception_handler(ProtocolError)
    async def no_tensors(_: Request, error: ProtocolError) -> Response:
        return json_response({"error": str(error)}, 400)

    @app.exception_handler(TooManyWaitingError)
    async def too_many(_: Request, error: TooManyWaitingError) -> Response:
        return json_response({"error": str(error)}, 503, **{"Retry-After": "1"})

    @app.exception_handler(404)
    async def not_found(request: Request, _: Exception) -> Response:
        return json_response({"error": f"there is no {request.url.path}: see /docs"}, 404)

    @app.exception_handler(405)
    async def not_allowed(request: Request, _: Exception) -> Response:
        return json_response({"error": f"{request.url.path} takes no {request.method}"}, 405)

    @app.exception_handler(ModelFailedError)
    async def failed(_: Request, error: ModelFailedError) -> Response:
        # What TensorFlow says is for the log: it may hold paths of this machine.
        del error
        return json_response({"error": "the model failed on this request; the log says why"}, 500)
