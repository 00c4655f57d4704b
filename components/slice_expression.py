"""Which rows are in a slice, as an expression: ``customer == "A" and length > 100``.

Python's own parser reads the text, and nothing of it is run: only ``and``, ``or``, ``not`` and the
comparisons of one name with values become a ``Condition``, and everything else is refused.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias

Plain: TypeAlias = str | int | float
Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]

LENGTH, TIME = "length", "time"
"""What every row has beside its context: its steps, and, with ``data.split.time``, when it was."""

LONGEST = 1000
"""Characters of an expression: far more than a person writes, and nothing to be parsed for long."""
_MOST_TRIALS = 20_000
"""Combinations of values that are tried for a row that an expression could hold for."""


@dataclasses.dataclass(frozen=True)
class Known:
    """What an expression may say of one name."""

    kind: Literal["text", "number", "whole number", "time"]
    low: float | None = None
    """The least value that a row can have, and the greatest; None for no limit."""
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One name and the value, or the values, that it is compared with."""

    name: str
    operator: Operator
    value: Plain | tuple[Plain, ...]


@dataclasses.dataclass(frozen=True)
class Junction:
    """All of the parts hold (``and``), or one at least (``or``)."""

    word: Literal["and", "or"]
    parts: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True)
class Negation:
    """The part does not hold."""

    part: Condition


Condition: TypeAlias = Comparison | Junction | Negation

_OPERATORS: Mapping[type[ast.cmpop], Operator] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
_MIRRORED: Mapping[Operator, Operator] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
_EXAMPLE = "such as customer == 'A' and length > 100"


