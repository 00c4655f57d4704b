from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from components.config import SettingsError
from components.features.config import AnyFeature, FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.summaries import KERNELS, SUMMARIES, SummariesConfig

NUMBERS: dict[str, AnyFeature] = {
    "x": NumericFeature(kind="numeric", width=3),
    "y": NumericFeature(kind="numeric"),
}
TOKENS: dict[str, AnyFeature] = {"event": IdFeature(kind="id", size=5)}


def test_their_width_follows_from_the_config() -> None:
    summaries = SummariesConfig(statistics=True, convolutions=168, ngrams=32)
    features = FeaturesConfig({**NUMBERS, **TOKENS}, summaries=summaries)
    assert features.numeric_columns == 4
    assert features.transformed_context[SUMMARIES].step_shape == (14 * 4 + 1 + 168 + 32,)


def test_without_them_examples_hold_the_features_alone() -> None:
    features = FeaturesConfig(NUMBERS, TOKENS)
    assert list(features.transformed_context) == ["event"]
    assert list(features.transformed_sequence) == ["x", "y"]


def test_a_feature_of_their_name_gets_an_alias() -> None:
    features = FeaturesConfig({"summaries": NUMBERS["y"]}, summaries=SummariesConfig(True))
    assert SUMMARIES not in features.sequence
    assert SUMMARIES in features.transformed_context


@pytest.mark.parametrize(
    ("summaries", "sequence", "path"),
    [
        (SummariesConfig(statistics=True), TOKENS, "summaries.statistics"),
        (SummariesConfig(convolutions=84), TOKENS, "summaries.convolutions"),
        (SummariesConfig(ngrams=10), NUMBERS, "summaries.ngrams"),
    ],
)
def test_what_has_no_sequence_to_sum_up_is_a_fault(
    summaries: SummariesConfig, sequence: dict[str, AnyFeature], path: str
) -> None:
    with pytest.raises((SettingsError, ValidationError), match=f"{path}.*there is no"):
        FeaturesConfig(sequence, summaries=summaries)


def test_convolutions_come_in_whole_sets() -> None:
    with pytest.raises(ValidationError, match=r"a multiple of the 84 kernels, such as 84 or 168"):
        TypeAdapter(SummariesConfig).validate_python({"convolutions": 100})


def test_more_steps_get_fewer_convolutions() -> None:
    found = [SummariesConfig.infer(2, [], 10**n, 100).convolutions for n in (3, 6, 7, 9)]
    assert found == [48 * KERNELS, 48 * KERNELS, 6 * KERNELS, 0]


def test_many_numbers_a_step_are_summed_up_by_statistics_alone() -> None:
    found = [SummariesConfig.infer(columns, [], 1_000, 100) for columns in (1, 3, 4, 12)]
    assert [each.convolutions > 0 for each in found] == [True, True, False, False]
    assert all(each.statistics for each in found)


@pytest.mark.parametrize(("alphabet", "longest"), [(4, 6), (27, 3), (1_000, 2), (1, 6)])
def test_a_smaller_alphabet_gets_longer_runs(alphabet: int, longest: int) -> None:
    assert SummariesConfig.infer(0, [alphabet], 100, 10).longest_ngram == longest


@pytest.mark.parametrize(
    ("alphabet", "rows", "buckets"),
    [(999, 100, 4096), (1_000, 100, 16_384), (1_000, 10_000, 8192), (1_000, 10**6, 4096)],
)
def test_many_different_tokens_get_more_buckets_while_these_are_no_burden(
    alphabet: int, rows: int, buckets: int
) -> None:
    assert SummariesConfig.infer(0, [alphabet], 100, rows).ngrams == buckets


def test_tokens_beside_numbers_are_counted_and_the_numbers_summed_up() -> None:
    found = SummariesConfig.infer(2, [9], 100, 9)
    assert (found.statistics, found.convolutions, found.longest_ngram) == (True, 0, 1)
    assert found.ngrams > 0


def test_sequences_of_one_kind_get_what_fits_them() -> None:
    numbers, tokens = SummariesConfig.infer(1, [], 100, 9), SummariesConfig.infer(0, [9], 100, 9)
    assert (numbers.statistics, numbers.ngrams) == (True, 0)
    assert (tokens.statistics, tokens.convolutions) == (False, 0)
