"""The threshold of two labels: the best one by its aim, found as by trying all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sklearn import metrics as sk

from components.artifacts.predictions import (
    VALIDATION,
    PredictionTable,
    StepPredictions,
    write_predictions,
)
from components.artifacts.values import Model, Threshold
from components.errors import NotFoundError
from components.evaluation.threshold import best_threshold, choose_threshold
from components.metrics_config import Costs, MetricsConfig, ThresholdConfig, cost_of

COSTS: Costs = {"no": {"yes": 1.0}, "yes": {"no": 12.0, "yes": 0.5}}


def table_of(scores: list[float], labels: list[bool]) -> PredictionTable:
    """The probability of "yes", and whether that is the label."""
    positive = np.array(scores)
    return PredictionTable(
        tuple(map(str, range(len(scores)))),
        tuple("yes" if label else "no" for label in labels),
        ("no", "yes"),
        np.stack([1 - positive, positive], axis=1),
    )


def chosen(table: PredictionTable, costs: Costs = COSTS, **config: Any) -> Threshold:
    return best_threshold(table, ThresholdConfig(positive="yes", **config), costs)


# Few levels, so that many probabilities are equal.
ROWS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda level: level / 20), st.booleans()),
    min_size=2,
    max_size=40,
)


def by_trying(table: PredictionTable, threshold: float) -> dict[str, float]:
    """What the answers are at a threshold, by scikit-learn."""
    true = np.array(table.labels) == "yes"
    answers = table.probabilities[:, 1] >= threshold
    paid = [
        cost_of(COSTS, label, "yes" if answer else "no")
        for label, answer in zip(table.labels, answers, strict=True)
    ]
    precision, recall, f_beta, _ = sk.precision_recall_fscore_support(
        true, answers, beta=2, average="binary", zero_division=1
    )
    return {
        "f_beta": f_beta,
        "cost": float(np.mean(paid)),
        "precision": precision,
        "recall": recall,
        "answered": float(answers.sum()),
    }


def by_trying_all(table: PredictionTable) -> list[dict[str, float]]:
    """The same at each threshold between all levels, and on them, once for the same answers."""
    thresholds = np.arange(0, 1.0001, 0.025)
    answered = {int((table.probabilities[:, 1] >= each).sum()): each for each in thresholds}
    return [by_trying(table, each) for each in answered.values()]


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_it_is_the_best_of_all_thresholds(rows: list[tuple[float, bool]]) -> None:
    table = table_of(*map(list, zip(*rows, strict=True)))
    assume(len(set(table.labels)) == 2)
    tried = by_trying_all(table)
    reaching = [each for each in tried if each["precision"] >= 0.7 and each["answered"]]
    recalling = [each for each in tried if each["recall"] >= 0.6]
    for threshold, best in (
        (chosen(table, aim="f_beta", beta=2), max(each["f_beta"] for each in tried)),
        (chosen(table, aim="cost"), min(each["cost"] for each in tried)),
        (
            chosen(table, aim="precision_at_recall", recall=0.6),
            max(each["precision"] for each in recalling),
        ),
    ):
        seen = by_trying(table, threshold.value)
        name = "precision" if threshold.aim == "precision_at_recall" else threshold.aim
        assert seen[name] == pytest.approx(best)
        assert threshold.chosen.value == pytest.approx(best)
        assert threshold.chosen.precision == pytest.approx(seen["precision"])
        assert threshold.chosen.recall == pytest.approx(seen["recall"])
        assert not threshold.note
    threshold = chosen(table, aim="recall_at_precision", precision=0.7)
    assert bool(threshold.note) == (not reaching)
    if reaching:
        seen = by_trying(table, threshold.value)
        assert seen["precision"] >= 0.7
        assert seen["recall"] == pytest.approx(max(each["recall"] for each in reaching))


def test_it_lies_in_the_middle_between_two_probabilities() -> None:
    table = table_of([0.1, 0.2, 0.3, 0.4], [False, False, True, True])
    assert chosen(table).value == pytest.approx(0.25)
    points = {point.threshold: point for point in chosen(table).neighbours}
    assert sorted(points) == pytest.approx([0.15, 0.35, 0.5])
    assert points[0.5].recall == 0


def test_a_threshold_of_one_half_stays_what_it_is_where_it_is_as_good_as_any() -> None:
    table = table_of([0.2, 0.45, 0.9, 0.95], [False, False, True, True])
    assert chosen(table).value == 0.5
    assert chosen(table, aim="cost", costs={"yes": {"no": 1.0}}).value == 0.5


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_chosen() -> None:
    # F1 is 2/3 from 0.8 on (one of two, none wrong) and from 0.3 on (both, two wrong).
    table = table_of([0.8, 0.4, 0.4, 0.3, 0.1], [True, False, False, True, False])
    assert chosen(table).value == 0.5


@pytest.mark.parametrize("aim", ["f_beta", "cost", "precision_at_recall", "recall_at_precision"])
@pytest.mark.parametrize("label", [True, False])
def test_without_rows_of_both_labels_it_stays_at_one_half(aim: str, label: bool) -> None:
    figure: dict[str, Any] = {
        "precision_at_recall": {"recall": 0.5},
        "recall_at_precision": {"precision": 0.5},
    }
    more = figure.get(aim, {})
    found = chosen(table_of([0.1, 0.7], [label, label]), aim=aim, **more)
    assert found.value == found.chosen.threshold == 0.5
    words = "all validation answers have" if label else "no validation answer has"
    assert found.note == f"{words} the label 'yes'"


def test_a_precision_that_is_never_reached_is_told_with_the_highest() -> None:
    table = table_of([0.9, 0.8, 0.8, 0.1], [False, True, True, False])
    found = chosen(table, aim="recall_at_precision", precision=0.9)
    assert (found.value, found.chosen.recall) == (0.5, 1)
    assert found.note == (
        "no threshold reaches the precision 0.9 on the validation split, whose highest is 0.6667"
    )


def test_the_positive_label_may_be_the_first_one() -> None:
    table = table_of([0.1, 0.2, 0.3, 0.4], [False, False, True, True])
    found = best_threshold(table, ThresholdConfig(positive="no"), {})
    assert found.value == pytest.approx(0.75)


def test_a_model_that_is_certain_of_everything_can_still_be_held_to_an_aim() -> None:
    table = table_of([1.0, 1.0, 0.0, 0.0], [True, False, True, False])
    dear = {"no": {"yes": 100.0}}
    # A probability of 1 is reached by every threshold.
    assert chosen(table, aim="cost", costs=dear).value == 0.5
    assert chosen(table).value == 0.0


def test_neighbouring_probabilities_are_told_apart_down_to_their_last_digit() -> None:
    low = float(np.float32(0.3))
    high = float(np.nextafter(np.float32(0.3), np.float32(1)))
    found = chosen(table_of([low, high], [False, True]))
    assert low < found.value <= high
    low, high = 0.3, float(np.nextafter(0.3, 1))
    assert chosen(table_of([low, high], [False, True])).value == high


def test_steps_are_answers_too() -> None:
    rows = table_of([0.1, 0.2, 0.3, 0.4], [False, False, True, True])
    steps = StepPredictions(("a", "b"), rows.labels, rows.classes, rows.probabilities, (3, 1))
    found = chosen(steps)
    assert (found.value, found.rows, found.positives) == (chosen(rows).value, 2, 2)


def test_the_stage_makes_another_model_of_it(tmp_path: Path) -> None:
    table = table_of([0.1, 0.2, 0.3, 0.4], [False, False, True, True])
    (tmp_path / "model").mkdir()
    write_predictions(table, tmp_path / "model" / VALIDATION)
    model = Model(str(tmp_path / "model"), "c", 5, "digest")

    def choose(name: str, **config: Any) -> Model:
        asked = ThresholdConfig(positive="yes", **config)
        return choose_threshold(model, asked, MetricsConfig(), directory=tmp_path / name)

    made = choose("first")
    assert made.threshold == chosen(table)
    stored = (tmp_path / "first" / "threshold.json").read_bytes()
    assert TypeAdapter(Threshold).validate_json(stored) == made.threshold
    assert dataclasses.replace(made, threshold=None, digest="digest") == model
    assert made.digest != "digest"
    # Another aim with the same threshold is the same model.
    assert choose("second", aim="f_beta", beta=1.5).digest == made.digest


def test_without_the_answers_to_the_validation_split_nothing_can_be_chosen(tmp_path: Path) -> None:
    model = Model(str(tmp_path), "c", 5, "digest")
    with pytest.raises(NotFoundError):
        choose_threshold(
            model, ThresholdConfig(positive="yes"), MetricsConfig(), directory=tmp_path / "out"
        )
