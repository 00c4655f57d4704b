"""The bytes that are written by hand are the message that the generated classes would write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from components.data.sequence_examples import encode

NAMES = st.text("abXY09_.-", min_size=1, max_size=6)
FLOAT32 = st.floats(width=32)
INT64 = st.integers(-(2**63), 2**63 - 1)
STRINGS = st.lists(st.binary(max_size=200), min_size=1, max_size=5)
INT_VECTORS = arrays.arrays(np.int64, st.integers(1, 5), elements=INT64)
FLOAT_STEP = arrays.arrays(np.float32, st.tuples(st.just(1), st.integers(1, 50)), elements=FLOAT32)
FLOAT_STEPS = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 50)), elements=FLOAT32
)


def feature(value: Any) -> tf.train.Feature:
    if isinstance(value, list):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
    if value.dtype == np.float32:
        return tf.train.Feature(float_list=tf.train.FloatList(value=value.ravel()))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=value))


def feature_list(value: Any) -> tf.train.FeatureList:
    steps = [[step] if isinstance(value, list) else np.atleast_1d(step) for step in value]
    return tf.train.FeatureList(feature=[feature(step) for step in steps])


@pytest.mark.slow
@given(
    st.dictionaries(NAMES, STRINGS | INT_VECTORS | FLOAT_STEP, max_size=4),
    st.dictionaries(NAMES, STRINGS | INT_VECTORS | FLOAT_STEPS, max_size=4),
)
def test_the_message_is_the_one_that_the_protocol_buffer_classes_make(
    context: dict[str, Any], sequence: dict[str, Any]
) -> None:
    expected = tf.train.SequenceExample(
        context=tf.train.Features(feature={name: feature(v) for name, v in context.items()}),
        feature_lists=tf.train.FeatureLists(
            feature_list={name: feature_list(v) for name, v in sequence.items()}
        ),
    )
    encoded = encode(context, sequence)
    # Compared as bytes, because a message that holds NaN is not equal to itself.
    assert canonical(tf.train.SequenceExample.FromString(encoded)) == canonical(expected)
    assert len(encoded) == expected.ByteSize()


@given(st.permutations(["a", "b", "b0", "c"]))
def test_the_order_in_which_the_features_are_given_changes_nothing(names: list[str]) -> None:
    values = {name: [name.encode()] for name in sorted(names)}
    shuffled = {name: values[name] for name in names}
    assert encode(shuffled, shuffled) == encode(values, values)


def canonical(message: tf.train.SequenceExample) -> bytes:
    return message.SerializeToString(deterministic=True)


def test_a_step_longer_than_one_byte_of_length_is_read_back() -> None:
    steps = np.arange(600, dtype=np.float32).reshape(2, 300)
    example = tf.train.SequenceExample.FromString(encode({}, {"x": steps}))
    read = [list(step.float_list.value) for step in example.feature_lists.feature_list["x"].feature]
    assert read == steps.tolist()
