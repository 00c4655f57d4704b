from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from components.features.config import FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.summaries import SummariesConfig
from components.summaries.summarizer import Summarizer
from tests.components.summaries.ragged import Row, ragged, rows

FEATURES = FeaturesConfig(
    {
        "motion": NumericFeature(kind="numeric", width=2),
        "pulse": NumericFeature(kind="numeric"),
        "event": IdFeature(kind="id", size=9),
        "alarm": IdFeature(kind="id", size=3),
    },
    summaries=SummariesConfig(statistics=True, convolutions=168, ngrams=32),
)
RANDOM = np.random.default_rng(5)
SAMPLE = [
    {
        "motion": RANDOM.normal(1000, 3, (steps, 2)).astype(np.float32),
        "pulse": RANDOM.normal(size=(steps, 1)).astype(np.float32),
    }
    for steps in (20, 30, 40)
]


@pytest.fixture(scope="module")
def learned() -> Summarizer:
    return Summarizer.learn(FEATURES, SAMPLE)


def batch(each: list[Row]) -> dict[str, Any]:
    return {
        "motion": ragged([row[:, :2] for row in each]),
        "pulse": ragged([row[:, 2:] for row in each]),
    }


def test_numbers_come_in_groups_of_the_configured_widths(learned: Summarizer) -> None:
    found = learned.numbers(batch([np.ones((4, 3), np.float32)] * 2))
    assert {name: value.shape.as_list() for name, value in found.items()} == {
        "statistics": [2, 14 * 3 + 1],
        "convolutions": [2, 168],
    }


@settings(max_examples=25, deadline=None)
@given(each=rows(columns=3))
def test_a_row_has_the_same_in_any_batch(learned: Summarizer, each: list[Row]) -> None:
    together = learned.numbers(batch(each))
    for number, row in enumerate(each):
        for name, alone in learned.numbers(batch([row])).items():
            np.testing.assert_allclose(together[name][number], alone[0], atol=1e-4)


@pytest.mark.parametrize("number", [3e38, -3e38, 1e-40])
def test_any_float_is_summed_up(learned: Summarizer, number: float) -> None:
    row = np.zeros((15, 3), np.float32)
    row[7] = number
    for value in learned.numbers(batch([row])).values():
        assert np.isfinite(value).all()


def test_columns_that_never_change_are_summed_up() -> None:
    constant = [{name: np.full_like(value, 7.0) for name, value in row.items()} for row in SAMPLE]
    found = Summarizer.learn(FEATURES, constant).numbers(batch([np.ones((5, 3), np.float32)]))
    for value in found.values():
        assert np.isfinite(value).all()


def test_tokens_of_all_sequences_share_the_buckets(learned: Summarizer) -> None:
    ids = tf.ragged.constant([[1, 2, 2]], tf.int64, row_splits_dtype=tf.int64)
    # Three runs of one token and two of two, in each of the two sequences.
    assert learned.ngram_counts({"event": ids, "alarm": ids}).numpy().sum() == 10.0


def test_without_numeric_summaries_nothing_is_learned() -> None:
    features = FeaturesConfig(
        {"event": IdFeature(kind="id", size=9)}, summaries=SummariesConfig(ngrams=8)
    )
    assert Summarizer.learn(features, []).numbers({}) == {}