def parse(text: str) -> Condition:
    """Reads an expression.

    Raises:
        ValueError: it is no Python, or holds anything but comparisons and what joins them.
    """
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST:,} characters, got {len(text):,}")
    try:
        # Python's parser warns of what looks odd, such as an unknown escape in a text.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval")
        return _condition(tree.body)
    except (SyntaxError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply"
        raise ValueError(f"does not parse ({reason}); expected comparisons, {_EXAMPLE}") from None


def holds(condition: Condition, row: Mapping[str, Plain]) -> bool:
    """Whether a row is in the slice; ``row`` has every name of the condition."""
    if isinstance(condition, Comparison):
        return bool(_COMPARE[condition.operator](row[condition.name], condition.value))
    if isinstance(condition, Negation):
        return not holds(condition.part, row)
    quantifier = all if condition.word == "and" else any
    return quantifier(holds(part, row) for part in condition.parts)


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """All that it is made of."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Negation):
        yield from comparisons(condition.part)
    else:
        for part in condition.parts:
            yield from comparisons(part)


def with_values(condition: Condition, change: Callable[[str, Plain], Plain]) -> Condition:
    """The same condition with other values: ``change`` takes the name and one of its values."""
    if isinstance(condition, Negation):
        return Negation(with_values(condition.part, change))
    if isinstance(condition, Junction):
        parts = tuple(with_values(part, change) for part in condition.parts)
        return Junction(condition.word, parts)
    name, value = condition.name, condition.value
    changed = (
        tuple(change(name, each) for each in value)
        if isinstance(value, tuple)
        else change(name, value)
    )
    return dataclasses.replace(condition, value=changed)


def faults(condition: Condition, known: Mapping[str, Known]) -> list[str]:
    """What is wrong with it for rows that have these names; empty if nothing is."""
    found = [fault for each in comparisons(condition) for fault in _comparison_faults(each, known)]
    if not found and _is_never(condition, known):
        found.append(f"no row can be in this slice{_limits(condition, known)}")
    return list(dict.fromkeys(found))


def seconds_of(value: Plain) -> float:
    """A time in seconds since 1970, UTC where it names no zone, as the rows' times are read.

    Raises:
        ValueError: it is a text that is not ISO 8601.
    """
    if not isinstance(value, str):
        return float(value)
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def unknown_name(name: str, known: Mapping[str, Known]) -> str:
    """The fault of a name that is none of these."""
    has_time = "" if TIME in known else ", and time where data.split.time names one"
    return f"{name!r} is no single value of a row; known are {', '.join(known)}{has_time}"


def _condition(node: ast.expr) -> Condition:
    if isinstance(node, ast.BoolOp):
        word: Literal["and", "or"] = "and" if isinstance(node.op, ast.And) else "or"
        return Junction(word, tuple(_condition(value) for value in node.values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return Negation(_condition(node.operand))
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        pairs = itertools.pairwise(operands)
        parts = tuple(
            _comparison(left, operator, right)
            for (left, right), operator in zip(pairs, node.ops, strict=True)
        )
        return parts[0] if len(parts) == 1 else Junction("and", parts)
    raise ValueError(f"{_shown(node)} is no comparison; expected comparisons, {_EXAMPLE}")


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Comparison:
    word = _OPERATORS.get(type(operator))
    if word is None:
        raise ValueError("'is' compares nothing here: write == or !=")
    if word in ("in", "not in"):
        if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
            raise ValueError(f"{word!r} needs a list of values, such as in ['A', 'B']")
        return Comparison(_name(left), word, tuple(_plain(each) for each in right.elts))
    if isinstance(right, ast.Name) and not isinstance(left, ast.Name):
        return Comparison(right.id, _MIRRORED[word], _plain(left))
    return Comparison(_name(left), word, _plain(right))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError(f"{_shown(node)} is no name of a feature, and not length or time")


def _plain(node: ast.expr) -> Plain:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    value = node.value if isinstance(node, ast.Constant) else None
    # True is an int in Python.
    if isinstance(value, str) and sign == 1:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return sign * value
    raise ValueError(f"{_shown(node)} is no text and no number to compare a name with")


def _shown(node: ast.expr) -> str:
    return f"{ast.unparse(node)!r:.80}"


def _in(value: Plain, values: object) -> bool:
    return isinstance(values, tuple) and value in values


_COMPARE: Mapping[Operator, Callable[..., bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": _in,
    "not in": lambda a, b: not _in(a, b),
}


def _values(comparison: Comparison) -> tuple[Plain, ...]:
    value = comparison.value
    return value if isinstance(value, tuple) else (value,)


def _comparison_faults(each: Comparison, known: Mapping[str, Known]) -> Iterator[str]:
    about = known.get(each.name)
    if about is None:
        yield unknown_name(each.name, known)
        return
    if about.kind == "text" and each.operator in _MIRRORED and each.operator not in ("==", "!="):
        yield f"{each.name} is a text, which has no order: compare it with == or in"
        return
    for value in _values(each):
        if about.kind == "time" and isinstance(value, str):
            try:
                seconds_of(value)
            except ValueError:
                yield f"{each.name} is a time: expected ISO 8601, '2026-01-31', got {value!r}"
        elif (about.kind == "text") != isinstance(value, str):
            yield f"{each.name} is a {about.kind}, and {value!r} is none"


def _is_never(condition: Condition, known: Mapping[str, Known]) -> bool:
    """Whether no row at all can be in it.

    It is tried on each value that it names, on those between and beyond them, and on a text that it
    does not name: any row is as one of these.
    """
    named: dict[str, list[Plain]] = {}
    for each in comparisons(condition):
        named.setdefault(each.name, []).extend(_values(each))

    def in_seconds(name: str, value: Plain) -> Plain:
        return seconds_of(value) if known[name].kind == "time" else value

    condition = with_values(condition, in_seconds)
    trials = {
        name: _representatives([in_seconds(name, value) for value in values], known[name])
        for name, values in named.items()
    }
    count = 1
    for each_trials in trials.values():
        count *= len(each_trials)
    if count > _MOST_TRIALS:
        return False
    rows = itertools.product(*trials.values())
    return not any(holds(condition, dict(zip(trials, row, strict=True))) for row in rows)


def _representatives(values: list[Plain], about: Known) -> list[Plain]:
    texts = {value for value in values if isinstance(value, str)}
    if about.kind == "text":
        return [*texts, "".join(texts) + "?"]
    numbers = sorted({float(value) for value in values if not isinstance(value, str)})
    if about.kind == "whole number":
        near = {float(round(number)) + step for number in numbers for step in (-1, 0, 1)}
        tried: list[float] = sorted(near)
    else:
        middles = [(one + other) / 2 for one, other in itertools.pairwise(numbers)]
        tried = [numbers[0] - 1, *numbers, *middles, numbers[-1] + 1]
    ends = [end for end in (about.low, about.high) if end is not None]
    return [
        number
        for number in [*tried, *ends]
        if (about.low is None or number >= about.low)
        and (about.high is None or number <= about.high)
    ]


def _limits(condition: Condition, known: Mapping[str, Known]) -> str:
    names = dict.fromkeys(each.name for each in comparisons(condition))
    ranges = [
        f"{name} is {known[name].low:g} to {known[name].high:g}"
        for name in names
        if known[name].low is not None and known[name].high is not None
    ]
    return f": {', '.join(ranges)}" if ranges else ": its parts exclude each other"
