"""A label for each step: the head of single examples, put on the real steps of all sequences.

The real steps of a batch are laid out one after another, N of them, and the wrapped head reads
them as a batch of N examples: losses are divided by N, metrics count steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tensorflow as tf

from rnn_core.errors import ArgumentError, LabelError, MissingFeatureError
from rnn_core.features.column_state import get_feature
from rnn_core.features.sequence_mask import fit_mask, given_mask
from rnn_core.graph.runtime_checks import checked
from rnn_core.heads.base import Head, Losses
from rnn_core.heads.export_outputs import ExportOutput
from rnn_core.types import Features, Labels, Predictions, TensorLike


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
        """L: the number of logits of a step."""
        return self.static_head.logits_dimension

    @property
    def loss_reduction(self) -> str | None:
        """The reduction of the wrapped head."""
        return getattr(self.static_head, "loss_reduction", None)

    @property
    def name(self) -> str | None:
        """The name of the wrapped head with ``_sequential`` after it."""
        name = getattr(self.static_head, "name", None)
        return f"{name}_sequential" if name else None

    def flatten(
        self, features: Features, labels: Labels, logits: tf.Tensor, mask: tf.Tensor
    ) -> tuple[Features, Labels, tf.Tensor]:
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

    def losses(self, features: Features, labels: Labels, logits: tf.Tensor) -> Losses:
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
        # Padded steps are predicted too: the mask beside says which are real.
        rows = tf.shape(logits)[:2]
        predictions = {}
        flat = self.static_head.predictions(tf.reshape(logits, [-1, self.logits_dimension]))
        for name, value in flat.items():
            # [B * T, ...] as [B, T, ...]; the reshape alone would lose the static shape.
            split = tf.reshape(value, tf.concat([rows, tf.shape(value)[1:]], 0))
            split = tf.ensure_shape(split, [None, None, *value.shape[1:]])
            predictions[name] = split[:, 0] if name.startswith("all_") else split
        return predictions

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


def _names(feature_columns: str | Iterable[str] | None) -> tuple[str, ...]:
    names = [feature_columns] if isinstance(feature_columns, str) else feature_columns or []
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in list(names)):
        raise ArgumentError(
            f"feature_columns: expected the name of a feature or names, got {feature_columns!r}; "
            "with return_sequences=True, weight_column must be None or a string."
        )
    return tuple(names)


def flat_steps(values: TensorLike, mask: tf.Tensor, what: str) -> tf.Tensor:
    """Values of the real steps: [N, 1], or [N, ...] where each step has several.

    Args:
        values: dense, sparse or ragged [B, T] or [B, T, ...]; dense ones may have more steps than
            the mask, sparse and ragged ones hold the real steps only.
        mask: bool [B, T], N of them true.
        what: names the values in an error.

    Raises:
        LabelError: they have another rank, or their rows another number of steps than the mask.
    """
    if not isinstance(values, (tf.RaggedTensor, tf.SparseTensor)):
        values = tf.convert_to_tensor(values)
    rank = values.shape.rank
    if rank is not None and rank < 2:
        raise LabelError(
            f"{what}: expected one for each step, [B, T] or [B, T, 1], got the shape "
            f"{values.shape}. One for each sequence needs return_sequences=False."
        )
    flat = (
        _flat_dense(values, mask, what)
        if isinstance(values, tf.Tensor)
        else _flat_listed(values, mask, what)
    )
    return flat[:, tf.newaxis] if rank == 2 else flat


def _flat_dense(values: tf.Tensor, mask: tf.Tensor, what: str) -> tf.Tensor:
    # Values may be padded to more or fewer steps than the mask, such as to the bound of a bucket:
    # enough is one for each real step of the longest row.
    shape, wanted = tf.shape(values), tf.shape(mask)
    real_steps = tf.reduce_max(tf.where(mask, tf.range(1, wanted[1] + 1), 0))
    fits = tf.equal(shape[0], wanted[0]) & (shape[1] >= real_steps)
    sizes = tf.concat([shape[:2], wanted], 0)
    message = f"{what}: expected the steps of the sequences; got B, T and those of the sequences"
    known = checked(values, fits, LabelError, message, sizes)
    time = tf.minimum(shape[1], wanted[1])
    return tf.gather_nd(known, tf.where(mask[:, :time]))


def _flat_listed(
    values: tf.SparseTensor | tf.RaggedTensor, mask: tf.Tensor, what: str
) -> tf.Tensor:
    # Sparse and ragged values hold the real steps only, so that they are flat already; but each row
    # must have as many as the mask, or labels would be compared with the logits of other steps.
    lengths, flat = _listed(values)
    wanted = tf.reduce_sum(tf.cast(mask, tf.int64), 1)
    rows = tf.minimum(tf.minimum(tf.size(lengths), tf.size(wanted)), 5)
    return checked(
        flat,
        tf.reduce_all(tf.raw_ops.Equal(x=lengths, y=wanted, incompatible_shape_error=False)),
        LabelError,
        f"{what}: expected one for each real step; got, row by row, steps and real steps",
        tf.stack([lengths[:rows], wanted[:rows]], 1),
    )


def _listed(values: tf.SparseTensor | tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    """int64 [B] lengths of the rows, and the values of all steps, in order."""
    if isinstance(values, tf.RaggedTensor):
        inner = values.values
        dense = inner.to_tensor() if isinstance(inner, tf.RaggedTensor) else inner
        return tf.cast(values.row_lengths(), tf.int64), dense
    # The order of a sparse tensor's entries is not defined; row by row it is that of the mask.
    ordered = tf.sparse.reorder(values)
    rows = tf.cast(values.dense_shape[0], tf.int32)
    inner = values.shape[2:].num_elements() or 1
    counts = tf.math.bincount(
        tf.cast(ordered.indices[:, 0], tf.int32), minlength=rows, maxlength=rows, dtype=tf.int64
    )
    return counts // inner, tf.reshape(ordered.values, [-1, *values.shape[2:]])
