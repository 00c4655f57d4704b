"""The stage: each slice has the rows that the raw rows say, and the numbers of these rows alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from components.artifacts.predictions import PredictionTable, StepPredictions, read_predictions
from components.artifacts.schema import load_schema
from components.artifacts.storage import is_complete
from components.artifacts.values import (
    ChampionMetrics,
    Examples,
    IncomparableChampion,
    Metrics,
    Slices,
)
from components.config import DataConfig, SplitConfig
from components.evaluation.metrics_files import compare, measure
from components.evaluation.scoring import overall
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.gate_config import SliceConfig
from components.slices.measure import measure_slice, measure_slices
from components.training.datasets import read_ids, read_labels
from tests.components.conftest import Prepared, WriteRows, prepare

ENTRIES = (
    SliceConfig(by="colour"),
    SliceConfig(by="age", quantiles=3),
    SliceConfig(by="length", edges=(3, 5)),
    SliceConfig(by="Läden"),
    SliceConfig(where="colour == 'red' and length > 2", name="long and red"),
    SliceConfig(where="age > 89 and age < 91 and colour == 'blå'", name="hardly any"),
)


def table(examples: Examples, seed: int) -> PredictionTable:
    classes = load_schema(examples.path).labels
    labels = read_labels(examples, "test")
    odds = np.random.default_rng(seed).random((len(labels), len(classes)))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    return PredictionTable.of(read_ids(examples, "test"), labels, classes, probabilities)


def both(examples: Examples, folder: Path) -> tuple[Metrics, ChampionMetrics]:
    """A candidate and a champion that guess; the champion's answers are in another order."""
    ours, theirs = table(examples, 1), table(examples, 2)
    metrics = measure(ours, ours.classes, folder / "metrics")
    theirs = theirs.take(np.arange(len(theirs))[::-1])
    return metrics, compare(metrics, theirs, 3, False, folder / "champion")


@pytest.fixture(scope="module")
def scored(
    mixed: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Metrics, ChampionMetrics, Slices]:
    folder = tmp_path_factory.mktemp("sliced")
    metrics, champion = both(mixed.examples, folder)
    directory = folder / "slices"
    slices = measure_slices(
        mixed.examples, metrics, champion, mixed.data, ENTRIES, directory=directory
    )
    assert is_complete(directory)
    names = [
        each["name"] for each in json.loads((directory / "slices.json").read_text())["measured"]
    ]
    assert names == [each.name for each in slices.measured]
    return metrics, champion, slices


def test_a_slice_has_the_rows_that_the_files_say(
    mixed: Prepared, scored: tuple[Metrics, ChampionMetrics, Slices]
) -> None:
    rows = {row["id"]: row for row in mixed.rows}
    test = [rows[id_] for id_ in read_ids(mixed.examples, "test")]

    def count(holds: Any) -> int:
        return sum(holds(row["context"], len(row["sequence"]["pulse"])) for row in test)

    found = {each.name: each.rows for each in scored[2].measured}
    for colour in ("red", "green", "blå"):
        assert found[f"colour: {colour}"] == count(lambda row, _, c=colour: row["colour"] == c)
    assert found["length: below 3"] == count(lambda _, steps: steps < 3)
    assert found["length: 3 to below 5"] == count(lambda _, steps: 3 <= steps < 5)
    assert found["long and red"] == count(lambda row, steps: row["colour"] == "red" and steps > 2)
    for entry in (0, 1, 2, 3):
        assert sum(each.rows for each in scored[2].measured if each.entry == entry) == len(test)


def test_the_numbers_are_those_of_its_rows_alone(
    mixed: Prepared, scored: tuple[Metrics, ChampionMetrics, Slices]
) -> None:
    metrics, champion, slices = scored
    rows = {row["id"]: row for row in mixed.rows}
    found = next(each for each in slices.measured if each.name == "colour: red")
    reds, accuracies = [], []
    for one in (metrics, champion.metrics):
        answers = read_predictions(Path(one.predictions_path))
        inside = [i for i, id_ in enumerate(answers.ids) if rows[id_]["context"]["colour"] == "red"]
        reds.append(answers.take(inside))
        accuracies.append(accuracy_score(reds[-1].labels, reds[-1].predicted))
    assert found.overall["accuracy"].value == pytest.approx(accuracies[0])
    loss = log_loss(reds[0].labels, reds[0].probabilities, labels=list(reds[0].classes))
    assert found.overall["average_loss"].value == pytest.approx(loss)
    assert found.champion_accuracy == overall(reds[1])["accuracy"]
    assert found.difference is not None
    assert found.difference.value == pytest.approx(accuracies[0] - accuracies[1])
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.pairs is not None
    assert found.pairs.examples == found.rows
    assert found.pairs.candidate_accuracy == pytest.approx(accuracies[0])


