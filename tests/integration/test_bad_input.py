"""Bad input ends with what, where and what to do: an exit code and no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.errors import DataError, InvalidRowsError, NotFoundError, RnnflowError
from pipelines.work_directory import Outcome
from tests.integration.conftest import Project, make_project

Rows = list[dict[str, Any]]


@pytest.fixture
def project(tmp_path: Path, prefect_server: str) -> Project:
    made = make_project(tmp_path, prefect_server)
    made.edit(training={"max_steps": 20})
    return made


def _rewrite(project: Project, name: str, change: Callable[[Rows], Rows | None]) -> None:
    path = project.root / f"{name}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = change(rows) or rows
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _refused(project: Project, kind: type[RnnflowError]) -> str:
    with pytest.raises(kind) as caught:
        project.run(until="examples")
    assert caught.value.exit_code == 2
    assert not list(project.work.artifacts.glob("examples/*/_SUCCESS"))
    outcome = project.work.find_outcome(project.work.run().name)
    assert outcome is not None
    assert outcome.status == "failed"
    assert outcome.exit_code == 2
    return str(caught.value)


def test_too_many_invalid_rows_stop_the_run_with_the_commonest_causes(project: Project) -> None:
    def spoil(rows: Rows) -> None:
        for row in rows[:30]:
            row["sequence"]["coefficients"][1] = [1.0, 2.0]

    _rewrite(project, "train", spoil)
    message = _refused(project, InvalidRowsError)
    assert "30 of 640 rows are invalid, 1 % allowed" in message
    assert "train.jsonl" in message


def test_a_few_invalid_rows_are_set_aside(project: Project) -> None:
    def spoil(rows: Rows) -> None:
        rows[0]["sequence"]["coefficients"][-1][3] = float("nan")

    _rewrite(project, "train", spoil)
    outcome = project.run(until="examples")
    directory = Path(str(outcome.stages[-1].artifact))
    (letter,) = (directory / "dead_letters.jsonl").read_text().splitlines()
    assert json.loads(letter)["line"] == 1
    assert "1 invalid" in outcome.stages[-1].summary


def _with_a_stranger(rows: Rows) -> None:
    rows[0]["label"] = "stranger"


def test_a_label_that_only_the_test_split_has_is_left_out_and_counted(project: Project) -> None:
    _rewrite(project, "test", _with_a_stranger)
    outcome = project.run(until="examples")
    assert "1 rows of 1 rare labels left out" in outcome.stages[-1].summary


def test_a_label_that_only_the_test_split_has_stops_the_run_where_the_config_says_so(
    project: Project,
) -> None:
    project.edit(data={"rare_labels": "stop"})
    _rewrite(project, "test", _with_a_stranger)
    assert "stranger" in _refused(project, DataError)


def test_one_row_in_two_splits_is_named(project: Project) -> None:
    train = json.loads((project.root / "train.jsonl").read_text().splitlines()[0])

    _rewrite(project, "test", lambda rows: [train, *rows])
    assert str(train["id"]) in _refused(project, DataError)


def test_a_single_label_is_no_classification(project: Project) -> None:
    def merge(rows: Rows) -> None:
        for row in rows:
            row["label"] = "only"

    _rewrite(project, "train", merge)
    _rewrite(project, "test", merge)
    assert "label" in _refused(project, DataError)


def test_a_feature_that_the_test_rows_lack_stops_the_run(project: Project) -> None:
    def rename(rows: Rows) -> None:
        for row in rows:
            row["sequence"]["renamed"] = row["sequence"].pop("coefficients")

    _rewrite(project, "test", rename)
    assert "coefficients" in _refused(project, DataError)


def test_a_data_file_that_is_missing_is_named(project: Project) -> None:
    (project.root / "test.jsonl").unlink()
    assert "test.jsonl" in _refused(project, NotFoundError)


def test_a_class_with_fewer_rows_than_the_gate_needs_is_refused(
    vowels: Project, first_run: Outcome
) -> None:
    vowels.edit(gate={"per_class": {"min_support": 25}})
    outcome = vowels.run(until="decision")
    assert outcome.decision is not None
    assert not outcome.decision.promoted
    assert "25" in outcome.decision.reason


def test_the_command_line_shows_the_message_and_no_traceback(project: Project) -> None:
    (project.root / "train.jsonl").write_text("not json\n" * 5)
    done = project.call("run", str(project.config))
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert "are invalid" in done.stderr
    assert "train.jsonl" in done.stderr
