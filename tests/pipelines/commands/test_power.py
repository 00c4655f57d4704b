"""``rnnflow gate --power``: what the test rows of a run can see."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from components.artifacts.storage import write_atomically
from components.artifacts.values import Evidence, Look, RowSet
from components.errors import NotFoundError
from pipelines.commands.power import show_power
from pipelines.config import dump_config
from pipelines.work_directory import CONFIG, Outcome, WorkDirectory
from tests.pipelines.samples import PROMOTED, config, outcome


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkDirectory:
    monkeypatch.setenv("COLUMNS", "160")
    return WorkDirectory(tmp_path)


def ended(work: WorkDirectory, run: Outcome) -> None:
    write_atomically(work.runs / run.run_id / CONFIG, dump_config(config()))
    work.save_outcome(run)


def shown(work: WorkDirectory, capsys: pytest.CaptureFixture[str]) -> str:
    show_power(None, None, work.root)
    return " ".join(capsys.readouterr().out.split())


def test_the_disagreement_is_that_of_the_run_with_the_champion(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    look = Look(RowSet("rows", ("m",)), "p", (Evidence(3, 2_000, 10.0, 200.0),))
    ended(work, outcome(decision=dataclasses.replace(PROMOTED, look=look)))
    text = shown(work, capsys)
    assert "the candidate and version 3 differ on 10 % of them" in text
    # ((2.33 + 0.84) / 0.02)² 0.1 = 2,512, and ((3.87 + 0.84) / 0.03)² 0.1 = 2,466.
    assert "2 points │ 2,510 │ 837 a night" in text
    assert "These 1,234 rows show a difference of" in text


def test_without_a_champion_two_models_are_taken_to_be_independent(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(work, outcome())
    assert "as if their errors had nothing in common" in shown(work, capsys)


def test_a_run_that_measured_nothing_is_named(work: WorkDirectory) -> None:
    ended(work, outcome(metrics=None, decision=None))
    with pytest.raises(NotFoundError, match="measured no model on test rows"):
        show_power(None, None, work.root)
