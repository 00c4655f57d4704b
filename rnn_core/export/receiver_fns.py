"""Functions that make a receiver: placeholders in the default graph, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.export.receivers import ServingInputReceiver, SupervisedInputReceiver
from rnn_core.types import TensorLike

FeatureSpec: TypeAlias = tf.io.FixedLenFeature | tf.io.VarLenFeature | tf.io.RaggedFeature
"""How ``tf.io.parse_example`` reads one feature; ``tf.io`` has some more."""
Placeholders: TypeAlias = TensorLike | tf.TypeSpec | Mapping[str, TensorLike | tf.TypeSpec]
"""What a request will feed: one input, or several by name."""
Receiver: TypeAlias = ServingInputReceiver | SupervisedInputReceiver
ReceiverFn: TypeAlias = Callable[[], Receiver]
"""Takes nothing; returns a receiver whose tensors are in the default graph."""


def build_parsing_serving_input_receiver_fn(
    feature_spec: Mapping[str, FeatureSpec], default_batch_size: int | None = None
) -> ReceiverFn:
    """A receiver of serialized ``tf.train.Example``, string [B], as the input ``examples``.

    Args:
        feature_spec: what to parse, by name, as for ``tf.io.parse_example``; see
            ``tf.feature_column.make_parse_example_spec``.
        default_batch_size: B; None for any.
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        # The name is that of 2.15, by which some clients feed the tensor.
        examples = tf.compat.v1.placeholder(
            tf.string, [default_batch_size], name="input_example_tensor"
        )
        features = tf.io.parse_example(examples, feature_spec)
        return ServingInputReceiver(features, {"examples": examples})

    return serving_input_receiver_fn


def build_raw_serving_input_receiver_fn(
    features: Mapping[str, TensorLike | tf.TypeSpec], default_batch_size: int | None = None
) -> ReceiverFn:
    """A receiver that takes each feature as an input of its own.

    Args:
        features: by name a tensor (dense, sparse or ragged), or its ``tf.TypeSpec``; only the kind,
            the dtype and the shape are read. The first dimension is that of the batch; of sparse
            and ragged tensors the steps, too, may be any number.
        default_batch_size: B; None for any.
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        placeholders = _placeholders(features, default_batch_size)
        return ServingInputReceiver(placeholders, placeholders)

    return serving_input_receiver_fn


def build_raw_supervised_input_receiver_fn(
    features: Placeholders, labels: Placeholders, default_batch_size: int | None = None
) -> ReceiverFn:
    """A receiver for ``ModeKeys.EVAL`` and ``TRAIN``: features and labels as inputs of their own.

    Args:
        features: a tensor or a dict, as for ``build_raw_serving_input_receiver_fn``; one that is
            given alone is the input ``input``.
        labels: the same; one that is given alone is the input ``label``.
        default_batch_size: B; None for any.

    Raises:
        ArgumentError: a feature and a label have one name.
    """
    feature_names = set(features) if isinstance(features, Mapping) else {"input"}
    label_names = set(labels) if isinstance(labels, Mapping) else {"label"}
    if common := sorted(feature_names & label_names):
        raise ArgumentError(
            f"Features and labels need distinct names; both have {', '.join(common)}."
        )

    def supervised_input_receiver_fn() -> SupervisedInputReceiver:
        x = _placeholders(features, default_batch_size, "input")
        y = _placeholders(labels, default_batch_size, "label")
        return SupervisedInputReceiver(
            x if isinstance(features, Mapping) else x["input"],
            y if isinstance(labels, Mapping) else y["label"],
            {**x, **y},
        )

    return supervised_input_receiver_fn


def _placeholders(
    values: Placeholders, batch: int | None, only: str = "input"
) -> dict[str, TensorLike]:
    named = values if isinstance(values, Mapping) else {only: values}
    return {name: _placeholder(value, batch) for name, value in named.items()}


def _placeholder(value: TensorLike | tf.TypeSpec, batch: int | None) -> TensorLike:
    spec = value if isinstance(value, tf.TypeSpec) else tf.type_spec_from_value(value)
    if isinstance(spec, tf.RaggedTensorSpec):
        inner = spec.shape[spec.ragged_rank + 1 :]
        return tf.compat.v1.ragged.placeholder(spec.dtype, spec.ragged_rank, inner)
    if isinstance(spec, tf.SparseTensorSpec):
        any_size = [None] * (spec.shape.rank - 1)
        return tf.compat.v1.sparse_placeholder(spec.dtype, [batch, *any_size])
    return tf.compat.v1.placeholder(spec.dtype, [batch, *spec.shape[1:]])
