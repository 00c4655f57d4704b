"""Every kind of labels has its entry in each of the tables that know kinds by name."""

from __future__ import annotations

from typing import get_args

from components.artifacts.predictions import TABLES
from components.data.row_parsing import _READ_LABELS
from components.label_tasks import TASKS, TaskName
from components.labels.table import KINDS
from components.metrics import METRICS


def test_every_value_of_the_config_is_in_every_table() -> None:
    names = set(get_args(TaskName))
    assert set(TASKS) == set(KINDS) == set(TABLES) == set(_READ_LABELS) == names
    assert all(kind.task is TASKS[name] for name, kind in KINDS.items())
    assert all(TABLES[name].task is task for name, task in TASKS.items())


def test_every_metric_measures_some_kind_of_labels() -> None:
    assert all(metric.tasks and set(metric.tasks) <= set(TASKS) for metric in METRICS.values())
