"""The metrics directory and the comparison with the champion."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.artifacts.predictions import PredictionTable, read_predictions
from components.artifacts.storage import is_complete
from components.artifacts.values import Metrics
from components.errors import DataError, NotFoundError
from components.evaluation.metrics_files import (
    compare,
    load_comparison,
    load_metrics,
    measure,
    per_class_csv,
)

LABELS = ("a", "b")


def table(labels: str, predicted: str, ids: str = "0123456789") -> PredictionTable:
    rows = [[0.9, 0.1] if each == "a" else [0.2, 0.8] for each in predicted]
    return PredictionTable(tuple(ids[: len(labels)]), tuple(labels), LABELS, np.array(rows))


CANDIDATE = table("aaaabbbb", "aaabbbba")
CHAMPION = table("aaaabbbb", "aaaaabaa")


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """Measured once; nobody writes there again."""
    return measure(CANDIDATE, LABELS, tmp_path_factory.mktemp("candidate") / "metrics")


def test_a_metrics_directory_holds_everything_and_is_complete(candidate: Metrics) -> None:
    directory = Path(candidate.predictions_path).parent
    assert is_complete(directory)
    assert {path.name for path in directory.iterdir()} == {
        "_SUCCESS",
        "confusion_matrix.png",
        "metrics.json",
        "per_class.csv",
        "predictions.parquet",
        "reliability.png",
    }


def test_metrics_are_read_back_as_they_were(candidate: Metrics) -> None:
    path = Path(candidate.predictions_path)
    assert load_metrics(path.parent) == candidate
    assert candidate.accuracy.value == 0.75
    assert read_predictions(path).ids == CANDIDATE.ids


def test_a_directory_may_be_moved(candidate: Metrics, tmp_path: Path) -> None:
    shutil.copytree(Path(candidate.predictions_path).parent, tmp_path / "elsewhere")
    moved = load_metrics(tmp_path / "elsewhere")
    assert moved.predictions_path == str(tmp_path / "elsewhere" / "predictions.parquet")


def test_the_digest_follows_the_predictions(candidate: Metrics, tmp_path: Path) -> None:
    again = measure(CANDIDATE, LABELS, tmp_path / "1")
    other = measure(CHAMPION, LABELS, tmp_path / "2")
    assert candidate.digest == again.digest != other.digest


def test_metrics_that_are_not_numbers_survive_the_file(tmp_path: Path) -> None:
    broken = dataclasses.replace(CANDIDATE, probabilities=np.full((8, 2), np.nan))
    measure(broken, LABELS, tmp_path / "m")
    loaded = load_metrics(tmp_path / "m")
    assert math.isnan(loaded.average_loss.value)
    assert loaded.accuracy.value == 0


def test_the_table_of_classes_has_a_line_a_class(candidate: Metrics) -> None:
    rows = list(csv.DictReader(per_class_csv(candidate).splitlines()))
    assert [row["label"] for row in rows] == ["a", "b"]
    assert rows[0]["support"] == "4"
    assert float(rows[0]["recall"]) == 0.75
    assert float(rows[0]["recall_low"]) < 0.75 < float(rows[0]["recall_high"])


def test_the_champion_is_paired_example_by_example(candidate: Metrics, tmp_path: Path) -> None:
    result = compare(candidate, CHAMPION, 4, False, tmp_path / "c")
    assert (result.both_correct, result.both_wrong) == (4, 1)
    assert (result.only_candidate_correct, result.only_champion_correct) == (2, 1)
    assert (result.version, result.same_model) == (4, False)
    assert result.metrics.accuracy.value == 5 / 8
    assert load_comparison(tmp_path / "c") == result


def test_the_order_of_the_champions_answers_does_not_matter(
    candidate: Metrics, tmp_path: Path
) -> None:
    plain = compare(candidate, CHAMPION, 4, False, tmp_path / "c1")
    turned = compare(candidate, CHAMPION.take(range(7, -1, -1)), 4, False, tmp_path / "c2")
    assert turned.only_champion_correct == plain.only_champion_correct
    assert turned.metrics.per_class == plain.metrics.per_class


def test_a_champion_that_knows_fewer_classes_is_wrong_on_the_others(
    candidate: Metrics, tmp_path: Path
) -> None:
    answers = PredictionTable(CANDIDATE.ids, CANDIDATE.labels, ("a",), np.ones((8, 1)))
    result = compare(candidate, answers, 1, False, tmp_path / "c")
    assert result.metrics.accuracy.value == 0.5
    assert result.metrics.labels == LABELS
    assert math.isfinite(result.metrics.average_loss.value)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (table("aaaabbbb", "aaaabbbb", ids="1234567890"), "2 examples are in one of them only"),
        (table("aaaabbba", "aaaabbbb"), "the labels of some examples differ"),
    ],
)
def test_other_examples_are_not_compared(
    candidate: Metrics, tmp_path: Path, other: PredictionTable, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        compare(candidate, other, 1, False, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_missing_and_damaged_metrics_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no metrics at"):
        load_metrics(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps({"accuracy": 1}))
    with pytest.raises(DataError, match="damaged"):
        load_metrics(tmp_path)
