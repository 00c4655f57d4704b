"""The steps of all rows of a batch, one after the other, and sums over those of each row."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Steps(NamedTuple):
    """N steps of B rows.

    ``values`` is float32 [N, C], ``rows`` int64 [N] the number of each step's row, ascending, and
    ``lengths`` int64 [B] the steps of each row.
    """

    values: tf.Tensor
    rows: tf.Tensor
    lengths: tf.Tensor

    @classmethod
    def of(cls, ragged: tf.RaggedTensor) -> Steps:
        """The steps of float32 [B, (T), C]."""
        return cls(ragged.values, ragged.value_rowids(), ragged.row_lengths())

    @property
    def count(self) -> tf.Tensor:
        """B."""
        return tf.size(self.lengths, tf.int64)

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """[N, …] -> [B, …]."""
        return tf.math.unsorted_segment_sum(values, self.rows, self.count)

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """[N, M] -> [B, M]; 0 for a row without steps."""
        lengths = tf.cast(self.lengths, tf.float32)[:, tf.newaxis]
        return tf.math.divide_no_nan(self.sum(values), lengths)

    def of_rows(self, values: tf.Tensor) -> tf.Tensor:
        """[B, …] -> [N, …]: at each step the value of its row."""
        return tf.gather(values, self.rows)

    def centered(self) -> tf.Tensor:
        """[N, C]: minus the mean of the row."""
        return self.values - self.of_rows(self.mean(self.values))

    def deviation(self) -> tf.Tensor:
        """[B, C]: the standard deviation over the steps of each row."""
        return tf.sqrt(self.mean(tf.square(self.centered())))

    def differences(self) -> tf.Tensor:
        """[N, C]: each step minus the one before it; 0 at the first of a row."""
        before = tf.concat([self.values[:1], self.values[:-1]], axis=0)
        is_first = tf.concat([self.rows[:1] >= 0, self.rows[1:] != self.rows[:-1]], axis=0)
        return tf.where(is_first[:, tf.newaxis], 0.0, self.values - before)
