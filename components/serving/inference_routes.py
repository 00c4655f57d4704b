"""The routes of the Open Inference Protocol v2: see ``components.serving.inference_protocol``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response

from components.data.row_parsing import Row
from components.monitoring.answer_log import AnswerLog
from components.serving.bodies import BadRequestError, json_response, parsed, read_body
from components.serving.faults import parse_rows
from components.serving.host import ModelHost
from components.serving.inference_protocol import (
    metadata_of_inputs,
    metadata_of_outputs,
    outputs_of_request,
    rows_of_request,
    tensors_of_answers,
)
from components.serving.limits import Limits
from components.serving.metrics import Metrics
from components.serving.served_model import ServedModel

TAG = "Open Inference Protocol v2"
_BINARY_HEADER = "inference-header-content-length"


def add_inference_routes(
    app: FastAPI,
    host: ModelHost,
    limits: Limits,
    metrics: Metrics,
    is_ready: Callable[[], bool],
    log: AnswerLog | None = None,
) -> None:
    """Adds all routes of the protocol.

    Args:
        app: gets the routes.
        host: has the model.
        limits: of a request.
        metrics: are told of the rows.
        is_ready: whether the server takes requests.
        log: what a sample of the answers is written to.
    """

    @app.get("/v2", tags=[TAG], summary="The server")
    async def server() -> Response:
        version = importlib.metadata.version("rnnflow")
        return json_response({"name": "rnnflow", "version": version, "extensions": []})

    @app.get("/v2/health/live", tags=[TAG], summary="The process answers")
    async def live() -> Response:
        return json_response({"live": True})

    @app.get("/v2/health/ready", tags=[TAG], summary="It takes requests; 503 while it ends")
    async def ready() -> Response:
        return json_response({"ready": is_ready()}, 200 if is_ready() else 503)

    @app.get("/v2/models/{name}/ready", tags=[TAG], summary="The model takes requests")
    @app.get("/v2/models/{name}/versions/{version}/ready", include_in_schema=False)
    async def model_ready(name: str, version: str | None = None) -> Response:
        _check_model(host.model, name, version)
        return json_response({"name": name, "ready": is_ready()}, 200 if is_ready() else 503)

    @app.get("/v2/models/{name}", tags=[TAG], summary="The tensors of the model")
    @app.get("/v2/models/{name}/versions/{version}", include_in_schema=False)
    async def metadata(name: str, version: str | None = None) -> Response:
        model = host.model
        _check_model(model, name, version)
        return json_response(
            {
                "name": name,
                "versions": [str(model.version)],
                "platform": "tensorflow_savedmodel",
                "inputs": metadata_of_inputs(model.form),
                "outputs": metadata_of_outputs(model.labels, model.answers_steps),
            }
        )

    @app.post("/v2/models/{name}/infer", tags=[TAG], summary="Tensors in, tensors out")
    @app.post("/v2/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        if _BINARY_HEADER in request.headers:
            raise BadRequestError("tensors in binary form are not read: send them as JSON")
        body = await read_body(request, limits)
        with host.leased() as model:
            _check_model(model, name, version)

            def parse(value: Any) -> tuple[list[Row], list[str] | None, Any, dict[int, Any]]:
                values = rows_of_request(value, model.form, limits)
                rows = parse_rows(values, model.form)
                chosen = {} if log is None else log.chosen(values)
                return rows, outputs_of_request(value), value.get("id"), chosen

            rows, asked, request_id, chosen = await parsed(body, parse)
            scores = await model.score(rows)
            metrics.rows.inc(len(rows))
            if log is not None:
                ids = _row_ids(request_id, len(rows))
                row_bytes = len(body) / max(1, len(rows))
                log.put(chosen, ids, scores, model.labels, model.version, row_bytes)
            answer = {
                "model_name": model.name,
                "model_version": str(model.version),
                "outputs": tensors_of_answers(scores, model.labels, model.answers_steps, asked),
            }
            return json_response(answer | ({} if request_id is None else {"id": request_id}))


def _row_ids(request_id: Any, count: int) -> list[str | None]:
    """The ids of the rows of a request: its own, with the place of the row where it has several."""
    if type(request_id) not in (str, int) or request_id == "":
        return [None] * count
    return [str(request_id) if count == 1 else f"{request_id}-{place}" for place in range(count)]


def _check_model(model: ServedModel, name: str, version: str | None) -> None:
    if name != model.name:
        raise BadRequestError(f"there is no model {name!r} here, but {model.name!r}", 404)
    if version is not None and version != str(model.version):
        raise BadRequestError(
            f"version {version} of {name} is not here, but version {model.version}, the champion",
            404,
        )
