"""The files that a person reads of a run: only what the stages so far give reason for."""

from __future__ import annotations

import dataclasses
import html
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.run_report import write_report
from pipelines.work_directory import WorkDirectory
from tests.pipelines.samples import REFUSED, RUN_ID, config

FILES = ("learning_curve.png", "decision.json", "lineage.json", "report.html")


@pytest.fixture(scope="module")
def refused(values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that the gate refused."""
    work = WorkDirectory(tmp_path_factory.mktemp("refused"))
    directory = work.runs / RUN_ID
    odd = dataclasses.replace(REFUSED, reason="Refused: <script>alert(1)</script>")
    written = write_report(RUN_ID, work, config(), {**values, "decision": odd}, {})
    assert written == tuple(directory / name for name in FILES)
    return directory


def test_a_run_that_trained_nothing_leaves_no_report(
    values: dict[str, Any], tmp_path: Path
) -> None:
    known = {name: values[name] for name in ("rows", "examples")}
    assert write_report(RUN_ID, WorkDirectory(tmp_path), config(), known, {}) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_stopped_after_training_leaves_the_learning_curve(
    values: dict[str, Any], tmp_path: Path
) -> None:
    known = {name: values[name] for name in ("rows", "examples", "model")}
    (written,) = write_report(RUN_ID, WorkDirectory(tmp_path), config(), known, {})
    assert written.name == "learning_curve.png"
    assert written.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_page_names_the_run_its_config_and_what_to_do_and_is_the_same_each_time(
    values: dict[str, Any], tmp_path: Path
) -> None:
    work = WorkDirectory(tmp_path)
    path = work.runs / RUN_ID / "report.html"
    write_report(RUN_ID, work, config(), values, {})
    page = path.read_text()
    for part in (
        "demo", RUN_ID, "2026-01-31 23:59 UTC", "rnnflow compare demo", "rnnflow rollback demo",
        "learning_rate: 0.003", "tensorflow", "Promoted",
    ):  # fmt: skip
        assert part in page
    write_report(RUN_ID, work, config(), values, {})
    assert path.read_text() == page
