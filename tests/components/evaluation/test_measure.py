"""Models on the test split: row by row, in the order of the examples."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from components.artifacts.predictions import PredictionTable, read_predictions
from components.artifacts.schema import load_schema
from components.artifacts.storage import is_complete
from components.artifacts.values import Metrics, Model
from components.errors import NotFoundError
from components.evaluation.measure import measure_model
from components.training.datasets import read_batches, read_ids
from components.training.estimator import load_estimator
from tests.components.conftest import Prepared


@pytest.fixture(scope="module")
def metrics(
    small_model: Model, mixed: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Metrics:
    directory = tmp_path_factory.mktemp("measured") / "metrics"
    return measure_model(small_model, mixed.examples, directory=directory)


@pytest.fixture(scope="module")
def table(metrics: Metrics) -> PredictionTable:
    return read_predictions(Path(metrics.predictions_path))


def test_every_test_row_is_scored_once_and_keeps_its_label(
    table: PredictionTable, metrics: Metrics, mixed: Prepared
) -> None:
    by_id = {row["id"]: row["label"] for row in mixed.rows}
    assert list(table.ids) == read_ids(mixed.examples, "test")
    assert 0 < len(table) == metrics.examples < len(by_id)
    assert list(table.labels) == [by_id[row_id] for row_id in table.ids]
    assert table.classes == metrics.labels == load_schema(mixed.path).labels
    assert is_complete(Path(metrics.predictions_path).parent)


def test_the_numbers_are_those_of_the_estimators_own_evaluation(
    metrics: Metrics, small_model: Model, mixed: Prepared
) -> None:
    found = load_estimator(small_model).evaluate(
        lambda: read_batches(mixed.examples, "test", 7), checkpoint_path=small_model.checkpoint
    )
    assert metrics.overall["accuracy"].value == pytest.approx(found["accuracy"])
    assert metrics.overall["average_loss"].value == pytest.approx(found["average_loss"], abs=1e-5)


def test_the_probabilities_are_of_the_best_checkpoint_and_not_of_the_last(
    small_model: Model, mixed: Prepared, table: PredictionTable, tmp_path: Path
) -> None:
    checkpoints = Path(small_model.path) / "checkpoints"
    other_step = 3 if small_model.step == 6 else 6
    other = dataclasses.replace(
        small_model, checkpoint=str(checkpoints / f"model.ckpt-{other_step}"), step=other_step
    )
    measured = measure_model(other, mixed.examples, directory=tmp_path / "metrics")
    answers = read_predictions(Path(measured.predictions_path))
    assert not np.allclose(answers.probabilities, table.probabilities)


def test_measuring_again_gives_the_same_digest(
    metrics: Metrics, small_model: Model, mixed: Prepared, tmp_path: Path
) -> None:
    again = measure_model(small_model, mixed.examples, directory=tmp_path / "metrics")
    assert again.digest == metrics.digest


def test_a_model_that_is_gone_leaves_no_metrics(mixed: Prepared, tmp_path: Path) -> None:
    gone = Model(str(tmp_path / "gone"), "", 0, "d")
    with pytest.raises(NotFoundError, match="train it again"):
        measure_model(gone, mixed.examples, directory=tmp_path / "metrics")
    assert not (tmp_path / "metrics").exists()
