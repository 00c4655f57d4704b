"""The graph that is exported: raw values in, labels and probabilities out.

It holds the transform graph of the training examples, so that a request passes through what the
training data passed through. Stock TensorFlow operations only.

Shapes: B rows, T steps of the longest row, F numbers per step, K labels.

Signature ``serving_default``
    ``examples``      string [B]: raw rows as serialized ``tf.train.SequenceExample``s

Signature ``raw``
    ``lengths``       int64 [B]: steps of each row, from 1 to T; what lies behind is not read
    numeric sequence  float32 [B, T, F], padded to T steps with any values
    token sequence    string [B, T]
    id sequence       int64 [B, T]
    numeric context   float32 [B, F]
    categorical       string [B]
    id context        int64 [B]
    A name has letters, digits and ``_``: see ``saved_model.argument_name`` for other features.

Function ``rows``, for callers in Python: a dictionary from the names of the features to tensors in
the form of ``example_parsing``, whose sequences are ragged.

All answer with ``probabilities`` float32 [B, K], ``classes`` string [B] (the most probable label),
``class_ids`` int64 [B] (its index), and ``logits`` float32 [B, K], or [B, 1] for two labels. Where
each step has a label, all of them have a second axis of T steps, and ``lengths`` int64 [B] says how
many are real: see ``components.labels``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from components.artifacts.schema import Schema
from components.artifacts.values import Threshold
from components.export.saved_model import argument_name
from components.features.config import FeaturesConfig
from components.labels.table import KINDS
from components.training.answers import class_ids
from components.training.example_parsing import parse_raw_examples
from components.training.temperature import at_temperature

LENGTHS = "lengths"


class Served(tf.Module):
    """Raw features -> transform -> predictor, as functions that ``tf.saved_model.save`` takes.

    Args:
        schema: the features and the labels.
        transform: raw features to transformed ones, both in the forms of ``example_parsing``.
        predictor: transformed features to the predictions of the estimator.
        temperature: of its probabilities: see ``components.training.temperature``.
        threshold: from which probability on a label is answered.
    """

    def __init__(
        self,
        schema: Schema,
        transform: Callable[[dict[str, Any]], dict[str, Any]],
        predictor: Callable[[dict[str, Any]], dict[str, tf.Tensor]],
        temperature: float = 1.0,
        threshold: Threshold | None = None,
    ) -> None:
        super().__init__(name="served")
        specs = raw_specs(schema.features)
        self._schema = schema
        # Attributes, so that their variables and vocabularies are saved.
        self._transform = transform
        self._predictor = predictor
        self._temperature, self._threshold = temperature, threshold
        # There is no `if` or `for` on a tensor in here. AutoGraph would rewrite the source of every
        # function below in search of one, which takes three times as long as all the rest.
        as_written = partial(tf.function, autograph=False)
        self.examples = as_written(
            self._answer_examples, input_signature=[tf.TensorSpec([None], tf.string, "examples")]
        )
        self.rows = as_written(self._answer, input_signature=[row_specs(schema.features)])
        self.raw = as_written(self._answer_raw).get_concrete_function(**specs)
        self.labels = as_written(lambda: tf.constant(schema.labels), input_signature=[])

    @property
    def signatures(self) -> dict[str, Any]:
        """What ``tf.saved_model.save`` takes as ``signatures``."""
        return {"serving_default": self.examples.get_concrete_function(), "raw": self.raw}

    def _answer_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(parse_raw_examples(examples, self._schema))

    def _answer_raw(self, **tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        features = self._schema.features
        lengths = tensors[LENGTHS]
        raw: dict[str, Any] = {}
        # This signature is for clients that can only send dense arrays. The transform takes ragged
        # ones: it must not see the padding.
        for name in features.sequence:
            padded = tensors[argument_name(name)]
            raw[name] = tf.RaggedTensor.from_tensor(padded, lengths, row_splits_dtype=tf.int64)
        for name, feature in features.context.items():
            value = tensors[argument_name(name)]
            raw[name] = value if feature.raw.step_shape else tf.expand_dims(value, 1)
        return self._answer(raw)

    def _answer(self, raw: dict[str, Any]) -> dict[str, tf.Tensor]:
        found = self._predictor(self._transform(raw))
        probabilities = at_temperature(found["probabilities"], self._temperature)
        labels = self._schema.labels
        # The last axis of one is that of the predictor's own.
        ids = class_ids(probabilities, labels, self._threshold)[..., tf.newaxis]
        answered = {
            **found,
            "probabilities": probabilities,
            "logits": found["logits"] / self._temperature,
            "class_ids": ids,
            "classes": tf.gather(tf.constant(labels), ids),
        }
        return KINDS[self._schema.label].served(answered)


def row_specs(features: FeaturesConfig) -> dict[str, tf.TypeSpec]:
    """The input of the function ``rows``: raw features in the form of ``example_parsing``."""
    specs: dict[str, tf.TypeSpec] = {}
    for name, feature in features.sequence.items():
        shape, dtype = [None, None, *feature.raw.step_shape], tf.as_dtype(feature.raw.dtype)
        specs[name] = tf.RaggedTensorSpec(shape, dtype, ragged_rank=1, row_splits_dtype=tf.int64)
    for name, feature in features.context.items():
        dtype = tf.as_dtype(feature.raw.dtype)
        specs[name] = tf.TensorSpec([None, feature.raw.values_per_step], dtype, argument_name(name))
    return specs


def raw_specs(features: FeaturesConfig) -> dict[str, tf.TensorSpec]:
    """The inputs of the signature ``raw`` by name; ``FeaturesConfig`` keeps them distinct."""
    inputs = [
        *((name, feature.raw, [None, None]) for name, feature in features.sequence.items()),
        *((name, feature.raw, [None]) for name, feature in features.context.items()),
    ]
    specs = [
        tf.TensorSpec([*outer, *raw.step_shape], tf.as_dtype(raw.dtype), argument_name(name))
        for name, raw, outer in inputs
    ]
    lengths = tf.TensorSpec([None], tf.int64, LENGTHS)
    return {spec.name: spec for spec in [*specs, lengths]}
