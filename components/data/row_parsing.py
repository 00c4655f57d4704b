"""One JSONL line becomes a typed row, or a reason why it cannot be used.

A row is ``{"id", "label", "context": {name: value}, "sequence": {name: values}}``; what the
configuration does not name is ignored. T is the number of steps, F a feature's width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from components.config import Feature, FeaturesConfig, IdFeature, NumericFeature

Numbers: TypeAlias = NDArray[np.float32] | NDArray[np.int64]
Value: TypeAlias = Numbers | list[bytes]
EXCERPT_CHARACTERS = 120
_NUMBERS = frozenset({int, float})
_JSON_TYPES = {
    type(None): "null", bool: "a boolean", int: "a whole number", float: "a number",
    str: "a string", list: "a list", dict: "an object",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A usable row.

    ``values`` holds each feature by name. Of the sequence: numeric float32 [T, F], id int64 [T],
    token T strings in UTF-8. Of the context: numeric float32 [F], id int64 [1], categorical one
    string in UTF-8.
    """

    id: str
    label: str | None
    steps: int
    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class BadRow:
    """Why a line is not a row.

    ``problem`` is the same for all rows with one fault, ``reason`` says where in this row it is;
    ``missing`` names the feature (or ``label``) that is absent or null, if that is the fault.
    """

    problem: str
    reason: str
    missing: str | None = None


def parse_row(line: bytes, features: FeaturesConfig, *, needs_label: bool = True) -> Row | BadRow:
    """Reads one line; with ``needs_label`` false the label may be absent or null."""
    try:
        return _row(_json_object(line), features, needs_label)
    except _UnusableError as error:
        return error.bad_row


def excerpt(line: bytes) -> str:
    """The start of a line, for a person to recognise it."""
    text = line[: 4 * EXCERPT_CHARACTERS].decode(errors="replace").strip()
    if len(text) <= EXCERPT_CHARACTERS:
        return text
    return text[: EXCERPT_CHARACTERS - 1] + "…"


class _UnusableError(Exception):
    def __init__(self, bad_row: BadRow) -> None:
        super().__init__(bad_row.reason)
        self.bad_row = bad_row


def _refuse(problem: str, detail: str = "", missing: str | None = None) -> NoReturn:
    raise _UnusableError(BadRow(problem, f"{problem}: {detail}" if detail else problem, missing))


def _row(row: dict[str, Any], features: FeaturesConfig, needs_label: bool) -> Row:
    values: dict[str, Value] = {}
    context = _part(row, "context", bool(features.context))
    for name, feature in features.context.items():
        values[name] = _context_value(_present(context, name), name, feature)
    sequence = _part(row, "sequence", True)
    for name, feature in features.sequence.items():
        values[name] = _sequence_value(_present(sequence, name), name, feature)
    steps = _common_length({name: len(values[name]) for name in features.sequence})
    return Row(_row_id(row), _label(row, needs_label), steps, values)


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if "UTF-8" in str(error):
            _refuse("invalid UTF-8")
        if b"NaN" in line or b"Infinity" in line:
            _refuse("NaN or Infinity, which JSON does not have", error.msg)
        _refuse("invalid JSON", f"{error.msg} at column {error.colno}")
    except RecursionError:
        _refuse("invalid JSON", "nested too deeply")
    if not isinstance(row, dict):
        _refuse("not a JSON object", f"it is {_kind(row)}")
    return row


def _row_id(row: dict[str, Any]) -> str:
    value = row.get("id")
    if value is None or value == "":
        _refuse("'id' is missing", missing="id")
    if type(value) is not str and type(value) is not int:
        _refuse("'id' is not a string", f"it is {_kind(value)}")
    return str(value)


def _label(row: dict[str, Any], needed: bool) -> str | None:
    value = row.get("label")
    if value is None or value == "":
        if needed:
            _refuse("'label' is missing", missing="label")
        return None
    if type(value) is not str and type(value) is not int:
        _refuse("'label' is neither a string nor a whole number", f"it is {_kind(value)}")
    return str(value)


