"""What is wrong with a value of a row, in words; plain JSON values only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_JSON_TYPES = {
    type(None): "null", bool: "a boolean", int: "a whole number", float: "a number",
    str: "a string", list: "a list", dict: "an object",
}  # fmt: skip


class InvalidValueError(Exception):
    """A value that its feature cannot take.

    Args:
        problem: what is wrong, without the feature's name; the same in all rows with this fault.
        detail: what was found in this row.
        step: the time step at which it was found, if it is the fault of one.
    """

    def __init__(self, problem: str, detail: str = "", step: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.detail = detail
        self.step = step


def json_type(value: Any) -> str:
    """The type of a JSON value, with its article: ``a list``."""
    return _JSON_TYPES[type(value)]


def first_index(values: list[Any], is_wrong: Callable[[Any], bool]) -> int | None:
    """The index of the first value that is wrong; None if all are right."""
    return next((index for index, value in enumerate(values) if is_wrong(value)), None)


def check_types(
    values: list[Any], types: frozenset[type], expected: str, values_per_step: int = 1
) -> None:
    """Compares exact types, so that a boolean is no number.

    Args:
        values: the values of all steps, one after the other.
        types: the types that are allowed.
        expected: what they are called, with the article.
        values_per_step: how many values make a step.

    Raises:
        InvalidValueError: a value has another type.
    """
    if set(map(type, values)) <= types:
        return
    index = first_index(values, lambda value: type(value) not in types) or 0
    raise InvalidValueError(
        f"holds something that is not {expected}",
        json_type(values[index]),
        index // values_per_step,
    )
