"""The plain values of a row become a typed row, or a reason why it is invalid.

A row is ``{"id", "label", "context": {name: value}, "sequence": {name: values}}``; what the
format does not name is ignored. T is the number of steps, F a feature's width. Where each step has
a label, ``label`` is a list of T.

Training rows, ``predict`` and served requests pass through this one check. A served model runs a
copy of this file that lies beside it, so it imports nothing of this project when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from components.features.config import AnyFeature, FeaturesConfig
    from components.label_tasks import TaskName

Numbers: TypeAlias = NDArray[np.float32] | NDArray[np.int64]
Value: TypeAlias = Numbers | list[bytes]
Subtract: TypeAlias = float | Literal["first", "previous"]
"""A number, or that of the first step of the row, or that of the step before."""
Truncate: TypeAlias = Literal["head", "tail", "middle"]
"""Which steps of a long row are kept."""
Place: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead from a row to a value in it."""

_JSON_TYPES = {
    type(None): "null", bool: "a boolean", int: "a whole number", float: "a number",
    str: "a string", list: "a list", dict: "an object",
}  # fmt: skip
# Exact types, as True is an int in Python.
_ID_TYPES = frozenset({str, int})
_LABEL_TYPES = frozenset({str, int, bool})
_LARGEST_FLOAT64 = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row must hold for one feature; plain values, so that it can be stored as JSON."""

    dtype: Literal["float32", "int64", "string"]
    width: int = 1
    """F of numbers; 1 of single values."""
    id_limit: int | None = None
    """Whole numbers are in [0, id_limit)."""
    missing: float | int | str | None = None
    """What a value that is null, or absent from the context, is read as; None: it is refused. Of
    numbers, ``previous`` stands for the one of the step before."""
    subtract: Subtract = 0.0
    """What is taken from each number, before it is rounded to float32."""
    key: str = ""
    """What a ``Row`` calls the feature, where it is not the name in the rows."""

    @classmethod
    def of(cls, feature: AnyFeature, key: str) -> Self:
        """What the rows must hold for a feature of the config, which is there under this key."""
        raw, own_key = feature.raw, "" if feature.in_rows(key) == key else key
        limits = feature.id_limit, feature.filled_with, feature.subtracted
        return cls(raw.dtype, raw.values_per_step, *limits, own_key)


@dataclass(frozen=True, slots=True)
class RowFormat:
    """The features of a row, how long it may be, and whether it needs an id and a label.

    The features are by their names in the rows.
    """

    sequence: Mapping[str, Expected]
    context: Mapping[str, Expected]
    max_steps: int
    """The limit ``data.max_row_steps``."""
    truncate: Truncate | None = None
    """Which ``max_steps`` steps are kept of a row with more; None: it is invalid."""
    needs_key: bool = True
    """Whether the id and the label must be there, as for training; else they may be absent."""
    label: TaskName = "per_row"
    """What has a label, as ``data.label`` says."""
    group: str | None = None
    time: str | None = None
    """The names of the values by which rows are split, as ``data.split`` says."""

    @classmethod
    def of(
        cls,
        features: FeaturesConfig,
        max_steps: int,
        label: TaskName = "per_row",
        *,
        truncate: Truncate | None = None,
        needs_key: bool = True,
    ) -> Self:
        """The format of rows with the features of a config."""
        sequence, context = (
            {one.in_rows(key): Expected.of(one, key) for key, one in part.items()}
            for part in (features.sequence, features.context)
        )
        return cls(sequence, context, max_steps, truncate, needs_key, label)

    def as_json(self) -> dict[str, Any]:
        """The format as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What ``as_json`` gave."""
        parts = {
            part: {name: Expected(**expected) for name, expected in values[part].items()}
            for part in ("sequence", "context")
        }
        return cls(**{**values, **parts})


@dataclass(frozen=True, slots=True)
class Row:
    """A valid row.

    ``values`` holds each feature by its key in the config: float32 [T, F], int64 [T], or T strings
    in UTF-8, where T is ``steps`` in the sequence and 1 in the context. They are of their kind's
    type ``raw``, or, in a row that has passed through the transform, ``transformed``. By the names
    in the rows, ``filled`` counts the values of a feature that were missing and were filled,
    ``merged`` those that differ from the number of the step before, but not as float32; features
    without any are left out of both.
    """

    id: str
    """Empty if the row has none."""
    labels: tuple[str, ...] | None
    """The label, or those of the steps; None if the row has none."""
    steps: int
    values: dict[str, Value]
    filled: Mapping[str, int] = field(default_factory=dict)
    merged: Mapping[str, int] = field(default_factory=dict)
    group: str = ""
    seconds: float = 0.0
    """By which it is split: empty, and 0 (since 1970), if the format names none."""


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """Why a row cannot be used.

    ``cause`` is the same for all rows with one fault, ``detail`` says more about this row;
    ``missing`` names the feature (or ``label``) that is absent or null, if that is the fault.
    ``place`` leads from the row to the value that is wrong, and ``expected`` says what should be
    there, where one phrase can: a server tells its clients both.
    """

    cause: str
    detail: str = ""
    missing: str | None = None
    place: Place = field(default=(), compare=False)
    expected: str = field(default="", compare=False)

    @property
    def reason(self) -> str:
        """The cause, with the detail if there is one."""
        return f"{self.cause}: {self.detail}" if self.detail else self.cause


def parse_row(row: Any, form: RowFormat) -> Row | InvalidRow:
    """Checks plain values, and gives them the types that the model takes."""
    try:
        if not isinstance(row, dict):
            _refuse("not a JSON object", f"it is {json_type(row)}", expected="an object")
        values: dict[str, Value] = {}
        filled: dict[str, int] = {}
        merged: dict[str, int] = {}
        for key, features in (("context", form.context), ("sequence", form.sequence)):
            needed = key == "sequence" or any(each.missing is None for each in features.values())
            part = _part(row, key, bool(features) and needed)
            for name, expected in features.items():
                value, nulls, equal = _value(part, name, expected, key == "sequence", form)
                values[expected.key or name] = value
                if nulls:
                    filled[name] = nulls
                if equal:
                    merged[name] = equal
        lengths = {
            name: len(values[expected.key or name]) for name, expected in form.sequence.items()
        }
        if len(set(lengths.values())) != 1:
            found = ", ".join(f"{name} has {length} steps" for name, length in lengths.items())
            _refuse("the sequences have different lengths", found, place=("sequence",))
        steps = next(iter(lengths.values()))
        row_id, labels = _row_id(row, form.needs_key), _labels(row, form, steps)
        whole = Row(row_id, labels, steps, values, filled, merged)
        return _cut(whole, form) if steps > form.max_steps else whole
    except _InvalidRowError as error:
        return error.row


def _cut(row: Row, form: RowFormat) -> Row:
    """The row with the steps that are kept."""
    more = row.steps - form.max_steps
    begin = {"head": 0, "middle": more // 2, "tail": more}[form.truncate or "head"]
    kept = slice(begin, begin + form.max_steps)
    keys = {expected.key or name for name, expected in form.sequence.items()}
    values = {key: each[kept] if key in keys else each for key, each in row.values.items()}
    labels = row.labels[kept] if row.labels and form.label == "per_step" else row.labels
    return replace(row, steps=form.max_steps, values=values, labels=labels)


def json_type(value: Any) -> str:
    """The type of a JSON value, with its article: ``a list``."""
    return _JSON_TYPES.get(type(value)) or f"a {type(value).__name__}"


@dataclass(eq=False)
class _InvalidValueError(Exception):
    """A value that its feature cannot take: the fault, what was found, and at which step."""

    problem: str
    detail: str = ""
    step: int | None = None
    is_missing: bool = False
    place: int | None = None
    """Which number of the step, where it has several."""
    expected: str = ""


@dataclass(eq=False)
class _InvalidRowError(Exception):
    """Leaves the checks of a row at the first fault; ``parse_row`` returns it as a value."""

    row: InvalidRow


def _refuse(
    cause: str, detail: str = "", missing: str | None = None, place: Place = (), expected: str = ""
) -> NoReturn:
    raise _InvalidRowError(InvalidRow(cause, detail, missing, place, expected))


def _row_id(row: dict[str, Any], needed: bool) -> str:
    value = row.get("id")
    if value is None or value == "":
        if needed:
            _refuse("'id' is missing", missing="id")
        return ""
    # A fraction would be another text in each writer.
    if type(value) not in _ID_TYPES:
        _refuse("'id' is not a string", f"it is {json_type(value)}", None, ("id",), "a string")
    return str(value)


def _labels(row: dict[str, Any], form: RowFormat, steps: int) -> tuple[str, ...] | None:
    value = row.get("label")
    if value is None or value == "":
        if form.needs_key:
            _refuse("'label' is missing", missing="label")
        return None
    return _READ_LABELS[form.label](value, steps)


def _label_of_row(value: Any, steps: int) -> tuple[str, ...]:
    del steps
    if type(value) not in _LABEL_TYPES:
        _refuse("'label' is neither a string nor a whole number", f"it is {json_type(value)}")
    return (_text(value),)


def _labels_of_steps(value: Any, steps: int) -> tuple[str, ...]:
    if not isinstance(value, list):
        _refuse("'label' is not a list", f"it is {json_type(value)}, and each step has a label")
    if len(value) != steps:
        _refuse(
            "'label' has another length than the sequences",
            f"{len(value):,} labels and {steps:,} steps",
        )
    step = _first(value, lambda label: label is None or label == "")
    if step is not None:
        _refuse("'label' is missing at a step", f"at step {step}", missing="label")
    step = _first(value, lambda label: type(label) not in _LABEL_TYPES)
    if step is not None:
        _refuse(
            "'label' holds something that is neither a string nor a whole number",
            f"{json_type(value[step])} at step {step}",
        )
    return tuple(map(_text, value))


_READ_LABELS: Mapping[str, Callable[[Any, int], tuple[str, ...]]] = {
    "per_row": _label_of_row,
    "per_step": _labels_of_steps,
}
"""By ``data.label``: the labels as texts, of a row with so many steps."""


def _text(label: Any) -> str:
    # As JSON writes them: true and false.
    return str(label).lower() if isinstance(label, bool) else str(label)


def _part(row: dict[str, Any], key: str, needed: bool) -> dict[str, Any]:
    part = row.get(key)
    if part is None and not needed:
        return {}
    if not isinstance(part, dict):
        _refuse(f"'{key}' is not an object", f"it is {json_type(part)}", None, (key,), "an object")
    return part


def _value(
    part: dict[str, Any], name: str, expected: Expected, is_sequence: bool, form: RowFormat
) -> tuple[Value, int, int]:
    """A feature's values as the model takes them; how many were missing, and how many merged."""
    value = part.get(name)
    place: Place = ("sequence" if is_sequence else "context", name)
    # Nothing says how many steps a sequence has that is not there.
    if value is None and (is_sequence or expected.missing is None):
        _refuse(f"{name} is missing", "", name, place)
    try:
        steps = _steps(value, form) if is_sequence else _single_step(value, expected)
        if expected.dtype == "float32":
            numbers, nulls, merged = _numbers(steps, expected)
            return numbers, 1 if value is None else nulls, merged
        nulls = 0
        if expected.missing is not None and None in steps:
            nulls = steps.count(None)
            steps = [expected.missing if step is None else step for step in steps]
        if expected.dtype == "string":
            return _strings(steps), nulls, 0
        return _whole_numbers(steps, expected.id_limit), nulls, 0
    except _InvalidValueError as error:
        at_step = f" at step {error.step}" if is_sequence and error.step is not None else ""
        missing = name if error.is_missing else None
        # A context value has no step, but a place where it is a list of numbers.
        steps_in = (error.step,) if is_sequence else ()
        place += tuple(at for at in (*steps_in, error.place) if at is not None)
        cause = f"{name} {error.problem}"
        _refuse(cause, f"{error.detail}{at_step}", missing, place, error.expected)


