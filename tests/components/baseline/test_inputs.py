"""What a cheap model is given of a row: statistics that anyone can compute again, and tokens."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from components.artifacts.schema import Schema
from components.baseline.inputs import Inputs, _numbers_of_steps, _tokens_of_steps, read_inputs
from components.config import DataConfig
from components.features.bucketized import BucketizedFeature
from components.features.config import FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.training.datasets import count, read_batches, read_ids, read_labels
from tests.components.conftest import Prepared, WriteRows, prepare

pytestmark = pytest.mark.slow

_MIXED_NUMBERS = 1 + 14 * (3 + 1) + 2 + 1
"""The steps; statistics of ``motion`` and ``pulse``; ``age`` and ``size`` of the context."""


@pytest.fixture(scope="module")
def inputs(mixed: Prepared) -> Inputs:
    return read_inputs(mixed.examples, "train", most_rows=10_000)


def test_every_row_has_its_id_label_numbers_and_tokens(mixed: Prepared, inputs: Inputs) -> None:
    assert list(inputs.ids) == read_ids(mixed.examples, "train")
    assert inputs.labels_of_rows == read_labels(mixed.examples, "train")
    assert inputs.numbers.shape == (count(mixed.examples, "train"), _MIXED_NUMBERS)
    assert len(inputs.tokens) == len(inputs)
    assert inputs.has_tokens


def test_the_numbers_are_the_steps_and_statistics_of_the_transformed_values(
    mixed: Prepared, inputs: Inputs
) -> None:
    features, _ = next(iter(read_batches(mixed.examples, "train", 1)))
    motion = features["motion"][0].numpy().astype(np.float64)
    row = inputs.numbers[0]
    assert row[0] == len(motion)
    np.testing.assert_allclose(row[1:4], motion.mean(axis=0))
    np.testing.assert_allclose(row[7:10], motion.min(axis=0))
    np.testing.assert_allclose(row[16:19], motion[-1])
    np.testing.assert_allclose(row[25:28], np.median(motion, axis=0))
    np.testing.assert_allclose(row[-3], features["age"][0].numpy()[0])


def test_tokens_name_their_feature_and_pairs_follow_them(mixed: Prepared, inputs: Inputs) -> None:
    features, _ = next(iter(read_batches(mixed.examples, "train", 1)))
    events = features["event"][0].numpy().tolist()
    tokens = inputs.tokens[0]
    assert [each for each in tokens if each.startswith("event=") and "," not in each] == [
        f"event={event}" for event in events
    ]
    pairs = [each for each in tokens if each.startswith("event=") and "," in each]
    assert pairs == [f"event={a},{b}" for a, b in itertools.pairwise(events)]
    assert f"colour={features['colour'][0].numpy()[0]}" in tokens


@pytest.mark.parametrize("most", [1, 7, 20])
def test_of_a_large_split_every_nth_row_is_read(mixed: Prepared, inputs: Inputs, most: int) -> None:
    part = read_inputs(mixed.examples, "train", most)
    every = -(-len(inputs) // most)
    assert part.ids == inputs.ids[::every]
    assert part.labels.tolist() == inputs.labels[::every].tolist()
    np.testing.assert_array_equal(part.numbers, inputs.numbers[::every])
    assert len(part) <= most


def test_a_step_is_seen_with_its_neighbours_and_the_context() -> None:
    features = FeaturesConfig(
        {"x": NumericFeature(kind="numeric"), "word": IdFeature(kind="id", size=9)},
        {"age": NumericFeature(kind="numeric"), "city": IdFeature(kind="id", size=3)},
    )
    schema = Schema(features, ("a", "b"), {"word": 9, "city": 3}, label="per_step")
    row = {
        "x": np.array([[1.0], [2.0], [3.0]]),
        "word": np.array([4, 5, 6]),
        "age": np.array([41.0]),
        "city": np.array([2]),
    }
    numbers = _numbers_of_steps(row, schema)
    # Two steps on either side, the first and the last of the row standing for those outside.
    assert numbers[:, 1:].tolist() == [
        [1, 1, 1, 2, 3, 41],
        [1, 1, 2, 3, 3, 41],
        [1, 2, 3, 3, 3, 41],
    ]
    tokens = _tokens_of_steps(row, schema)
    assert tokens[0] == ["city=2", "word+0=4", "word+1=5", "word+2=6"]
    assert len(tokens) == 3


def test_quantiles_of_numbers_are_tokens(write_rows: WriteRows, tmp_path: Path) -> None:
    rows = [
        {"id": n, "label": n % 2, "sequence": {"x": [float(n), float(-n)]}, "context": {"c": n}}
        for n in range(60)
    ]
    features = FeaturesConfig(
        {"x": BucketizedFeature(kind="bucketized", buckets=4)},
        {"c": BucketizedFeature(kind="bucketized", buckets=2)},
    )
    examples = prepare(DataConfig(train=write_rows(rows)), features, tmp_path / "examples")
    found = read_inputs(examples, "train", most_rows=10_000)
    assert (found.numbers == 2).all()  # the steps alone
    assert {token for row in found.tokens for token in row if "," not in token} == {
        *(f"x={bucket}" for bucket in range(4)), "c=0", "c=1",
    }  # fmt: skip
