"""What is wrong with the rows of a request: every fault with its path, up to a bound.

``parse_row`` ends at the first fault of a row, as is right for the millions of a training file. A
client who corrects a request wants them all: a row that is invalid is checked again here, feature
by feature, by that same function.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from components.data.row_parsing import (
    Expected,
    InvalidRow,
    Place,
    Row,
    RowFormat,
    json_type,
    parse_row,
)
from components.serving.limits import MAX_FAULTS

_EXCERPT_CHARACTERS = 40
_WORDS = {"float32": "number", "int64": "whole number", "string": "string"}


class Fault(NamedTuple):
    """One fault: ``rows[2].sequence.pressure[14]``, ``expected a number, got "x"``."""

    path: str
    message: str


class InvalidRequestError(Exception):
    """Some rows of a request cannot be used; ``faults`` are the first of them."""

    def __init__(self, faults: Sequence[Fault], invalid_rows: int) -> None:
        super().__init__(f"{invalid_rows} rows are invalid")
        self.faults = faults
        self.invalid_rows = invalid_rows


def parse_rows(values: Sequence[Any], form: RowFormat) -> list[Row]:
    """The typed rows of a request.

    Raises:
        InvalidRequestError: a row is invalid; nothing of the request is answered.
    """
    parsed = [parse_row(value, form) for value in values]
    rows = [row for row in parsed if isinstance(row, Row)]
    if len(rows) == len(parsed):
        return rows
    invalid = (index for index, row in enumerate(parsed) if isinstance(row, InvalidRow))
    faults = (fault for index in invalid for fault in faults_of(index, values[index], form))
    raise InvalidRequestError(list(islice(faults, MAX_FAULTS)), len(parsed) - len(rows))


def faults_of(index: int, row: Any, form: RowFormat) -> Iterator[Fault]:
    """All faults of an invalid row: those of its features, or else the one of the whole row."""
    found: dict[Fault, None] = {}
    for one in (*_feature_by_feature(form), form):
        # The whole row last: what no feature shows by itself, such as sequences of two lengths.
        if one is form and found:
            break
        invalid = parse_row(row, one)
        if isinstance(invalid, InvalidRow):
            found[_fault(index, row, invalid, form)] = None
    yield from found


def _feature_by_feature(form: RowFormat) -> Iterator[RowFormat]:
    # A row needs a sequence: a context feature is checked beside the first one.
    for name, expected in form.sequence.items():
        yield dataclasses.replace(form, sequence={name: expected}, context={})
    anything = dict(islice(form.sequence.items(), 1))
    for name, expected in form.context.items():
        yield dataclasses.replace(form, sequence=anything, context={name: expected})


def _fault(index: int, row: Any, found: InvalidRow, form: RowFormat) -> Fault:
    path = f"rows[{index}]" + _path(found.place)
    if found.missing is not None and len(found.place) == 2:
        part, name = found.place
        expected = (form.sequence if part == "sequence" else form.context)[str(name)]
        return Fault(path, f"expected {_phrase(expected, part == 'sequence')}, got nothing")
    if not found.expected:
        return Fault(path, found.reason)
    return Fault(path, f"expected {found.expected}, got {_excerpt(_value_at(row, found.place))}")


def _path(place: Place) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else _key(key) for key in place)


def _key(key: str) -> str:
    # As jq and JavaScript write it: a name with a dot or a space would lead elsewhere.
    return f".{key}" if key.isidentifier() else f"[{json.dumps(key, ensure_ascii=False)}]"


def _phrase(expected: Expected, is_sequence: bool) -> str:
    """What a client is to send: ``a list, 2 numbers a step``."""
    word = _WORDS[expected.dtype]
    several = f"{expected.width} {word}s" if expected.width > 1 else f"a {word}"
    if is_sequence:
        return f"a list, {several} a step"
    return f"a list of {several}" if expected.width > 1 else several


def _value_at(row: Any, place: Iterable[str | int]) -> Any:
    for key in place:
        try:
            row = row[key]
        except (IndexError, KeyError, TypeError):
            return None if isinstance(key, str) else row  # a number that stands for a list of one
    return row


def _excerpt(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    if isinstance(value, dict) or value is None:
        return json_type(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _EXCERPT_CHARACTERS else f"{text[:_EXCERPT_CHARACTERS]}…"
