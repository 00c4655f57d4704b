"""The metrics directory and the comparison with the champion."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from components.artifacts.predictions import PredictionTable, StepPredictions, read_predictions
from components.artifacts.storage import is_complete
from components.artifacts.values import ChampionMetrics, Metrics
from components.errors import DataError
from components.evaluation.metrics_files import compare, measure, per_class_csv

LABELS = ("a", "b")


def table(labels: str, predicted: str, ids: str = "0123456789") -> PredictionTable:
    rows = [[0.9, 0.1] if each == "a" else [0.2, 0.8] for each in predicted]
    return PredictionTable(tuple(ids[: len(labels)]), tuple(labels), LABELS, np.array(rows))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


CANDIDATE = table("aaaabbbb", "aaabbbba")
CHAMPION = table("aaaabbbb", "aaaaabaa")


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """Measured once; no test writes there again."""
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
    stored = read(path.with_name("metrics.json"))
    assert stored["accuracy"] == dataclasses.asdict(candidate.overall["accuracy"])
    assert stored["predictions_path"] == path.name  # A directory of metrics may be moved.
    found = TypeAdapter(Metrics).validate_python(stored)
    assert dataclasses.replace(found, predictions_path=str(path)) == candidate
    assert candidate.overall["accuracy"].value == 0.75
    assert read_predictions(path).ids == CANDIDATE.ids


@pytest.mark.slow
def test_the_digest_follows_the_predictions(candidate: Metrics, tmp_path: Path) -> None:
    again = measure(CANDIDATE, LABELS, tmp_path / "1")
    other = measure(CHAMPION, LABELS, tmp_path / "2")
    assert candidate.digest == again.digest != other.digest


def test_metrics_that_are_not_numbers_survive_the_file(tmp_path: Path) -> None:
    broken = dataclasses.replace(CANDIDATE, probabilities=np.full((8, 2), np.nan))
    measure(broken, LABELS, tmp_path / "m")
    stored = read(tmp_path / "m" / "metrics.json")
    assert math.isnan(stored["average_loss"]["value"])
    assert stored["accuracy"]["value"] == 0


def test_the_table_of_classes_has_a_line_per_class(candidate: Metrics) -> None:
    rows = list(csv.DictReader(per_class_csv(candidate).splitlines()))
    assert [row["label"] for row in rows] == ["a", "b"]
    assert rows[0]["support"] == "4"
    assert float(rows[0]["recall"]) == 0.75
    assert float(rows[0]["recall_low"]) < 0.75 < float(rows[0]["recall_high"])


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_no_label_is_a_formula_in_a_spreadsheet(
    candidate: Metrics, tmp_path: Path, start: str
) -> None:
    label = f'{start}HYPERLINK("http://example.org";"a")'
    classes = (dataclasses.replace(candidate.per_class[0], label=label), candidate.per_class[1])
    text = per_class_csv(dataclasses.replace(candidate, per_class=classes))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["label"] for row in rows] == ["'" + label, "b"]


def test_labels_in_json_are_as_they_are(tmp_path: Path) -> None:
    names = {"a": "=1+1", "b": "-b"}
    table = dataclasses.replace(
        CANDIDATE,
        labels=tuple(names[label] for label in CANDIDATE.labels),
        classes=tuple(names.values()),
    )
    measure(table, ["=1+1", "-b"], tmp_path / "m")
    assert read(tmp_path / "m" / "metrics.json")["labels"] == ["=1+1", "-b"]
    lines = (tmp_path / "m" / "per_class.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["'=1+1", "'-b"]


def test_the_champion_is_paired_example_by_example(candidate: Metrics, tmp_path: Path) -> None:
    result = compare(candidate, CHAMPION, 4, False, tmp_path / "c")
    assert (result.both_correct, result.both_wrong) == (4, 1)
    assert (result.only_candidate_correct, result.only_champion_correct) == (2, 1)
    assert (result.version, result.same_model) == (4, False)
    assert result.metrics.overall["accuracy"].value == 5 / 8
    stored = TypeAdapter(ChampionMetrics).validate_python(read(tmp_path / "c" / "comparison.json"))
    assert stored.metrics.overall == result.metrics.overall
    assert stored.only_candidate_correct == 2


@pytest.mark.slow
def test_the_order_of_the_champions_predictions_does_not_matter(
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
    assert result.metrics.overall["accuracy"].value == 0.5
    assert result.metrics.labels == LABELS
    assert math.isfinite(result.metrics.overall["average_loss"].value)
    assert result.unknown_to_champion == {"b": 4}
    assert result.unknown_to_candidate == {}


def test_a_champion_that_knows_more_classes_is_compared_on_the_same_examples(
    candidate: Metrics, tmp_path: Path
) -> None:
    """It says ``old``, which no example is any more, four times, and is right on the others."""
    probabilities = np.array([[0.1, 0.2, 0.7]] * 4 + [[0.1, 0.8, 0.1]] * 4)
    answers = PredictionTable(CANDIDATE.ids, CANDIDATE.labels, ("a", "b", "old"), probabilities)
    result = compare(candidate, answers, 1, False, tmp_path / "c")
    assert result.unknown_to_candidate == {"old": 0}
    assert result.unknown_to_champion == {}
    assert result.metrics.overall["accuracy"].value == 0.5
    assert result.both_correct + result.only_champion_correct == 4


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


def steps(predicted: str) -> StepPredictions:
    """Two rows of four steps each, all of them ``a``."""
    flat = table("a" * 8, predicted)
    return StepPredictions(("0", "1"), flat.labels, LABELS, flat.probabilities, (4, 4))


def test_steps_are_compared_by_their_rows(tmp_path: Path) -> None:
    candidate = measure(steps("aaaabbbb"), LABELS, tmp_path / "candidate")
    found = compare(candidate, steps("aabbbbbb").take([1, 0]), 3, False, tmp_path / "champion")
    assert (found.both_correct, found.only_candidate_correct, found.both_wrong) == (2, 2, 4)
    assert found.paired_rows is not None
    assert found.paired_rows.mean_difference == 0.25
    assert (found.paired_rows.candidate_ahead, found.paired_rows.other_ahead) == (1, 0)
    assert (candidate.examples, candidate.task) == (2, "per_step")
    stored = TypeAdapter(ChampionMetrics).validate_python(
        read(tmp_path / "champion" / "comparison.json")
    )
    assert stored.paired_rows == found.paired_rows