def _steps(value: Any, form: RowFormat) -> list[Any]:
    if not isinstance(value, list):
        found = f"it is {json_type(value)}"
        raise _InvalidValueError("is not a list", found, expected="a list, a value a step")
    if not value:
        detail = "a sequence has at least one step"
        raise _InvalidValueError("is empty", detail, expected="at least one step")
    if len(value) > form.max_steps and form.truncate is None:
        fault = f"has more steps than max_row_steps = {form.max_steps:,} allows"
        raise _InvalidValueError(fault, f"it has {len(value):,}")
    return value


def _single_step(value: Any, expected: Expected) -> list[Any]:
    """A context value as a sequence of one step."""
    if expected.dtype != "float32":
        if isinstance(value, list):
            detail = "one value was expected in the context"
            raise _InvalidValueError("is a list", detail, expected="one value")
        return [value]
    if value is None:
        return [[None] * expected.width]
    return [value if isinstance(value, list) else [value]]


def _strings(steps: list[Any]) -> list[bytes]:
    _check_types(steps, frozenset({str}), "a string")
    try:
        return [text.encode() for text in steps]
    except UnicodeEncodeError:
        halves = (any("\ud800" <= char <= "\udfff" for char in text) for text in steps)
        step = next(index for index, is_half in enumerate(halves) if is_half)
        detail = ascii(steps[step])
        raise _InvalidValueError(
            "holds half of a character", detail, step, expected="whole characters"
        ) from None


