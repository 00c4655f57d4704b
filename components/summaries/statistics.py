"""Statistics of each numeric column over the steps of a row."""

from __future__ import annotations

import tensorflow as tf

from components.summaries.steps import Steps

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def statistics(steps: Steps) -> tf.Tensor:
    """float32 [B, 14 C + 1] for steps float32 [N, C]; a row without steps has zeros.

    Of each column: mean, standard deviation, minimum, maximum, first and last value, the quantiles
    0.1, 0.25, 0.5, 0.75 and 0.9, the mean magnitude, and of the differences between steps the mean
    magnitude and the root mean square. Then the logarithm of 1 + the number of steps.
    """
    ordered, starts = _ordered(steps), tf.cumsum(steps.lengths, exclusive=True)
    last = tf.cast(steps.lengths - 1, tf.float32)
    changes = steps.differences()
    found = [
        steps.mean(steps.values),
        steps.deviation(),
        _at(ordered, starts, steps),
        _at(ordered, starts + steps.lengths - 1, steps),
        _at(steps.values, starts, steps),
        _at(steps.values, starts + steps.lengths - 1, steps),
        # The nearest value, without interpolation.
        *(
            _at(ordered, starts + tf.cast(tf.round(share * last), tf.int64), steps)
            for share in _QUANTILES
        ),
        steps.mean(tf.abs(steps.values)),
        steps.mean(tf.abs(changes)),
        tf.sqrt(steps.mean(tf.square(changes))),
        tf.math.log1p(tf.cast(steps.lengths, tf.float32))[:, tf.newaxis],
    ]
    return tf.concat(found, axis=1)


def _ordered(steps: Steps) -> tf.Tensor:
    """[N, C]: the values of each column in ascending order within each row."""
    by_value = tf.argsort(steps.values, axis=0)
    # A stable sort by row keeps the order by value.
    by_row = tf.argsort(tf.gather(steps.rows, by_value), axis=0, stable=True)
    return _columns(steps.values, _columns(by_value, by_row))


def _columns(values: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """[N, C]: in each column the values in the column's own order."""
    return tf.transpose(tf.gather(tf.transpose(values), tf.transpose(order), batch_dims=1))


def _at(values: tf.Tensor, index: tf.Tensor, steps: Steps) -> tf.Tensor:
    """[B, C]: the values at one step of each row; zeros for a row without steps."""
    # A zero behind the last step: an empty row at the end has its index there.
    padded = tf.pad(values, [[0, 1], [0, 0]])
    found = tf.gather(padded, tf.clip_by_value(index, 0, tf.size(steps.rows, tf.int64)))
    return tf.where(steps.lengths[:, tf.newaxis] > 0, found, 0.0)
