"""Rows survive the way through Arrow, whatever is in them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter

from components.artifacts.schema import Schema
from components.data.arrow import (
    adapter_config,
    for_transform,
    rows_of,
    text_column,
    to_record_batch,
)
from components.data.row_parsing import Row, parse_row
from components.data.sequence_examples import encode_row
from components.training.example_parsing import parse_raw_examples
from tests.components.conftest import MIXED, MIXED_FORM, mixed_row

NUMBERS = st.lists(st.integers(), min_size=1, max_size=4)


def rows(numbers: list[int]) -> list[Row]:
    parsed = [parse_row(mixed_row(number), MIXED_FORM) for number in numbers]
    return [row for row in parsed if isinstance(row, Row)]


@given(NUMBERS)
def test_a_batch_gives_back_the_rows_it_was_made_of(numbers: list[int]) -> None:
    source = rows(numbers)
    found = rows_of(to_record_batch(source, MIXED), MIXED)
    assert len(found) == len(source)
    for row, same in zip(source, found, strict=True):
        assert (same.id, same.labels, same.steps) == (row.id, row.labels, row.steps)
        for name, value in row.values.items():
            np.testing.assert_array_equal(np.array(same.values[name]), np.array(value))


@pytest.mark.slow
@given(NUMBERS)
def test_tft_sees_the_same_tensors_as_the_parser_of_served_examples(numbers: list[int]) -> None:
    source = rows(numbers)
    batch = for_transform(
        to_record_batch(source, MIXED),
        np.zeros(len(source), np.int8),
        text_column([row.labels or () for row in source]),
        np.ones(len(source), bool),
        MIXED,
    )
    seen = TensorAdapter(adapter_config(MIXED)).ToBatchTensors(batch, produce_eager_tensors=True)
    serialized = [encode_row(row, MIXED) for row in source]
    served = parse_raw_examples(tf.constant(serialized), Schema(MIXED, (), {}))
    assert set(seen) == set(served)
    for name, value in served.items():
        pairs = zip(
            tf.nest.flatten(seen[name], expand_composites=True),
            tf.nest.flatten(value, expand_composites=True),
            strict=True,
        )
        for one, other in pairs:
            np.testing.assert_array_equal(one.numpy(), other.numpy())
