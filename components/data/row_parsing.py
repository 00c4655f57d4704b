"""The plain values of a row become a typed row, or a reason why it is invalid.

A row is ``{"id", "label", "context": {name: value}, "sequence": {name: values}}``; what the
configuration does not name is ignored. T is the number of steps, F a feature's width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.features.checks import InvalidValueError, json_type
from components.features.config import AnyFeature, FeaturesConfig
from components.features.kind import ValueType

Numbers: TypeAlias = NDArray[np.float32] | NDArray[np.int64]
Value: TypeAlias = Numbers | list[bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """A valid row.

    ``values`` holds each feature by name: float32 [T, F], int64 [T], or T strings in UTF-8, where T
    is ``steps`` in the sequence and 1 in the context. They are of their kind's type ``raw``, or, in
    a row that has passed through the transform, ``transformed``.
    """

    id: str
    label: str | None
    steps: int
    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """Why a row cannot be used.

    ``cause`` is the same for all rows with one fault, ``detail`` says more about this row;
    ``missing`` names the feature (or ``label``) that is absent or null, if that is the fault.
    """

    cause: str
    detail: str = ""
    missing: str | None = None

    @property
    def reason(self) -> str:
        """The cause, with the detail if there is one."""
        return f"{self.cause}: {self.detail}" if self.detail else self.cause


def parse_row(row: Any, features: FeaturesConfig, *, needs_label: bool = True) -> Row | InvalidRow:
    """Checks plain values; with ``needs_label`` false the label may be absent or null."""
    try:
        if not isinstance(row, dict):
            _refuse("not a JSON object", f"it is {json_type(row)}")
        values: dict[str, Value] = {}
        context = _part(row, "context", bool(features.context))
        for name, feature in features.context.items():
            values[name] = _value(context, name, feature, is_sequence=False)
        sequence = _part(row, "sequence", True)
        for name, feature in features.sequence.items():
            values[name] = _value(sequence, name, feature, is_sequence=True)
        lengths = {name: len(values[name]) for name in features.sequence}
        if len(set(lengths.values())) != 1:
            found = ", ".join(f"{name} has {length} steps" for name, length in lengths.items())
            _refuse("the sequences have different lengths", found)
        steps = next(iter(lengths.values()))
        return Row(_row_id(row), _label(row, needs_label), steps, values)
    except _InvalidRowError as error:
        return error.row


class _InvalidRowError(Exception):
    """Leaves the checks of a row at the first fault; ``parse_row`` returns it as a value."""

    def __init__(self, row: InvalidRow) -> None:
        super().__init__(row.reason)
        self.row = row


def _refuse(cause: str, detail: str = "", missing: str | None = None) -> NoReturn:
    raise _InvalidRowError(InvalidRow(cause, detail, missing))


def _row_id(row: dict[str, Any]) -> str:
    value = row.get("id")
    if value is None or value == "":
        _refuse("'id' is missing", missing="id")
    # Exact types, as True is an int in Python; a fraction would be another text in each writer.
    if type(value) is not str and type(value) is not int:
        _refuse("'id' is not a string", f"it is {json_type(value)}")
    return str(value)


def _label(row: dict[str, Any], needed: bool) -> str | None:
    value = row.get("label")
    if value is None or value == "":
        if needed:
            _refuse("'label' is missing", missing="label")
        return None
    if type(value) is not str and type(value) is not int:
        _refuse("'label' is neither a string nor a whole number", f"it is {json_type(value)}")
    return str(value)


def _part(row: dict[str, Any], key: str, needed: bool) -> dict[str, Any]:
    part = row.get(key)
    if part is None and not needed:
        return {}
    if not isinstance(part, dict):
        _refuse(f"'{key}' is not an object", f"it is {json_type(part)}")
    return part


def _value(part: dict[str, Any], name: str, feature: AnyFeature, *, is_sequence: bool) -> Value:
    value = part.get(name)
    if value is None:
        _refuse(f"{name} is missing", missing=name)
    try:
        steps = _steps(value) if is_sequence else _single_step(value, feature.raw)
        return _typed(feature.check(steps), feature.raw)
    except InvalidValueError as error:
        at_step = f" at step {error.step}" if is_sequence and error.step is not None else ""
        _refuse(f"{name} {error.problem}", f"{error.detail}{at_step}")


def _steps(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidValueError("is not a list", f"it is {json_type(value)}")
    if not value:
        raise InvalidValueError("is empty", "a sequence has at least one step")
    return value


def _single_step(value: Any, raw: ValueType) -> list[Any]:
    """A context value as a sequence of one step."""
    if not raw.step_shape:
        if isinstance(value, list):
            raise InvalidValueError("is a list", "one value was expected in the context")
        return [value]
    return [value if isinstance(value, list) else [value]]


def _typed(values: list[Any], raw: ValueType) -> Value:
    """The checked values of T steps: float32 or int64 [T, *step_shape], or T strings in UTF-8."""
    if raw.dtype == "string":
        return [value.encode() for value in values]
    shape = (-1, *raw.step_shape)
    if raw.dtype == "int64":
        return np.array(values, np.int64).reshape(shape)
    with np.errstate(over="ignore"):
        # By way of float64, which also takes whole numbers of more than 64 bits.
        numbers = np.array(values, np.float64).astype(np.float32)
    # JSON has no NaN: what is not finite now was too large for float32.
    if not np.isfinite(numbers).all():
        index = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise InvalidValueError(
            "holds a number that float32 cannot hold",
            f"{values[index]:.6g}",
            index // raw.values_per_step,
        )
    return numbers.reshape(shape)
