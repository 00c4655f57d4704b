from __future__ import annotations

from collections import Counter

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.summaries.ngrams import hashed_ngrams

TEXTS = st.lists(st.text("abc", max_size=8), min_size=1, max_size=4)
BUCKETS = 997


def ngrams(texts: list[str], longest: int, salt: int = 0) -> NDArray[np.float32]:
    each = [list(text) for text in texts]
    tokens = tf.ragged.constant(each, tf.string, row_splits_dtype=tf.int64)
    found: NDArray[np.float32] = hashed_ngrams(tokens, longest, BUCKETS, salt).numpy()
    return found


def runs(text: str, longest: int) -> Counter[str]:
    return Counter(
        text[begin : begin + length]
        for length in range(1, longest + 1)
        for begin in range(len(text) - length + 1)
    )


@settings(deadline=None)
@given(TEXTS, st.integers(1, 3))
def test_each_run_counts_once_in_the_bucket_of_its_own(texts: list[str], longest: int) -> None:
    # 39 runs of up to three of three letters, in 997 buckets without a collision.
    found = ngrams(texts, longest)
    for counts, text in zip(found, texts, strict=True):
        assert sorted(counts[counts > 0]) == sorted(runs(text, longest).values())


def test_the_same_run_is_in_the_same_bucket_wherever_it_is() -> None:
    first, second = ngrams(["ab", "xaby"], 2)
    assert ((first > 0) <= (second > 0)).all()


def test_runs_do_not_cross_rows() -> None:
    np.testing.assert_array_equal(ngrams(["ab", "ba"], 2)[0], ngrams(["ab"], 2)[0])


def test_features_that_share_the_buckets_are_told_apart() -> None:
    assert (ngrams(["ab"], 1) != ngrams(["ab"], 1, salt=1)).any()


def test_ids_are_tokens_too() -> None:
    ids = tf.ragged.constant([[4, 7], [7]], tf.int64, row_splits_dtype=tf.int64)
    assert hashed_ngrams(ids, 2, BUCKETS, 0).numpy().sum(axis=1).tolist() == [3.0, 1.0]
