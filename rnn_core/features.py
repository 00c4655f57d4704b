"""From named features to the tensors that the network reads, through feature columns.

A sequence feature may be ragged, sparse or dense. Numbers that are ragged or dense are padded
directly; everything else goes through the column's own sparse path. A dense sequence has no length
of its own: it takes that of the other columns, or of the mask in the features, or all its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from rnn_core.checks import checked
from rnn_core.column_state import ColumnState, FeatureCache, get_feature
from rnn_core.errors import ArgumentError, FeatureError
from rnn_core.types import Features


class SequenceInput(NamedTuple):
    """What the recurrent layers read."""

    values: tf.Tensor
    """float32 [B, T, F], T >= 1."""
    mask: tf.Tensor
    """bool [B, T], true for a real step."""


def sorted_columns(columns: Iterable[Any], method: str, argument: str) -> tuple[Any, ...]:
    """The columns by name, as they are concatenated.

    Raises:
        ArgumentError: one has not ``method`` (is of the wrong kind), or two have one name.
    """
    ordered = sorted(_check_kinds(columns, method, argument), key=lambda column: str(column.name))
    names = [column.name for column in ordered]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"{argument}: expected distinct names, got twice: {', '.join(twice)}.")
    return tuple(ordered)


def _check_kinds(columns: Iterable[Any], method: str, argument: str) -> list[Any]:
    checked = list(columns)
    for column in checked:
        if not hasattr(column, method):
            raise ArgumentError(
                f"{argument}: {type(column).__name__} {getattr(column, 'name', column)!r} cannot "
                "be used there. Sequence features take sequence_* columns, wrapped in an "
                "embedding_column or indicator_column if categorical; context features take "
                "dense columns that are not sequences."
            )
    return checked


def width(columns: Iterable[Any]) -> int:
    """F, or C: how many numbers the columns give together."""
    return sum(int(column.variable_shape.num_elements()) for column in columns)


def create_state(columns: Iterable[Any], state: ColumnState) -> None:
    """Makes the variables of all columns that have some."""
    for column in columns:
        if hasattr(column, "create_state"):
            column.create_state(state)


def context_input(columns: Sequence[Any], features: Features, state: ColumnState) -> tf.Tensor:
    """float32 [B, C]: all context columns side by side, by name."""
    cache = FeatureCache(features)
    return tf.concat(
        [
            tf.reshape(column.get_dense_tensor(cache, state), [-1, width([column])])
            for column in columns
        ],
        axis=1,
    )


def sequence_input(
    columns: Sequence[Any], features: Features, state: ColumnState, mask_key: str
) -> SequenceInput:
    """All sequence columns side by side, by name, padded to the longest row.

    Raises:
        MissingFeatureError: a column's feature is not in the input.
        FeatureError: a feature has the wrong rank.
        FeatureError: the columns disagree about the lengths (raised while running).
    """
    cache = FeatureCache(features)
    read = [_read(column, features, cache, state) for column in columns]
    lengths = _common_lengths(
        [(column.name, lengths) for column, (_, lengths) in zip(columns, read, strict=True)]
    )
    mask = _mask(features, mask_key, lengths, read[0][0])
    time = tf.shape(mask)[1]
    values = tf.concat([_fit(value, time) for value, _ in read], axis=2)
    return SequenceInput(values, mask)


def _mask(features: Features, key: str, lengths: Any, values: tf.Tensor) -> tf.Tensor:
    if key in features:
        given = features[key]
        dense = given.to_tensor() if isinstance(given, tf.RaggedTensor) else given
        return tf.cast(
            tf.sparse.to_dense(dense) if isinstance(dense, tf.SparseTensor) else dense, tf.bool
        )
    if lengths is None:
        return tf.ones(tf.shape(values)[:2], tf.bool)
    return tf.sequence_mask(lengths, tf.maximum(tf.reduce_max(lengths), 1))


def _fit(values: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
    """Cuts or pads [B, T', F] to [B, ``time``, F]."""
    cut = values[:, :time]
    missing = time - tf.shape(cut)[1]
    fitted = tf.pad(cut, [[0, 0], [0, missing], [0, 0]])
    fitted.set_shape([None, None, values.shape[-1]])
    return fitted


def _common_lengths(lengths: Sequence[tuple[str, Any]]) -> Any:
    known = [(name, value) for name, value in lengths if value is not None]
    if not known:
        return None
    first_name, first = known[0]
    for name, value in known[1:]:
        first = checked(
            first,
            tf.reduce_all(tf.equal(first, value)),
            FeatureError,
            f"Sequence features {first_name!r} and {name!r} have different lengths, row by row",
            tf.stack([first, value], 1)[:5],
        )
    return first


def _read(column: Any, features: Features, cache: FeatureCache, state: ColumnState) -> Any:
    """float32 [B, T, F] and int64 [B] lengths, or None for the lengths of a dense sequence."""
    if not hasattr(column, "normalizer_fn"):
        pair = column.get_sequence_dense_tensor(cache, state)
        return _flat(pair.dense_tensor, column), tf.cast(pair.sequence_length, tf.int64)
    feature = get_feature(features, column.key)
    if isinstance(feature, tf.SparseTensor):
        pair = column.get_sequence_dense_tensor(cache, state)
        return _flat(pair.dense_tensor, column), tf.cast(pair.sequence_length, tf.int64)
    if isinstance(feature, tf.RaggedTensor):
        return _read_ragged(column, feature)
    return _flat(_normalized(column, feature), column), None


def _read_ragged(column: Any, feature: tf.RaggedTensor) -> Any:
    size = width([column])
    padded = _normalized(column, feature).to_tensor(tf.cast(column.default_value, feature.dtype))
    lengths = tf.cast(feature.row_lengths(), tf.int64)
    if feature.shape.rank == 2 and size > 1:
        # As for sparse rows of this rank: a step is the next `size` values of the flat row.
        missing = -tf.shape(padded)[1] % size
        padded = tf.pad(padded, [[0, 0], [0, missing]], constant_values=column.default_value)
        lengths = (lengths + size - 1) // size
    return _flat(padded, column), lengths


def _normalized(column: Any, feature: Any) -> Any:
    if column.normalizer_fn is None:
        return feature
    if isinstance(feature, tf.RaggedTensor):
        return tf.ragged.map_flat_values(column.normalizer_fn, feature)
    return column.normalizer_fn(feature)


def _flat(values: tf.Tensor, column: Any) -> tf.Tensor:
    """[B, T, ...] as float32 [B, T, F]."""
    size = width([column])
    rank = values.shape.rank
    last = values.shape[2:].num_elements() if rank is not None and rank > 2 else None
    if rank is not None and (rank < 2 or (last is not None and last != size)):
        raise FeatureError(
            f"Sequence feature {column.name!r}: expected [batch, steps, {size}], got "
            f"{values.shape}."
        )
    time = tf.shape(values)[1] if rank != 2 else tf.shape(values)[1] // size
    shaped = tf.reshape(values, [tf.shape(values)[0], time, size])
    return tf.cast(shaped, tf.float32)
