"""The files that a person reads of a run: only what the stages so far give reason for."""

from __future__ import annotations

import dataclasses
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.artifacts import Examples, Model, Rows, SourceFile
from components.history import append_point
from components.metrics import measure
from components.predictions import PredictionTable
from pipelines.report import write_report
from tests.pipelines.samples import PROMOTED, REFUSED, RUN_ID, config

FILES = ("learning_curve.png", "decision.json", "report.html")


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the stages of a small run return, with the files that they name."""
    folder = tmp_path_factory.mktemp("values")
    for name in ("examples", "model"):
        (folder / name).mkdir()
    statistics = {"rows": {"train": 8, "validation": 2, "test": 4}, "bad_rows": {"count": 0}}
    (folder / "examples" / "statistics.json").write_text(json.dumps(statistics))
    for step in (10, 20):
        append_point(folder / "model" / "history.jsonl", step, {"train/loss": 1 / step})
    rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    table = PredictionTable(("a", "b", "c", "d"), ("no", "no", "yes", "yes"), ("no", "yes"), rows)
    return {
        "rows": Rows((SourceFile("rows.jsonl", None, "f", 10),), "digest"),
        "examples": Examples(str(folder / "examples"), "e"),
        "model": Model(str(folder / "model"), "model.ckpt-20", 20, "m"),
        "metrics": measure(table, ("no", "yes"), folder / "metrics"),
        "champion_metrics": None,
        "decision": PROMOTED,
    }


@pytest.fixture(scope="module")
def refused(values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that the gate refused."""
    directory = tmp_path_factory.mktemp("refused")
    odd = dataclasses.replace(REFUSED, reason="Refused: <script>alert(1)</script>")
    written = write_report(RUN_ID, directory, config(), {**values, "decision": odd})
    assert written == tuple(directory / name for name in FILES)
    return directory


def test_a_run_that_trained_nothing_leaves_no_report(
    values: dict[str, Any], tmp_path: Path
) -> None:
    known = {name: values[name] for name in ("rows", "examples")}
    assert write_report(RUN_ID, tmp_path, config(), known) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_stopped_after_training_leaves_the_learning_curve(
    values: dict[str, Any], tmp_path: Path
) -> None:
    known = {name: values[name] for name in ("rows", "examples", "model")}
    (written,) = write_report(RUN_ID, tmp_path, config(), known)
    assert written.name == "learning_curve.png"
    assert written.read_bytes().startswith(b"\x89PNG")


def test_a_decided_run_leaves_the_decision_rule_by_rule(refused: Path) -> None:
    assert sorted(path.name for path in refused.iterdir()) == sorted(FILES)
    decision = json.loads((refused / "decision.json").read_text())
    assert decision["promoted"] is False
    assert [rule["rule"] for rule in decision["rules"]] == ["accuracy", "ece"]


def test_the_page_of_a_refused_run_says_why(refused: Path) -> None:
    page = (refused / "report.html").read_text()
    for rule in REFUSED.rules:
        assert html.escape(rule.bound) in page
    assert "Refused" in page
    assert "Promoted" not in page


def test_a_reason_is_text_on_the_page_and_no_markup(refused: Path) -> None:
    page = (refused / "report.html").read_text()
    assert "<script" not in page


def test_the_page_names_the_run_its_config_and_what_to_do_and_is_the_same_each_time(
    values: dict[str, Any], tmp_path: Path
) -> None:
    write_report(RUN_ID, tmp_path, config(), values)
    page = (tmp_path / "report.html").read_text()
    for part in (
        "demo", RUN_ID, "2026-01-31 23:59 UTC", "rnnflow compare demo", "rnnflow rollback demo",
        "learning_rate: 0.003", "tensorflow", "Promoted",
    ):  # fmt: skip
        assert part in page
    before = (tmp_path / "report.html").read_bytes()
    write_report(RUN_ID, tmp_path, config(), values)
    assert (tmp_path / "report.html").read_bytes() == before
