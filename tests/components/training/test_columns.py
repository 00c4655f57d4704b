"""Each kind of feature becomes the column that reads it."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from components.artifacts.schema import Schema, load_schema
from components.features.config import FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature
from components.training.datasets import read_batches
from components.training.estimator import feature_columns
from tests.components.conftest import Prepared


def _schema(
    sequence: dict[str, Any], context: dict[str, Any] | None = None, **sizes: int
) -> Schema:
    return Schema(FeaturesConfig(sequence, context or {}), ("no", "yes"), sizes)


def _sequence_column(feature: Any, **sizes: int) -> Any:
    ((column,), context) = feature_columns(_schema({"x": feature}, None, **sizes))
    assert context == []
    return column


def _context_column(feature: Any, **sizes: int) -> Any:
    plain = {"x": NumericFeature(kind="numeric")}
    (_, (column,)) = feature_columns(_schema(plain, {"y": feature}, **sizes))
    return column


def test_numbers_keep_their_width() -> None:
    column = _sequence_column(NumericFeature(kind="numeric", width=3))
    assert (column.key, column.shape) == ("x", (3,))
    context = _context_column(NumericFeature(kind="numeric", width=2))
    assert (context.key, context.shape) == ("y", (2,))


@pytest.mark.parametrize("is_sequence", [True, False], ids=["sequence", "context"])
def test_strings_are_one_hot_over_their_vocabulary_with_its_buckets(is_sequence: bool) -> None:
    kind: Any = "token" if is_sequence else "categorical"
    feature = VocabularyFeature(kind=kind, oov_buckets=2)
    column = _sequence_column(feature, x=11) if is_sequence else _context_column(feature, y=11)
    assert column.variable_shape.as_list()[-1] == 11


@pytest.mark.parametrize("is_sequence", [True, False], ids=["sequence", "context"])
def test_ids_are_embedded_if_a_dimension_is_given(is_sequence: bool) -> None:
    feature = IdFeature(kind="id", size=40, embedding_dimension=5)
    column = _sequence_column(feature, x=40) if is_sequence else _context_column(feature, y=40)
    assert column.variable_shape.as_list() == [5]
    assert column.categorical_column.num_buckets == 40


def test_columns_come_in_the_order_of_their_names() -> None:
    names = ["b", "a", "c.1"]
    plain = dict.fromkeys(names, NumericFeature(kind="numeric"))
    sequence, _ = feature_columns(_schema(plain))
    assert [column.key for column in sequence] == ["a", "b", "c.1"]


def test_the_columns_fit_what_the_batches_hold(mixed: Prepared) -> None:
    sequence, context = feature_columns(load_schema(mixed.path))
    batch, _ = next(iter(read_batches(mixed.examples, "train", 200)))
    named = {column.name.removesuffix("_indicator"): column for column in [*sequence, *context]}
    assert set(named) == set(batch)
    for name, column in named.items():
        values = batch[name]
        flat = values.flat_values if isinstance(values, tf.RaggedTensor) else values
        if flat.dtype == tf.float32:
            assert flat.shape[-1] == column.shape[0]
        else:
            assert int(tf.reduce_min(flat)) >= 0
            assert int(tf.reduce_max(flat)) < column.variable_shape.as_list()[-1]