def _whole_numbers(steps: list[Any], limit: int | None) -> NDArray[np.int64]:
    _check_types(steps, frozenset({int}), "a whole number")
    if limit is None:
        return np.array(steps, np.int64)
    step = _first(steps, lambda number: not 0 <= number < limit)
    if step is not None:
        raise _InvalidValueError(
            f"holds an id out of [0, {limit})",
            f"{steps[step]}",
            step,
            expected=f"an id from 0 to {limit - 1}",
        )
    return np.array(steps, np.int64)


def _numbers(steps: list[Any], expected: Expected) -> tuple[NDArray[np.float32], int, int]:
    """Float32 [T, F], from numbers or lists of F; a list of one may stand for its number."""
    width, nulls = expected.width, 0
    numbers = _flat(steps, width, expected.missing is not None)
    if expected.missing is not None and None in numbers:
        nulls = numbers.count(None)
        numbers = (
            _filled(numbers, width)
            if expected.missing == "previous"
            else [expected.missing if number is None else number for number in numbers]
        )
    _check_types(numbers, frozenset({int, float}), "a number", width)
    with np.errstate(over="ignore"):
        try:
            # By way of float64, which also takes whole numbers of more than 64 bits.
            doubles = np.array(numbers, np.float64)
        except OverflowError:  # a whole number of 309 digits or more
            numbers = [max(-_LARGEST_FLOAT64, min(_LARGEST_FLOAT64, each)) for each in numbers]
            doubles = np.array(numbers, np.float64)
        doubles = doubles.reshape(-1, width)
        if expected.subtract == "first":
            doubles = doubles - doubles[0]
        elif expected.subtract == "previous":
            doubles = np.diff(doubles, axis=0, prepend=doubles[:1])
        elif expected.subtract:
            doubles = doubles - expected.subtract
        array = doubles.astype(np.float32)
    if not np.isfinite(array).all():
        index = int(np.flatnonzero(~np.isfinite(array))[0])
        place, found = index % width if width > 1 else None, f"{numbers[index]:.6g}"
        fault, what = "holds a number that float32 cannot hold", "a number that float32 can hold"
        raise _InvalidValueError(fault, found, index // width, place=place, expected=what)
    return array, nulls, count_merged(doubles, array)


def count_merged(doubles: NDArray[np.float64], singles: NDArray[np.float32]) -> int:
    """Numbers [T, F] that differ from the ones of the step before, but not as float32."""
    differ = doubles[1:] != doubles[:-1]
    return int(np.count_nonzero(differ & (singles[1:] == singles[:-1])))


def _flat(steps: list[Any], width: int, fills_missing: bool) -> list[Any]:
    """The F numbers of all steps, one after the other."""
    # The usual case, in one pass over the types: every row is checked in each pass.
    if width == 1 and list not in set(map(type, steps)):
        return steps
    if fills_missing:
        steps = [[None] * width if step is None else step for step in steps]
    if set(map(type, steps)) == {list} and set(map(len, steps)) == {width}:
        return list(chain.from_iterable(steps))
    step = _first(steps, lambda step: type(step) is not list)
    if step is not None:
        found = json_type(steps[step])
        is_missing = steps[step] is None
        what = f"a list of {width} numbers"
        raise _InvalidValueError(
            "has a step that is not a list", found, step, is_missing, expected=what
        )
    step = next(index for index, step in enumerate(steps) if len(step) != width)
    found = f"{len(steps[step])} instead of {width}"
    what = f"a list of {width} numbers" if width > 1 else "a number"
    raise _InvalidValueError("has a wrong width", found, step, expected=what)


def _filled(numbers: list[Any], width: int) -> list[Any]:
    """Each null becomes the number of the step before it, at the start the first one behind it.

    Of vectors, each of the F numbers by itself.
    """
    filled = list(numbers)
    for place in range(width):
        column = numbers[place::width]
        last = next((number for number in column if number is not None), None)
        if last is None:
            which = f"as number {place} of each step" if width > 1 else ""
            raise _InvalidValueError("holds nothing but null", which, is_missing=True)
        for index, number in enumerate(column):
            last = last if number is None else number
            filled[index * width + place] = last
    return filled


def _check_types(
    values: list[Any], types: frozenset[type], expected: str, values_per_step: int = 1
) -> None:
    # Exact types, so that a boolean is no number.
    if set(map(type, values)) <= types:
        return
    index = _first(values, lambda value: type(value) not in types) or 0
    step, place = divmod(index, values_per_step)
    which = f", number {place}," if values_per_step > 1 else ""
    raise _InvalidValueError(
        f"holds something that is not {expected}",
        f"{json_type(values[index])}{which}",
        step,
        values[index] is None,
        place=place if values_per_step > 1 else None,
        expected=expected,
    )


def _first(values: list[Any], is_wrong: Callable[[Any], bool]) -> int | None:
    """The index of the first value that is wrong; None if all are right."""
    return next((index for index, value in enumerate(values) if is_wrong(value)), None)
