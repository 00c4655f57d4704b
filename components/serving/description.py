"""The OpenAPI document of a server, with examples that its model answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from components.data.row_parsing import Expected, RowFormat
from components.serving.inference_protocol import example_request
from components.serving.served_model import ServedModel

_TYPES = {"float32": "number", "int64": "integer", "string": "string"}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_FAULTS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
    },
}


def describe(app: FastAPI, model: ServedModel, token: str | None) -> dict[str, Any]:
    """What ``/openapi.json`` says: the routes, what a row holds, whether a token is needed."""
    document = get_openapi(
        title=app.title,
        version=str(model.version),
        description=f"Version {model.version} of `{model.name}`, labels: "
        f"{', '.join(f'`{label}`' for label in model.labels[:50])}.",
        routes=app.routes,
    )
    paths = document["paths"]
    rows = {
        "type": "object",
        "required": ["rows"],
        "properties": {
            "rows": {"type": "array", "items": _row_schema(model.form)},
            "top_k": {"type": "integer", "minimum": 1, "description": "List so many labels."},
        },
    }
    paths["/predict"]["post"] |= _exchange(rows, {"rows": [model.example]})
    paths["/v2/models/{name}/infer"]["post"] |= _exchange(
        {"type": "object"}, example_request(model.example, model.form)
    )
    for methods in paths.values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "name":
                    parameter["example"] = model.name
    if token is not None:
        scheme = {"token": {"type": "http", "scheme": "bearer"}}
        document.setdefault("components", {})["securitySchemes"] = scheme
        document["security"] = [{"token": []}]
    return document


def _exchange(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The body of a request, and the answers that are no answers."""
    refused = {
        **_ERROR,
        "properties": {**_ERROR["properties"], "faults": _FAULTS},  # type: ignore[dict-item]
    }
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {
            "200": {"description": "Answered.", "content": {"application/json": {}}},
            "413": _answer("The request is larger than the server takes.", _ERROR),
            "422": _answer("Rows are invalid; each fault has its path.", refused),
            "503": _answer("Too many rows wait: come again later.", _ERROR),
        },
    }


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _row_schema(form: RowFormat) -> dict[str, Any]:
    def part(features: dict[str, Expected], is_sequence: bool) -> dict[str, Any]:
        return {
            "type": "object",
            "required": [n for n, each in features.items() if is_sequence or each.missing is None],
            "properties": {name: _value(each, is_sequence) for name, each in features.items()},
        }

    parts = {"sequence": part(dict(form.sequence), True)}
    if form.context:
        parts["context"] = part(dict(form.context), False)
    return {
        "type": "object",
        "required": [name for name, each in parts.items() if each["required"]],
        "properties": {"id": {"type": "string"}, **parts},
    }


def _value(expected: Expected, is_sequence: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"type": _TYPES[expected.dtype]}
    if expected.width > 1:
        size = {"minItems": expected.width, "maxItems": expected.width}
        value = {"type": "array", "items": value, **size}
    return {"type": "array", "minItems": 1, "items": value} if is_sequence else value
