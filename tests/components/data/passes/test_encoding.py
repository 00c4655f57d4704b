"""The bytes of a batch are those that are written row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from components.data.passes.encoding import encode_batch
from components.data.row_parsing import Value
from components.data.sequence_examples import beside_features, encode
from components.features.kind import ValueType

WIDTH = 3
FLOATS = st.floats(width=32, allow_nan=False)
INT64 = st.integers(-(2**63), 2**63 - 1)
KINDS = {
    "numbers": ValueType("float32", (WIDTH,)),
    "ids": ValueType("int64"),
    "words": ValueType("string"),
}
ARROW = {"float32": pa.float32(), "int64": pa.int64(), "string": pa.large_binary()}


def values(kind: ValueType, steps: int) -> st.SearchStrategy[Value]:
    if kind.dtype == "string":
        return st.lists(st.binary(max_size=200), min_size=steps, max_size=steps)
    if kind.dtype == "int64":
        return arrays.arrays(np.int64, steps, elements=INT64)
    return arrays.arrays(np.float32, (steps, WIDTH), elements=FLOATS)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Value]:
    """The values of one row: of a sequence at one to four steps, of the context at one."""
    steps = draw(st.integers(1, 4))
    once = {f"one {name}": draw(values(kind, 1)) for name, kind in KINDS.items()}
    return once | {f"{name} by step": draw(values(kind, steps)) for name, kind in KINDS.items()}


def column(values: list[Value], kind: ValueType) -> pa.LargeListArray:
    flat = [each if isinstance(each, list) else each.ravel().tolist() for each in values]
    return pa.array(flat, pa.large_list(ARROW[kind.dtype]))


@given(st.lists(rows(), min_size=1, max_size=4), st.booleans())
def test_the_bytes_are_those_of_each_row_by_itself(
    drawn: list[dict[str, Any]], with_time: bool
) -> None:
    context = {f"one {name}": kind for name, kind in KINDS.items()}
    sequence = {f"{name} by step": kind for name, kind in KINDS.items()}
    batch = pa.RecordBatch.from_pydict(
        {
            name: column([row[name] for row in drawn], kind)
            for name, kind in {**context, **sequence}.items()
        }
    )
    beside = [
        beside_features(f"row {at}", ("a", "b")[: at % 3], 12.5 if with_time else None)
        for at in range(len(drawn))
    ]
    assert list(encode_batch(batch, context, sequence, beside)) == [
        encode({**other, **{name: row[name] for name in context}},
               {name: row[name] for name in sequence})
        for row, other in zip(drawn, beside, strict=True)
    ]  # fmt: skip
