"""A cheap model beside the candidate: chosen on validation rows, paired on the test rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from components.artifacts.predictions import PredictionTable, read_predictions
from components.artifacts.values import SPLITS, BaselineMetrics, Metrics
from components.baseline.baseline import measure_baseline
from components.baseline.models import BASELINES
from components.errors import NotFoundError
from components.evaluation.metrics_files import measure
from components.training.datasets import read_ids, read_labels
from tests.components.conftest import Prepared

pytestmark = pytest.mark.slow
LABELS = ("no", "yes", "übrig")


@pytest.fixture(scope="module")
def metrics(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """Of a candidate that always says ``yes``."""
    ids, labels = read_ids(mixed.examples, "test"), read_labels(mixed.examples, "test")
    table = PredictionTable.of(ids, labels, LABELS, np.tile([0.2, 0.5, 0.3], (len(ids), 1)))
    return measure(table, LABELS, tmp_path_factory.mktemp("candidate") / "metrics")


@pytest.fixture(scope="module")
def found(
    mixed: Prepared, metrics: Metrics, tmp_path_factory: pytest.TempPathFactory
) -> BaselineMetrics:
    directory = tmp_path_factory.mktemp("baseline") / "metrics"
    return measure_baseline(mixed.examples, metrics, directory=directory)


def test_it_is_one_of_the_table_and_was_scored_on_the_candidates_rows(
    found: BaselineMetrics, metrics: Metrics
) -> None:
    assert (found.key, found.label) in [(each.key, each.label) for each in BASELINES]
    theirs = read_predictions(Path(found.metrics.predictions_path))
    ours = read_predictions(Path(metrics.predictions_path))
    assert (theirs.ids, theirs.labels) == (ours.ids, ours.labels)
    assert found.metrics.labels == LABELS


def test_the_pairs_are_those_of_the_two_tables(found: BaselineMetrics, metrics: Metrics) -> None:
    theirs = read_predictions(Path(found.metrics.predictions_path)).correct
    ours = read_predictions(Path(metrics.predictions_path)).correct
    pairs = found.pairs
    assert pairs.both_correct == int((ours & theirs).sum())
    assert pairs.only_candidate_correct == int((ours & ~theirs).sum())
    assert pairs.only_other_correct == int((theirs & ~ours).sum())
    assert pairs.examples == metrics.examples
    assert pairs.rows is None


def test_the_commonest_label_of_the_training_rows_is_measured_too(
    mixed: Prepared, found: BaselineMetrics
) -> None:
    train, validation, test = (read_labels(mixed.examples, split) for split in SPLITS)
    known = [*train, *validation]
    majority = (found.majority_label,)
    assert known.count(majority) == max(known.count((label,)) for label in LABELS)
    assert found.majority_accuracy == test.count(majority) / len(test)
    assert found.train_rows == len(known)


def test_of_very_many_rows_a_part_is_paired(
    mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    found = measure_baseline(mixed.examples, metrics, directory=tmp_path / "part", most_rows=10)
    # Of each of the two splits.
    assert found.train_rows <= 20
    assert found.metrics.examples <= 10
    assert found.pairs.examples == found.metrics.examples


def test_lost_predictions_of_the_candidate_are_named(
    mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    lost = dataclasses.replace(metrics, predictions_path=str(tmp_path / "lost.parquet"))
    with pytest.raises(NotFoundError, match="no predictions at"):
        measure_baseline(mixed.examples, lost, directory=tmp_path / "metrics")
