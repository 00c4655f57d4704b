"""Runs of tokens, hashed and counted: tf-idf."""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf
import tensorflow_transform as tft

_PRIME: Final = 2**31 - 1
_MULTIPLIER: Final = 1_000_003
"""Hashes below the prime, times this, stay below 2**63."""


def hashed_ngrams(tokens: tf.RaggedTensor, longest: int, buckets: int, salt: int) -> tf.Tensor:
    """float32 [B, buckets]: how often a run of 1 to ``longest`` tokens falls into each bucket.

    Args:
        tokens: string or int64 [B, (T)].
        longest: tokens of the longest run.
        buckets: how many there are.
        salt: another one for each feature that shares the buckets.
    """
    texts = tokens.values
    if texts.dtype != tf.string:
        texts = tf.strings.as_string(texts)
    single = tf.strings.to_hash_bucket_fast(texts, _PRIME)
    rows, count = tokens.value_rowids(), tokens.nrows()
    index = tf.range(tf.size(single, tf.int64), dtype=tf.int64)
    begins = tf.gather(tokens.row_starts(), rows)
    runs, counts = single, tf.zeros([count * buckets], tf.float32)
    for length in range(1, longest + 1):
        if length > 1:
            # The hash of a run follows from that of the run without its last token.
            before = tf.concat([runs[:1], runs[:-1]], axis=0)
            runs = tf.math.floormod(before * _MULTIPLIER + single, _PRIME)
        is_whole = index - begins >= length - 1
        bucket = tf.math.floormod(runs + length * _MULTIPLIER + salt, buckets)
        counts += tf.math.unsorted_segment_sum(
            tf.cast(is_whole, tf.float32), rows * buckets + bucket, count * buckets
        )
    return tf.reshape(counts, [count, buckets])


def tf_idf(counts: tf.Tensor) -> tf.Tensor:
    """float32 [B, buckets]: log(1 + count) times log((1 + n) / (1 + rows with it)) + 1, unit norm.

    Of n training rows, as in scikit-learn's ``TfidfTransformer`` with a sublinear term frequency.
    """
    rows = tft.size(counts[:, 0], name="rows_with_ngrams")
    is_there = tf.cast(counts > 0, tf.float32)
    having = tft.sum(is_there, reduce_instance_dims=False, name="rows_by_ngram")
    weight = tf.math.log((1.0 + tf.cast(rows, tf.float32)) / (1.0 + tf.cast(having, tf.float32)))
    weighted: Any = tf.math.log1p(counts) * (weight + 1.0)
    return tf.math.l2_normalize(weighted, axis=1)
