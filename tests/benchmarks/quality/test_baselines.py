"""The cheap classifiers, and the features that they take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.quality.baselines import (
    answer,
    baselines_for,
    forest,
    mini_rocket,
    summary_regression,
    token_regression,
    weighted_token_regression,
)
from benchmarks.quality.mini_rocket import MiniRocket
from benchmarks.quality.rows import Array, Rows
from benchmarks.quality.summaries import categories_of, summaries

Splits = tuple[Rows, Rows]
Baseline = Callable[[Rows, Rows], tuple[Array, str]]


@pytest.mark.slow
def test_a_forest_tells_vibrations_apart(vibrations: Splits) -> None:
    _all_right(vibrations, answer(forest, *vibrations).labels)


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [mini_rocket, summary_regression])
def test_every_baseline_on_numbers_tells_vibrations_apart(
    vibrations: Splits, baseline: Baseline
) -> None:
    _all_right(vibrations, answer(baseline, *vibrations).labels)


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [token_regression, weighted_token_regression])
def test_pairs_of_tokens_are_seen(words: Splits, baseline: Baseline) -> None:
    _all_right(words, answer(baseline, *words).labels)


def test_rows_get_the_baselines_that_can_take_them(vibrations: Splits, words: Splits) -> None:
    assert list(baselines_for(vibrations[0])) == ["RF", "LR", "MiniRocket"]
    assert list(baselines_for(words[0])) == ["LR tf-idf", "LR tf-idf, class weights"]


def test_summaries_hold_length_statistics_and_context(vibrations: Splits) -> None:
    train, test = vibrations
    found = summaries(test, categories_of(train))
    row = test.numbers[0].astype(np.float64)
    assert found.shape == (len(test), 1 + 15 * 2 + 3)
    assert found[0, 0] == len(row)
    np.testing.assert_allclose(found[0, 1:3], row.mean(axis=0))
    np.testing.assert_allclose(found[0, 3:5], row.std(axis=0))
    side = test.context[0]["side"]
    assert found[0, -3:].tolist() == [test.context[0]["age"], side == "left", side == "right"]


def test_a_row_of_one_step_has_features() -> None:
    rows = [np.ones((1, 2), np.float32), np.ones((30, 2), np.float32)]
    assert np.isfinite(MiniRocket(rows).transform(rows)).all()
    one = Rows(("a",), np.array(["x"]), (rows[0],), ((),), ({},))
    assert np.isfinite(summaries(one, [])).all()


def test_a_feature_is_the_share_of_steps_at_which_a_kernel_is_above_a_bias() -> None:
    chance = np.random.default_rng(1)
    rows = [chance.normal(size=(40, 1)).astype(np.float32) for _ in range(3)]
    found = MiniRocket(rows).transform(rows)
    assert found.shape == (3, 9_996)
    # The first kernel at dilation 1, padded: twos at the first three weights, as plain loops.
    rocket = MiniRocket(rows)
    dilation = rocket._dilations[0]
    weights = [2, 2, 2, -1, -1, -1, -1, -1, -1]
    padded = np.concatenate([np.zeros(4), rows[1][:, 0], np.zeros(4)])
    convolved = np.array([padded[t : t + 9] @ weights for t in range(40)])
    assert dilation.step == 1
    assert dilation.padded[0]
    share = [(convolved > bias).mean() for bias in dilation.biases[0]]
    np.testing.assert_allclose(found[1, : len(share)], share, atol=1 / 40)
    # The second one looks at whole kernels only.
    assert not dilation.padded[1]
    weights = [2, 2, -1, 2, -1, -1, -1, -1, -1]
    share = [(np.convolve(rows[1][:, 0], weights[::-1], "valid") > bias).mean()
             for bias in dilation.biases[1]]  # fmt: skip
    start = len(dilation.biases[0])
    np.testing.assert_allclose(found[1, start : start + len(share)], share, atol=1 / 32)


def _all_right(splits: Splits, labels: tuple[str, ...]) -> None:
    assert list(labels) == splits[1].labels.tolist()
