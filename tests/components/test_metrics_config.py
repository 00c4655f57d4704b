"""The costs of answers and the threshold: every fault of the config at once, with its path."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from components.config import SettingsError
from components.metrics import TOP_K
from components.metrics_config import (
    MetricsConfig,
    ThresholdConfig,
    TopK,
    cost_of,
    label_faults,
)


def faults(section: type, values: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(section).validate_python(values)
    found: dict[str, str] = {}
    for detail in caught.value.errors():
        error = detail["ctx"]["error"]
        assert isinstance(error, SettingsError)
        found |= {".".join([*map(str, detail["loc"]), path]): text for path, text in error.faults}
    return found


def test_the_table_of_metrics_has_an_entry_for_each_k() -> None:
    assert typing.get_args(TopK) == TOP_K


def test_what_the_table_does_not_say_costs_nothing_if_it_is_right_and_else_one() -> None:
    costs = MetricsConfig(costs={"yes": {"no": 20, "yes": 0.5}}).costs
    assert [cost_of(costs, *pair) for pair in (("yes", "no"), ("no", "yes"))] == [20, 1]
    assert [cost_of(costs, label, label) for label in ("yes", "no")] == [0.5, 0]


def test_a_label_may_be_a_number() -> None:
    table: Any = {1: {2: 3}}
    assert MetricsConfig(costs=table).costs == {"1": {"2": 3.0}}


def test_all_faults_of_the_costs_are_told_with_their_paths() -> None:
    found = faults(
        MetricsConfig,
        {
            "costs": {
                "a": {"b": -1, "c": "much", "d": float("inf"), "e": None, "f": True},
                "b": {},
                "c": 7,
                True: {"a": 1},
            }
        },
    )
    assert list(found) == [
        "costs.a.b", "costs.a.c", "costs.a.d", "costs.a.e", "costs.a.f", "costs.b", "costs.c",
        "costs.True",
    ]  # fmt: skip
    assert found["costs.a.b"] == "expected a finite cost, 0 or more; got -1"
    assert found["costs.a.c"] == "expected a number; got 'much'"
    assert found["costs.True"].endswith('write it in quotes, such as "yes"')


def test_an_aim_needs_its_own_figure_and_takes_no_other() -> None:
    assert list(faults(ThresholdConfig, {"positive": "a", "aim": "recall_at_precision"})) == [
        "precision"
    ]
    other = {"positive": "a", "aim": "cost", "recall": 0.5, "precision": 0.5, "beta": 2}
    assert list(faults(ThresholdConfig, other)) == ["precision", "recall", "beta"]
    assert ThresholdConfig(positive="a").aim == "f_beta"


def test_labels_that_are_not_there_are_named_and_rare_ones_are_no_fault() -> None:
    metrics = MetricsConfig(costs={"a": {"z": 1.0, "b": 2.0}, "y": {"a": 1.0}})
    threshold = ThresholdConfig(positive="x")
    found = dict(label_faults(metrics, threshold, ("a", "b")))
    assert list(found) == ["metrics.costs.a.z", "metrics.costs.y", "threshold.positive"]
    assert found["metrics.costs.y"] == "there is no such label; the labels are 'a', 'b'"
    assert list(dict(label_faults(metrics, None, ("a", "b"), rare=("y", "z")))) == []


def test_a_threshold_is_of_two_labels_and_something_must_cost() -> None:
    nothing = MetricsConfig(costs={"a": {"b": 0.0}, "b": {"a": 0.0}})
    assert dict(label_faults(nothing, None, ("a", "b"))) == {
        "metrics.costs": "no answer costs anything; one cost at least must be above 0"
    }
    found = dict(label_faults(MetricsConfig(), ThresholdConfig(positive="a"), ("a", "b", "c")))
    assert found == {"threshold": "it is of two labels, and there are 3: 'a', 'b', 'c'"}
