"""How ``tf.io.parse_example`` reads features, labels and weights of a ``tf.train.Example``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rnn_core.checks import check_count
from rnn_core.errors import ArgumentError
from rnn_core.types import FeatureColumn


def classifier_parse_example_spec(
    feature_columns: Iterable[FeatureColumn] | FeatureColumn,
    label_key: str,
    label_dtype: tf.DType = tf.int64,
    label_default: Any = None,
    weight_column: str | FeatureColumn | None = None,
) -> dict[str, Any]:
    """How to parse the examples of a classifier: the columns' features, the label, the weight.

    Args:
        feature_columns: all columns of the model, of sequences and of the context.
        label_key: name of the label in the example; [B, 1] when parsed.
        label_dtype: int64, or string for a ``label_vocabulary``; float32 for two classes.
        label_default: the label of an example without one; None: such an example is an error.
        weight_column: name of a feature, or a numeric column, that weighs examples.

    Returns:
        By name, what ``tf.io.parse_example`` takes.

    Raises:
        ArgumentError: the label or the weight is a feature too, or ``weight_column`` is no numeric
            column.
    """
    label = tf.io.FixedLenFeature((1,), label_dtype, label_default)
    return _with_label_and_weight(feature_columns, label_key, label, weight_column)


def regressor_parse_example_spec(
    feature_columns: Iterable[FeatureColumn] | FeatureColumn,
    label_key: str,
    label_dtype: tf.DType = tf.float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: str | FeatureColumn | None = None,
) -> dict[str, Any]:
    """As ``classifier_parse_example_spec`` for a ``RegressionHead``; the label is [B, W].

    Args:
        feature_columns: all columns of the model, of sequences and of the context.
        label_key: name of the label in the example.
        label_dtype: its type in the example.
        label_default: the label of an example without one; None: such an example is an error.
        label_dimension: W, the ``label_dimension`` of the head.
        weight_column: name of a feature, or a numeric column, that weighs examples.

    Returns:
        By name, what ``tf.io.parse_example`` takes.

    Raises:
        ArgumentError: as ``classifier_parse_example_spec``, or ``label_dimension`` is no positive
            whole number.
    """
    width = check_count(label_dimension, 1, "label_dimension")
    label = tf.io.FixedLenFeature((width,), label_dtype, label_default)
    return _with_label_and_weight(feature_columns, label_key, label, weight_column)


def _with_label_and_weight(
    columns: Iterable[FeatureColumn] | FeatureColumn,
    label_key: str,
    label: tf.io.FixedLenFeature,
    weight_column: str | FeatureColumn | None,
) -> dict[str, Any]:
    several = [columns] if hasattr(columns, "parse_example_spec") else list(columns)
    try:
        spec: dict[str, Any] = tf.feature_column.make_parse_example_spec(several)
    except (TypeError, ValueError, AttributeError) as error:
        raise ArgumentError(
            f"feature_columns: expected columns of tf.feature_column, got {several!r} ({error})."
        ) from None
    _add(spec, "label_key", {label_key: label})
    if weight_column is None:
        return spec
    numeric = tf.feature_column.numeric_column
    is_name = isinstance(weight_column, str)
    weight: FeatureColumn = numeric(weight_column) if is_name else weight_column
    # The class has no public name.
    if type(weight).__name__ != "NumericColumn":
        raise ArgumentError(
            f"weight_column: expected the name of a feature or a numeric_column, got {weight!r}."
        )
    _add(spec, "weight_column", weight.parse_example_spec)
    return spec


def _add(spec: dict[str, Any], argument: str, more: dict[str, Any]) -> None:
    twice = [name for name in more if name in spec]
    if twice:
        raise ArgumentError(
            f"{argument}: expected a name of its own, but {twice[0]!r} is the label or a feature, "
            f"too ({', '.join(sorted(spec))})."
        )
    spec.update(more)
