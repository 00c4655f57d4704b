"""Labels as a head reads them: dense columns, and strings of a vocabulary turned into ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from rnn_core.errors import ArgumentError, LabelError
from rnn_core.graph.runtime_checks import checked
from rnn_core.types import Labels


class Vocabulary:
    """Label strings, in the order of their class ids; looked up on both sides.

    Raises:
        ArgumentError: there are not ``classes`` of them, or two are equal.
    """

    def __init__(self, words: Sequence[str], classes: int) -> None:
        if isinstance(words, str) or len(words) != classes or len(set(words)) != classes:
            raise ArgumentError(
                f"label_vocabulary: expected {classes} different strings, one per class, got "
                f"{words!r}."
            )
        self.words = [tf.compat.as_str(word) for word in words]
        self._table = self._new_table()

    def _new_table(self) -> tf.lookup.StaticHashTable:
        return tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(self.words), tf.range(len(self.words), dtype=tf.int64)
            ),
            default_value=-1,
        )

    def ids(self, labels: tf.Tensor) -> tf.Tensor:
        """int64 ids of string labels.

        Raises:
            LabelError: the labels are not strings, or one is not in the vocabulary.
        """
        if labels.dtype != tf.string:
            raise LabelError(
                f"label_vocabulary is given: expected labels of type string, got "
                f"{labels.dtype.name}. Give strings, or drop label_vocabulary."
            )
        # init_scope leaves the graphs of functions. What is left then is either eager, as is the
        # table, or the plain graph of an export, which cannot use a table of outside.
        with tf.init_scope():
            table = self._table if tf.executing_eagerly() else self._new_table()
        ids = table.lookup(labels)
        unknown = tf.boolean_mask(labels, ids < 0)
        message = (
            "Labels that are not in label_vocabulary; add them there, or filter their rows out in "
            "input_fn. Found"
        )
        return checked(ids, tf.equal(tf.size(unknown), 0), LabelError, message, unknown[:5])


def vocabulary(words: Sequence[str] | None, classes: int) -> Vocabulary | None:
    """The vocabulary of the argument ``label_vocabulary``, if it is given."""
    return None if words is None else Vocabulary(words, classes)


def class_ids(labels: tf.Tensor, classes: int, known: Vocabulary | None) -> tf.Tensor:
    """Ids in [0, classes) of labels that are whole numbers, or strings of the vocabulary.

    Raises:
        LabelError: they are of another type, out of range, or not in the vocabulary.
    """
    if known is not None:
        return known.ids(labels)
    if not labels.dtype.is_integer:
        raise LabelError(
            f"Expected integer labels in [0, {classes}), got {labels.dtype.name}. "
            "Strings need label_vocabulary."
        )
    outside = tf.boolean_mask(labels, (labels < 0) | (tf.cast(labels, tf.int64) >= classes))
    message = f"Labels outside of [0, {classes}); count ids from 0, or change n_classes. Found"
    return checked(labels, tf.equal(tf.size(outside), 0), LabelError, message, outside[:5])


def in_unit_interval(labels: tf.Tensor) -> tf.Tensor:
    """The labels, which must be numbers in [0, 1].

    Raises:
        LabelError: they are strings, or out of range.
    """
    if labels.dtype == tf.string:
        raise LabelError(
            "Expected numeric labels in [0, 1], got string. Strings need label_vocabulary."
        )
    values = tf.cast(labels, tf.float32)
    outside = tf.boolean_mask(labels, (values < 0) | (values > 1) | tf.math.is_nan(values))
    message = "Labels outside of [0, 1]; ids of more classes need n_classes. Found"
    return checked(labels, tf.equal(tf.size(outside), 0), LabelError, message, outside[:5])


def dense(labels: Labels, logits: tf.Tensor, width: int = 1) -> tf.Tensor:
    """Labels [B, width] or, if the width is 1, [B], as [B, width].

    Raises:
        LabelError: there are none, or they are of another kind, rank or size.
    """
    if labels is None:
        raise LabelError("Expected labels, got None: input_fn must return (features, labels).")
    if isinstance(labels, Mapping):
        raise LabelError(f"Expected one tensor of labels [B, {width}], got a dict of them.")
    if isinstance(labels, tf.RaggedTensor | tf.SparseTensor):
        raise LabelError(
            f"Expected labels as one dense tensor [B, {width}], got {type(labels).__name__}. "
            "Labels of each step need return_sequences=True."
        )
    return as_columns(tf.convert_to_tensor(labels), "Labels", logits, (width,))


def as_columns(
    values: tf.Tensor, what: str, logits: tf.Tensor, widths: tuple[int, ...] = (1,)
) -> tf.Tensor:
    """``values`` [B], or [B, W] with W one of ``widths``, as [B, W]; B is that of ``logits``.

    Raises:
        LabelError: they have another rank or size; ``what`` names them.
    """
    if values.shape.rank == 1 and 1 in widths:
        values = values[:, tf.newaxis]
    if values.shape.rank is None and widths == (1,):
        values = tf.reshape(values, [-1, 1])
    if values.shape.rank != 2 or values.shape[1] not in (*widths, None):
        raise LabelError(f"{what}: expected the shape {_shapes(widths)}, got {values.shape}.")
    rows, expected = values.shape[0], logits.shape[0]
    if None not in (rows, expected) and rows != expected:
        raise LabelError(
            f"{what}: expected one for each row of the features, {expected}: got {rows}."
        )
    wide = tf.reduce_any([tf.equal(tf.shape(values)[1], width) for width in widths])
    return checked(
        values,
        wide & tf.equal(tf.shape(values)[0], tf.shape(logits)[0]),
        LabelError,
        f"{what}: expected the shape {_shapes(widths)} with one for each row of the features, "
        "got the shape, and rows of features",
        tf.concat([tf.shape(values), tf.shape(logits)[:1]], 0),
    )


def _shapes(widths: tuple[int, ...]) -> str:
    flat = ["[B]"] if 1 in widths else []
    return " or ".join([*flat, *(f"[B, {width}]" for width in widths)])
