"""Raw and transformed examples are read back as they were encoded."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artifacts.schema import Schema
from components.data.row_parsing import Row, parse_row
from components.data.sequence_examples import encode, encode_row
from components.training.example_parsing import parse_key, parse_raw_examples, raw_feature_spec
from tests.components.conftest import MIXED, MIXED_FORM, mixed_row

SCHEMA = Schema(MIXED, ("no", "yes"), {})


def row(number: int) -> Row:
    parsed = parse_row(mixed_row(number), MIXED_FORM)
    assert isinstance(parsed, Row)
    return parsed


def encoded(rows: list[Row]) -> tf.Tensor:
    return tf.constant([encode_row(row, MIXED) for row in rows])


@settings(max_examples=20)
@given(st.lists(st.integers(), min_size=1, max_size=4))
def test_raw_values_come_back_row_by_row(numbers: list[int]) -> None:
    rows = [row(number) for number in numbers]
    parsed = parse_raw_examples(encoded(rows), SCHEMA)
    assert set(parsed) == {*MIXED.sequence, *MIXED.context}
    for index, one in enumerate(rows):
        for name, value in one.values.items():
            found = parsed[name][index].numpy()
            # Of the context the parser gives the one step alone, [F].
            expected = np.ravel(value) if name in MIXED.context else np.array(value)
            np.testing.assert_array_equal(found, expected)


def test_neither_the_id_nor_the_label_is_needed_in_a_request() -> None:
    context, sequence = raw_feature_spec(SCHEMA)
    assert not {"id", "label"} & {*context, *sequence}
    values = row(1).values
    request = encode(
        {name: values[name] for name in MIXED.context},
        {name: values[name] for name in MIXED.sequence},
    )
    parsed = parse_raw_examples(tf.constant([request]), SCHEMA)
    assert parsed["motion"].shape.as_list() == [1, None, 3]


def test_parsing_works_inside_a_graph_of_any_batch_size() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def steps(serialized: tf.Tensor) -> tf.Tensor:
        return parse_raw_examples(serialized, SCHEMA)["event"].row_lengths()

    rows = [row(number) for number in range(5)]
    assert steps(encoded(rows)).numpy().tolist() == [one.steps for one in rows]


def test_ids_and_labels_are_read_alone() -> None:
    rows = [row(3), row(4)]
    assert parse_key(encoded(rows), "id").to_list() == [[b"row-3"], [b"row-4"]]
    assert parse_key(encoded(rows), "label").to_list() == [[b"no"], [b"yes"]]
