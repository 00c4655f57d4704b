"""The features, the label and the weight of an example."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from rnn_core import ArgumentError, classifier_parse_example_spec, regressor_parse_example_spec

column = tf.feature_column
TOKENS = column.sequence_categorical_column_with_vocabulary_list("tokens", ["a", "b"])
SEQUENCES = [column.embedding_column(TOKENS, 2), column.sequence_numeric_column("x")]
CONTEXT = [column.numeric_column("age", shape=(2,))]
FEATURES = {
    "tokens": tf.io.VarLenFeature(tf.string),
    "x": tf.io.VarLenFeature(tf.float32),
    "age": tf.io.FixedLenFeature((2,), tf.float32),
}


def test_a_classifier_has_one_whole_number_as_its_label() -> None:
    spec = classifier_parse_example_spec([*SEQUENCES, *CONTEXT], "label")
    assert spec == {**FEATURES, "label": tf.io.FixedLenFeature((1,), tf.int64)}


def test_the_label_has_a_type_and_a_default_and_there_is_a_weight() -> None:
    spec = classifier_parse_example_spec(
        [*SEQUENCES, *CONTEXT], "label", tf.string, "none", weight_column="weight"
    )
    assert spec == {
        **FEATURES,
        "label": tf.io.FixedLenFeature((1,), tf.string, "none"),
        "weight": tf.io.FixedLenFeature((1,), tf.float32),
    }


def test_a_regressor_has_as_many_numbers_as_its_head() -> None:
    weight = column.numeric_column("weight", dtype=tf.int64)
    spec = regressor_parse_example_spec(CONTEXT, "y", label_dimension=3, weight_column=weight)
    assert spec == {
        "age": FEATURES["age"],
        "y": tf.io.FixedLenFeature((3,), tf.float32),
        "weight": tf.io.FixedLenFeature((1,), tf.int64),
    }


def test_one_column_needs_no_list() -> None:
    assert set(classifier_parse_example_spec(CONTEXT[0], "label")) == {"age", "label"}


def test_examples_are_parsed() -> None:
    example = tf.train.Example()
    features = example.features.feature
    features["tokens"].bytes_list.value.extend([b"a", b"b"])
    features["weight"].float_list.value.append(0.5)
    spec = classifier_parse_example_spec(
        SEQUENCES, "label", label_default=1, weight_column="weight"
    )
    parsed = tf.io.parse_example([example.SerializeToString()], spec)
    assert parsed["label"].numpy().tolist() == [[1]]
    assert parsed["weight"].numpy().tolist() == [[0.5]]
    assert parsed["tokens"].values.numpy().tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label_key": "x"}, "label_key: expected a name of its own, but 'x'"),
        ({"weight_column": "x"}, "weight_column: expected a name of its own"),
        ({"weight_column": "label"}, "weight_column: expected a name of its own"),
        ({"weight_column": SEQUENCES[1]}, "weight_column: expected the name of a feature"),
        ({"feature_columns": ["x"]}, "feature_columns: expected columns"),
    ],
)
def test_what_cannot_be_parsed_is_named(given: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"feature_columns": SEQUENCES, "label_key": "label", **given}
    with pytest.raises(ArgumentError, match=message):
        classifier_parse_example_spec(**arguments)
