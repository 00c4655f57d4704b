"""The Open Inference Protocol v2 over HTTP: tensors to rows, and answers to tensors.

As the KServe project specifies it (kserve/open-inference-protocol, ``inference_rest.md``): a tensor
is ``{"name", "shape", "datatype", "data"}``, its data flat or nested in row-major order. What a
model takes and gives is for it to say, in its metadata; here, with B rows, T steps of the longest
row, F numbers per step and K labels:

    inputs    a sequence    [B, T], or [B, T, F] of F numbers; what lies behind a row is not read
              the context   [B], or [B, F] of F numbers
              lengths       INT64 [B], the steps of each row; may be left out where all have T
    outputs   label         BYTES [B], what the model answers
              confidence    FP32 [B], its probability
              probabilities FP32 [B, K], of the labels in the tensor's parameter ``labels``

Where each step has a label, the outputs have a second axis of T steps, filled up with "" and 0, and
``lengths`` is among them. The tensors become rows, so that one check holds for all requests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from components.data.row_parsing import Expected, RowFormat, json_type
from components.export.row_scoring import RowScores
from components.serving.limits import Limits, check_rows

LENGTHS = "lengths"
_DATATYPES = {"float32": "FP32", "int64": "INT64", "string": "BYTES"}
_WHOLE = frozenset(
    {"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
)  # fmt: skip
_ACCEPTED: Mapping[str, frozenset[str]] = {
    "float32": _WHOLE | {"FP16", "BF16", "FP32", "FP64"},
    "int64": _WHOLE,
    "string": frozenset({"BYTES"}),
}
"""By the type of a feature; whether a number fits is for the check of the rows."""


class ProtocolError(Exception):
    """A request that is no inference request, or whose tensors do not fit the model."""


def metadata_of_inputs(form: RowFormat) -> list[dict[str, Any]]:
    """The tensors that a model takes; -1 for what varies."""
    tensors = [
        _metadata(name, expected, [-1, -1] if part == "sequence" else [-1])
        for part, features in (("sequence", form.sequence), ("context", form.context))
        for name, expected in features.items()
    ]
    return [*tensors, {"name": LENGTHS, "datatype": "INT64", "shape": [-1]}]


def metadata_of_outputs(labels: Sequence[str], answers_steps: bool) -> list[dict[str, Any]]:
    """The tensors that a model gives."""
    rows = [-1, -1] if answers_steps else [-1]
    tensors = [
        {"name": "label", "datatype": "BYTES", "shape": rows},
        {"name": "confidence", "datatype": "FP32", "shape": rows},
        {"name": "probabilities", "datatype": "FP32", "shape": [*rows, len(labels)]},
    ]
    lengths = [{"name": LENGTHS, "datatype": "INT64", "shape": [-1]}]
    return tensors + lengths * answers_steps


def rows_of_request(request: Any, form: RowFormat, limits: Limits) -> list[dict[str, Any]]:
    """The rows that the tensors of a request hold, not yet checked against the features.

    Raises:
        ProtocolError: it is no inference request, or a tensor is missing or of the wrong form.
        RequestTooLargeError: it has more rows than the limits allow.
    """
    tensors = _tensors(request)
    known = {**form.sequence, **form.context}
    if unknown := sorted(set(tensors) - {*known, LENGTHS}):
        raise ProtocolError(
            f"the model takes no input {unknown[0]!r}; it takes {', '.join([*known, LENGTHS])}"
        )
    columns = {
        name: _rows_of_tensor(tensors[name], expected, name in form.sequence, limits)
        for name, expected in known.items()
        if name in tensors
    }
    needed = [*form.sequence, *(n for n, each in form.context.items() if each.missing is None)]
    if missing := [name for name in needed if name not in columns]:
        raise ProtocolError(f"expected an input {missing[0]!r}; the inputs are {sorted(tensors)}")
    counts = {name: len(rows) for name, rows in columns.items()}
    if len(set(counts.values())) > 1:
        raise ProtocolError(f"the inputs have different numbers of rows: {counts}")
    count = next(iter(counts.values()))
    lengths = _lengths(tensors.get(LENGTHS), count)
    return [
        {
            "sequence": {
                name: columns[name][index][: lengths[index]] for name in form.sequence
            },
            "context": {name: columns[name][index] for name in form.context if name in columns},
        }
        for index in range(count)
    ]  # fmt: skip


def outputs_of_request(request: Mapping[str, Any]) -> list[str] | None:
    """The names of the outputs that are asked for; None for all."""
    asked = request.get("outputs")
    if asked is None:
        return None
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        raise ProtocolError('expected "outputs" to be a list of {"name": ...}')
    return [str(each.get("name")) for each in asked]


def tensors_of_answers(
    scores: Sequence[RowScores],
    labels: Sequence[str],
    answers_steps: bool,
    asked: list[str] | None,
) -> list[dict[str, Any]]:
    """The outputs of a request.

    Raises:
        ProtocolError: an output is asked for that there is not.
    """
    count, width = len(scores), len(labels)
    lengths = [len(each.probabilities) for each in scores] if answers_steps else []
    shape = [count, max(lengths, default=0)] if answers_steps else [count]
    values, ids = np.zeros([*shape, width], np.float32), np.zeros(shape, np.int64)
    for index, each in enumerate(scores):
        place = (index, slice(lengths[index])) if answers_steps else (index,)
        values[place], ids[place] = each
    found = np.array(labels, object)[ids]
    for index, length in enumerate(lengths):
        found[index, length:] = ""
    tensors = {
        "label": _tensor("label", "BYTES", shape, found),
        "confidence": _tensor(
            "confidence", "FP32", shape, np.take_along_axis(values, ids[..., None], -1)
        ),
        "probabilities": {
            **_tensor("probabilities", "FP32", [*shape, width], values),
            "parameters": {"labels": list(labels)},
        },
    }
    if answers_steps:
        tensors[LENGTHS] = _tensor(LENGTHS, "INT64", [count], np.array(lengths))
    for name in asked or ():
        if name not in tensors:
            raise ProtocolError(f"the model gives no output {name!r}; it gives {list(tensors)}")
    return [tensors[name] for name in (tensors if asked is None else asked)]


def example_request(row: Mapping[str, Any], form: RowFormat) -> dict[str, Any]:
    """An inference request of one row in the row format."""
    steps = len(next(iter(row["sequence"].values())))
    inputs = []
    for part, features in (("sequence", form.sequence), ("context", form.context)):
        for name, expected in features.items():
            shape = [1, steps] if part == "sequence" else [1]
            shape += [expected.width] if expected.width > 1 else []
            data = list(_flattened([row[part][name]]))
            datatype = _DATATYPES[expected.dtype]
            inputs.append({"name": name, "shape": shape, "datatype": datatype, "data": data})
    return {"id": "example-1", "inputs": inputs}


def _metadata(name: str, expected: Expected, shape: list[int]) -> dict[str, Any]:
    last = [expected.width] if expected.width > 1 else []
    return {"name": name, "datatype": _DATATYPES[expected.dtype], "shape": [*shape, *last]}


def _tensor(name: str, datatype: str, shape: list[int], values: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": values.ravel().tolist()}


def _tensors(request: Any) -> dict[str, Mapping[str, Any]]:
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list):
        raise ProtocolError('expected an object with "inputs", a list of tensors')
    found: dict[str, Mapping[str, Any]] = {}
    for tensor in request["inputs"]:
        if not isinstance(tensor, dict) or not {"name", "shape", "datatype"} <= set(tensor):
            raise ProtocolError("expected each input to have a name, a shape, a datatype and data")
        name = tensor["name"]
        if not isinstance(name, str) or name in found:
            raise ProtocolError(f"expected the name of each input once, got {name!r}")
        if "data" not in tensor:
            raise ProtocolError(
                f"input {name!r} has no data; tensors in binary form behind the JSON are not read"
            )
        found[name] = tensor
    return found


def _rows_of_tensor(
    tensor: Mapping[str, Any], expected: Expected, is_sequence: bool, limits: Limits
) -> list[Any]:
    """The values of each row, in lists as deep as the row format has them."""
    name, datatype = tensor["name"], tensor["datatype"]
    if datatype not in _ACCEPTED[expected.dtype]:
        accepted = ", ".join(sorted(_ACCEPTED[expected.dtype]))
        raise ProtocolError(f"input {name!r}: expected the datatype {accepted}, got {datatype!r}")
    width = [expected.width] if expected.width > 1 else []
    form = f"[B{', T' * is_sequence}{', ' + str(expected.width) if width else ''}]"
    shape, values = _shape(tensor), list(_flattened(tensor["data"]))
    plain = len(width) + 1 + is_sequence
    # A step of one number may be a list of one.
    if len(shape) == plain + 1 and not width and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != plain or shape[plain - len(width) :] != width:
        raise ProtocolError(f"input {name!r}: expected the shape {form}, got {shape}")
    # Before anything is made of the numbers: a shape costs nothing to write.
    check_rows(shape[0], limits)
    if math.prod(shape) != len(values):
        raise ProtocolError(
            f"input {name!r}: the shape {shape} has {math.prod(shape):,} values, and data has "
            f"{len(values):,}"
        )
    for size in reversed(shape[1:]):
        # A tensor of no rows or no steps has no values to cut.
        values = [values[at : at + size] for at in range(0, len(values), size)] if size else []
    return values if math.prod(shape) else [[] for _ in range(shape[0])]


def _shape(tensor: Mapping[str, Any]) -> list[int]:
    shape = tensor["shape"]
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ProtocolError(
            f"input {tensor['name']!r}: expected the shape to be a list of whole numbers from 0 on"
        )
    return shape


def _flattened(values: Any) -> Iterable[Any]:
    if not isinstance(values, list):
        raise ProtocolError(f'expected "data" to be a list, got {json_type(values)}')
    while values and isinstance(values[0], list):
        if not all(isinstance(each, list) for each in values):
            raise ProtocolError('expected "data" to be flat, or nested to one depth throughout')
        values = [one for each in values for one in each]
    return values


def _lengths(tensor: Mapping[str, Any] | None, count: int) -> list[int | None]:
    if tensor is None:
        return [None] * count  # a slice to None takes all
    values = list(_flattened(tensor["data"]))
    if len(values) != count or not all(type(each) is int and each >= 0 for each in values):
        raise ProtocolError(
            f"input {LENGTHS!r}: expected a whole number for each of the {count:,} rows"
        )
    return values
