"""The example with a label at each step."""

from __future__ import annotations

import runpy
from pathlib import Path

from components.data.row_parsing import Row, RowFormat, parse_row
from pipelines.config import load_config

EXAMPLES = Path(__file__).parents[2] / "examples"
MAKE_ROWS = runpy.run_path(str(EXAMPLES / "make_activities.py"))["make_rows"]


def test_the_rows_fit_the_config_beside_them() -> None:
    config = load_config(EXAMPLES / "activities.yaml")
    assert config.data.label == "per_step"
    form = RowFormat.of(config.features, config.data.max_row_steps, config.data.label)
    rows = [parse_row(row, form) for row in MAKE_ROWS(20, seed=1)]
    assert all(isinstance(row, Row) and len(row.labels or ()) == row.steps for row in rows)


def test_the_same_seed_makes_the_same_rows() -> None:
    assert list(MAKE_ROWS(5, seed=2)) == list(MAKE_ROWS(5, seed=2)) != list(MAKE_ROWS(5, seed=3))
