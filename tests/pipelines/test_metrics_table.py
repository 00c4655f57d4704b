"""A new metric is one entry of the table: everything that shows or bounds metrics reads it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from rich.console import Console
from sklearn.metrics import balanced_accuracy_score

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import ChampionMetrics, Metrics
from components.evaluation.gate import decide
from components.evaluation.scoring import score
from components.gate_config import Bound, GateConfig
from components.metrics import METRICS, Metric, mean_over_classes
from components.report.tables import side_by_side
from components.runtime.fingerprints import reachable_modules
from components.tracking.run_history import RunSummary
from pipelines.commands.status import metric_table
from pipelines.commands.summary import print_summary
from pipelines.stage_records import metric_values
from tests.pipelines.samples import outcome

BALANCED = Metric(
    key="balanced_accuracy",
    label="balanced accuracy",
    short_label="balanced",
    unit="mean over the classes of the recall",
    higher_is_better=True,
    value=lambda sums: mean_over_classes(sums.true_positives, sums.support),
    interval="percentile",
)
LABELS = tuple("aaaabbbccd")
TABLE = PredictionTable(
    ids=tuple("0123456789"),
    labels=LABELS,
    classes=tuple("abcd"),
    probabilities=np.eye(4)[[0, 0, 0, 1, 1, 1, 2, 2, 2, 3]],
)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """Scored with the new entry in the table."""
    monkeypatch.setitem(METRICS, BALANCED.key, BALANCED)
    return score(TABLE, TABLE.classes, predictions_path="p", digest="d")


def test_it_is_scored_with_its_interval_and_stored_beside_the_others(metrics: Metrics) -> None:
    seen = metrics.overall["balanced_accuracy"]
    assert seen.value == pytest.approx(balanced_accuracy_score(LABELS, TABLE.predicted))
    assert 0 <= seen.low < seen.value < seen.high <= 1
    adapter = TypeAdapter(Metrics)
    stored = adapter.dump_python(metrics, mode="json")
    assert stored["balanced_accuracy"]["value"] == seen.value
    assert adapter.validate_python(stored) == metrics


def test_the_gate_bounds_it_by_its_name(metrics: Metrics) -> None:
    gate = GateConfig(bounds={}, min_examples=1)
    # The type of the config lists the keys as they were when it was imported.
    gate.bounds["balanced_accuracy"] = Bound(min=0.99)
    assert (
        "balanced accuracy 0.8542 is below the minimum 0.99" in decide(metrics, None, gate).reason
    )


def test_the_report_the_console_and_mlflow_show_it(metrics: Metrics, tmp_path: Path) -> None:
    champion = ChampionMetrics(3, metrics, 8, 0, 0, 2, same_model=False)
    assert "balanced accuracy" in [row.name for row in side_by_side(metrics, champion.metrics)]
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    print_summary(console, outcome(metrics=metrics), tmp_path)
    values = metric_values(metrics)
    run = RunSummary("run", "FINISHED", values, {}, {})
    console.print(metric_table("demo", [run], []))
    assert printed.getvalue().count("balanced ") == 2
    assert values["test/balanced_accuracy"] == metrics.overall["balanced_accuracy"].value


def test_every_metric_that_may_be_bounded_is_a_key_of_the_config() -> None:
    schema = TypeAdapter(GateConfig).json_schema()
    bounds = schema["properties"]["bounds"]
    expected = [key for key, metric in METRICS.items() if metric.may_be_bounded]
    assert bounds["propertyNames"]["enum"] == expected
    assert all(METRICS[key].unit in bounds["description"] for key in expected)


@pytest.mark.parametrize("stage", ["components.data.examples", "components.training.train"])
def test_a_new_metric_or_rule_makes_no_examples_and_trains_no_model_again(stage: str) -> None:
    reached = reachable_modules(stage)
    assert {"components.metrics", "components.gate_config"}.isdisjoint(reached)