def test_rows_with_many_answers_are_the_units_of_a_slice() -> None:
    random = np.random.default_rng(3)
    steps = tuple(random.integers(1, 6, 40).tolist())
    answers = sum(steps)
    labels = tuple(random.choice(["a", "b"], answers))
    ours, theirs = (
        StepPredictions(
            tuple(map(str, range(40))), labels, ("a", "b"), random.dirichlet([1, 1], answers), steps
        )
        for _ in range(2)
    )
    rows = np.arange(5, 25)
    found = measure_slice("some", "", 0, rows, ours, theirs)
    assert found.rows == 20
    assert found.overall == overall(ours.take(rows))
    assert found.champion_accuracy == overall(theirs.take(rows))["accuracy"]
    assert found.pairs is not None
    assert found.pairs.examples == sum(steps[5:25])
    assert found.pairs.rows is not None
    assert found.difference is not None
    accuracies = [each.take(rows).correct.mean() for each in (ours, theirs)]
    assert found.difference.value == pytest.approx(accuracies[0] - accuracies[1])


def test_a_slice_without_a_row_has_no_numbers(
    scored: tuple[Metrics, ChampionMetrics, Slices],
) -> None:
    empty = next(each for each in scored[2].measured if each.name == "hardly any")
    assert (empty.rows, empty.overall, empty.pairs) == (0, {}, None)


def test_without_a_champion_to_compare_with_the_candidate_is_measured_alone(
    mixed: Prepared, scored: tuple[Metrics, ChampionMetrics, Slices], tmp_path: Path
) -> None:
    lost = IncomparableChampion(3, "it cannot read a row", same_model=False)
    for index, champion in enumerate((None, lost)):
        slices = measure_slices(
            mixed.examples, scored[0], champion, mixed.data, ENTRIES[:1],
            directory=tmp_path / str(index),
        )  # fmt: skip
        assert [each.overall for each in slices.measured] == [
            each.overall for each in scored[2].measured if each.entry == 0
        ]
        assert not any(each.champion_accuracy or each.pairs for each in slices.measured)


def test_two_slices_of_one_name_stay_two(
    mixed: Prepared, scored: tuple[Metrics, ChampionMetrics, Slices], tmp_path: Path
) -> None:
    entries = (SliceConfig(by="length", edges=(3,)), SliceConfig(by="length", edges=(3, 5)))
    slices = measure_slices(
        mixed.examples, scored[0], None, mixed.data, entries, directory=tmp_path / "slices"
    )
    assert [each.name for each in slices.measured] == [
        "length: below 3", "length: 3 and more",
        "length: below 3 - 2", "length: 3 to below 5", "length: 5 and more",
    ]  # fmt: skip


def test_rows_are_sliced_by_their_time(write_rows: WriteRows, tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "id": f"r{day}",
            "label": "no" if day % 2 else "yes",
            "when": (start + timedelta(days=day)).isoformat(),
            "sequence": {"x": [float(day)] * (1 + day % 3)},
        }
        for day in range(40)
    ]
    data = DataConfig(train=write_rows(rows), split=SplitConfig(time="when"), test_fraction=0.25)
    features = FeaturesConfig({"x": NumericFeature(kind="numeric")})
    examples = prepare(data, features, tmp_path / "examples")
    metrics, _ = both(examples, tmp_path)
    entries = (
        SliceConfig(by="time", edges=("2026-02-04",)),
        SliceConfig(where="time < '2026-02-02'"),
    )
    slices = measure_slices(examples, metrics, None, data, entries, directory=tmp_path / "slices")
    # The newest ten days of forty are the test split: 31 January to 9 February.
    assert [(each.name, each.rows, each.range) for each in slices.measured] == [
        ("time: below 2026-02-04", 4, "2026-01-31 to 2026-02-03"),
        ("time: 2026-02-04 and later", 6, "2026-02-04 to 2026-02-09"),
        ("time < '2026-02-02'", 2, ""),
    ]
