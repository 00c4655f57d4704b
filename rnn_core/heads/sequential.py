"""A label for each step: the head of single examples, put on the real steps of all sequences.

The real steps of a batch are laid out one after another, N of them, and the wrapped head reads
them as a batch of N examples: losses are divided by N, metrics count steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from rnn_core.column_state import get_feature
from rnn_core.errors import ArgumentError, LabelError, MissingFeatureError
from rnn_core.export_outputs import ExportOutput
from rnn_core.heads.base import Head, Losses
from rnn_core.heads.steps import flat_steps
from rnn_core.sequence_mask import fit_mask, given_mask
from rnn_core.types import Features, Predictions


class SequentialHeadWrapper:
    """Logits [B, T, L] and labels [B, T] or [B, T, 1], dense, sparse or ragged.

    Args:
        static_head: what each step means.
        sequence_length_mask: name of the mask in the features and in the predictions.
        feature_columns: the name or names of features that the head reads for each step, such as
            its weights.

    Raises:
        ArgumentError: one of them is of the wrong kind.
    """

    def __init__(
        self,
        static_head: Head,
        sequence_length_mask: str = "sequence_length_mask",
        feature_columns: str | Iterable[str] | None = None,
    ) -> None:
        if not isinstance(sequence_length_mask, str):
            raise ArgumentError(
                f"sequence_length_mask: expected a string, got {sequence_length_mask!r}."
            )
        if isinstance(static_head, SequentialHeadWrapper):
            raise ArgumentError("static_head: expected a head of single examples, got a wrapper.")
        self.static_head = static_head
        self.input_sequence_mask_key = sequence_length_mask
        self._feature_columns = _names(feature_columns)

    @property
    def logits_dimension(self) -> int:
        """L."""
        return self.static_head.logits_dimension

    @property
    def loss_reduction(self) -> Any:
        """The wrapped head's."""
        return getattr(self.static_head, "loss_reduction", None)

    @property
    def name(self) -> str | None:
        """The wrapped head's with ``_sequential``."""
        name = getattr(self.static_head, "name", None)
        return f"{name}_sequential" if name else None

    def flatten(
        self, features: Features, labels: Any, logits: tf.Tensor, mask: tf.Tensor
    ) -> tuple[Features, Any, tf.Tensor]:
        """What the wrapped head reads: features, labels [N, 1] and logits [N, L] of real steps.

        Args:
            features: the input.
            labels: [B, T] or [B, T, 1].
            logits: float32 [B, T, L].
            mask: bool [B, T].

        Raises:
            LabelError: labels or weights have another rank or number than the mask.
            MissingFeatureError: one of ``feature_columns`` is not in the input.
        """
        if labels is None or isinstance(labels, Mapping):
            raise LabelError(
                f"Expected a tensor of labels [B, T], got {type(labels).__name__}: input_fn must "
                "return (features, labels)."
            )
        flat = {
            name: flat_steps(get_feature(features, name), mask, f"Feature {name!r}")
            for name in self._feature_columns
        }
        return flat, flat_steps(labels, mask, "Labels"), tf.boolean_mask(logits, mask)

    def losses(self, features: Features, labels: Any, logits: tf.Tensor) -> Losses:
        """The losses of the real steps; the mask must be among the features.

        Raises:
            MissingFeatureError: the mask is not.
            LabelError: as ``flatten``.
        """
        key = self.input_sequence_mask_key
        mask = given_mask(features, key)
        if mask is None:
            raise MissingFeatureError(
                f"Expected the sequence mask {key!r} among the features, got: "
                f"{', '.join(sorted(features))}."
            )
        read = self.flatten(features, labels, logits, fit_mask(mask, logits, key))
        return self.static_head.losses(*read)

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """Of each step, [B, T, ...]; what is the same for all steps (``all_*``) is [B, K]."""
        rows = tf.shape(logits)[:2]
        flat = self.static_head.predictions(tf.reshape(logits, [-1, self.logits_dimension]))
        split = {name: _split(value, rows) for name, value in flat.items()}
        return {k: v[:, 0] if k.startswith("all_") else v for k, v in split.items()}

    def masked_predictions(self, logits: tf.Tensor, mask: tf.Tensor) -> Predictions:
        """``predictions`` with the mask [B, T] under its name."""
        return {**self.predictions(logits), self.input_sequence_mask_key: mask}

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """The wrapped head's signatures, which do not have the mask (nor had 2.15's)."""
        key = self.input_sequence_mask_key
        return self.static_head.export_outputs({k: v for k, v in predictions.items() if k != key})

    def sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums; ``logits`` are those of the real steps, as ``flatten`` gives them."""
        return self.static_head.sums(losses, logits)

    def metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The wrapped head's metrics."""
        return self.static_head.metrics(sums)


def _names(feature_columns: Any) -> tuple[str, ...]:
    names = [feature_columns] if isinstance(feature_columns, str) else feature_columns or []
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in list(names)):
        raise ArgumentError(
            f"feature_columns: expected the name of a feature or names, got {feature_columns!r}; "
            "with return_sequences=True, weight_column must be None or a string."
        )
    return tuple(names)


def _split(values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """[B * T, ...] as [B, T, ...]."""
    split = tf.reshape(values, tf.concat([rows, tf.shape(values)[1:]], 0))
    return tf.ensure_shape(split, [None, None, *values.shape[1:]])