def _part(row: dict[str, Any], key: str, needed: bool) -> dict[str, Any]:
    part = row.get(key)
    if part is None and not needed:
        return {}
    if not isinstance(part, dict):
        _refuse(f"'{key}' is not an object", f"it is {_kind(part)}")
    return part


def _present(part: dict[str, Any], name: str) -> Any:
    value = part.get(name)
    if value is None:
        _refuse(f"{name} is missing", missing=name)
    return value


def _context_value(value: Any, name: str, feature: Feature) -> Value:
    if isinstance(feature, NumericFeature):
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) != feature.width:
            _refuse(f"{name} has a wrong width", f"{len(numbers)} instead of {feature.width}")
        return _finite(numbers, name, feature.width).reshape(feature.width)
    if isinstance(value, list):
        _refuse(f"{name} is a list", "one value was expected in the context")
    return _symbols([value], name, feature)


def _sequence_value(value: Any, name: str, feature: Feature) -> Value:
    if not isinstance(value, list):
        _refuse(f"{name} is not a list", f"it is {_kind(value)}")
    if not value:
        _refuse(f"{name} is empty", "a sequence has at least one step")
    if isinstance(feature, NumericFeature):
        return _finite(_flat(value, name, feature.width), name, feature.width)
    return _symbols(value, name, feature)


def _flat(steps: list[Any], name: str, width: int) -> list[Any]:
    """The numbers of all steps in a row, after the width of each step was checked."""
    if width == 1 and list not in set(map(type, steps)):
        return steps
    step = _first(steps, lambda step: type(step) is not list)
    if step is not None:
        _refuse(f"{name} has a step that is not a list", f"step {step} is {_kind(steps[step])}")
    step = _first(steps, lambda step: len(step) != width)
    if step is not None:
        found = len(steps[step])
        _refuse(f"{name} has a wrong width", f"{found} instead of {width} at step {step}")
    return list(chain.from_iterable(steps))


def _finite(numbers: list[Any], name: str, width: int) -> NDArray[np.float32]:
    """The numbers as float32 [T, F]."""
    if not set(map(type, numbers)) <= _NUMBERS:
        index = _first(numbers, lambda number: type(number) not in _NUMBERS) or 0
        _refuse(f"{name} holds something that is not a number",
                f"{_kind(numbers[index])} at step {index // width}")  # fmt: skip
    with np.errstate(over="ignore"):
        array = np.array(numbers, np.float64).astype(np.float32).reshape(-1, width)
    if not np.isfinite(array).all():
        step = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        _refuse(f"{name} holds a number that float32 cannot hold", f"at step {step}")
    return array


def _symbols(values: list[Any], name: str, feature: Feature) -> Value:
    return _ids(values, name, feature) if isinstance(feature, IdFeature) else _strings(values, name)


def _ids(values: list[Any], name: str, feature: IdFeature) -> NDArray[np.int64]:
    step = _first(values, lambda value: type(value) is not int)
    if step is not None:
        _refuse(f"{name} holds something that is not a whole number",
                f"{_kind(values[step])} at step {step}")  # fmt: skip
    step = _first(values, lambda value: not 0 <= value < feature.size)
    if step is not None:
        _refuse(f"{name} holds an id out of its range",
                f"{values[step]} at step {step}, which is not in [0, {feature.size})")  # fmt: skip
    return np.array(values, np.int64)


def _strings(values: list[Any], name: str) -> list[bytes]:
    step = _first(values, lambda value: type(value) is not str)
    if step is not None:
        _refuse(f"{name} holds something that is not a string",
                f"{_kind(values[step])} at step {step}")  # fmt: skip
    return [value.encode() for value in values]


def _common_length(lengths: dict[str, int]) -> int:
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} has {length} steps" for name, length in lengths.items())
        _refuse("the sequences have different lengths", found)
    return next(iter(lengths.values()))


def _first(values: list[Any], is_wrong: Callable[[Any], bool]) -> int | None:
    return next((index for index, value in enumerate(values) if is_wrong(value)), None)


def _kind(value: Any) -> str:
    return _JSON_TYPES[type(value)]
