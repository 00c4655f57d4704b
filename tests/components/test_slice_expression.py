"""Expressions of slices: what they hold for, what is refused, and that nothing of them runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.slice_expression import (
    LONGEST,
    Comparison,
    Junction,
    Known,
    Negation,
    faults,
    holds,
    parse,
    seconds_of,
)

KNOWN = {
    "customer": Known("text"),
    "age": Known("number"),
    "kind": Known("whole number", 0, 3),
    "length": Known("whole number", 1, 1000),
    "time": Known("time"),
}


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ('customer == "A" and length > 100', {"customer": "A", "length": 101}, True),
        ('customer == "A" and length > 100', {"customer": "A", "length": 100}, False),
        ('customer == "A" or length > 100', {"customer": "B", "length": 101}, True),
        ('not customer in ["A", "B"]', {"customer": "C"}, True),
        ('customer not in ("A", "B")', {"customer": "A"}, False),
        ("50 <= length < 100", {"length": 50}, True),
        ("50 <= length < 100", {"length": 100}, False),
        ("100 > length", {"length": 99}, True),
        ("age >= -1.5", {"age": -1.5}, True),
        ("kind != 2", {"kind": 2}, False),
    ],
)
def test_it_holds_for_the_rows_that_it_says(
    text: str, row: dict[str, str | int | float], expected: bool
) -> None:
    assert faults(parse(text), KNOWN) == []
    assert holds(parse(text), row) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("customer ==", "does not parse"),
        ("", "does not parse"),
        ("length > 1; length", "does not parse"),
        ("customer", "is no comparison"),
        ("length + 1 > 2", "is no name"),
        ("length > age", "is no text and no number"),
        ("length > True", "is no text and no number"),
        ("length > [1]", "is no text and no number"),
        ("customer in 'AB'", "needs a list"),
        ("customer in []", "needs a list"),
        ("customer is 'A'", "write == or !="),
        ("customer.upper() == 'A'", "is no name"),
        ("__import__('os').system('true')", "is no comparison"),
        ("[x for x in (1, 2)]", "is no comparison"),
        ("(lambda: 1)() == 1", "is no name"),
        ("f'{length}' == '1'", "is no name"),
        ("(length := 3) > 2", "is no name"),
        ("not " * 200 + "length", "is no comparison"),
        ("(" * 400 + "length" + ")" * 400, "does not parse"),
        ("length > 1 and " * 100 + "length > 1", f"at most {LONGEST:,} characters"),
        ("length > 1\0", "does not parse"),
    ],
)
def test_anything_but_comparisons_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("customr == 'A'", "'customr' is no single value of a row; known are customer, age"),
        ("customer > 'A'", "has no order"),
        ("customer == 3", "customer is a text, and 3 is none"),
        ("age == '3'", "age is a number, and '3' is none"),
        ("time < '31.12.2025'", "expected ISO 8601"),
        ("length > 3 and length < 2", "no row can be in this slice"),
        ("customer == 'A' and customer == 'B'", "its parts exclude each other"),
        ("length > 1000", "length is 1 to 1000"),
        ("kind == 4", "kind is 0 to 3"),
        ("kind > 1 and not kind > 0.5", "no row can be in this slice"),
    ],
)
def test_what_cannot_be_of_these_rows_is_a_fault(text: str, says: str) -> None:
    (fault,) = faults(parse(text), KNOWN)
    assert says in fault


def test_all_faults_come_at_once() -> None:
    assert len(faults(parse("customr == 'A' and age == 'x' or customer < 'B'"), KNOWN)) == 3


def test_a_time_is_iso_8601_or_seconds_and_utc_without_a_zone() -> None:
    assert seconds_of("1970-01-02") == seconds_of("1970-01-02T01:00+01:00") == 86_400
    assert faults(parse("time >= '2026-01-31T12:00' and time < 1800000000"), KNOWN) == []


NAMES = st.sampled_from(["kind", "length"])
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
COMPARISONS = st.builds(Comparison, NAMES, OPERATORS, st.integers(-1, 5))
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda parts: st.one_of(
        st.builds(Negation, parts),
        st.builds(Junction, st.sampled_from(["and", "or"]), st.tuples(parts, parts)),
    ),
    max_leaves=5,
)


def as_text(condition: object) -> str:
    if isinstance(condition, Comparison):
        return f"({condition.name} {condition.operator} {condition.value})"
    if isinstance(condition, Negation):
        return f"(not {as_text(condition.part)})"
    assert isinstance(condition, Junction)
    return "(" + f" {condition.word} ".join(map(as_text, condition.parts)) + ")"


@given(CONDITIONS, st.integers(0, 3), st.integers(1, 8))
def test_it_says_of_a_row_what_python_would(condition: object, kind: int, length: int) -> None:
    text = as_text(condition)
    row = {"kind": kind, "length": length}
    assert holds(parse(text), row) is eval(text, {}, dict(row))


@given(CONDITIONS)
def test_a_slice_is_refused_as_empty_if_and_only_if_no_row_can_be_in_it(condition: object) -> None:
    parsed = parse(as_text(condition))
    known = {"kind": Known("whole number", 0, 3), "length": Known("whole number", 1, 8)}
    some = any(
        holds(parsed, {"kind": kind, "length": length})
        for kind in range(4)
        for length in range(1, 9)
    )
    assert bool(faults(parsed, known)) is not some
