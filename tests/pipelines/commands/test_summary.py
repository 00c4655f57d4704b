"""The end of a run on a terminal: how it ended and why, the numbers, what to type next."""

from __future__ import annotations

import dataclasses
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from components.artifacts.values import RuleResult, Version
from components.registry.packaging import SAVED_MODEL
from pipelines.commands.summary import mlflow_command, print_summary
from pipelines.work_directory import Outcome, StageOutcome
from tests.pipelines.samples import METRICS, PROMOTED, PROPOSED, REFUSED, RUN_ID, UNCHANGED, outcome

DEFAULT = Path(".rnnflow")


def shown(ended: Outcome, work_dir: Path = DEFAULT) -> str:
    """The summary with single spaces, so that a test does not depend on how it is set."""
    file = StringIO()
    print_summary(Console(file=file, width=200, soft_wrap=True), ended, work_dir)
    return "\n".join(" ".join(line.split()) for line in file.getvalue().splitlines())


def test_it_begins_with_the_decision_and_its_reason() -> None:
    assert shown(outcome()).strip().splitlines()[0] == "Promoted: every rule holds."


def test_every_metric_has_its_interval_and_the_rows_it_was_measured_on() -> None:
    text = shown(outcome())
    assert "accuracy 0.978 [0.958, 0.988] on 1,234 test rows" in text
    assert "macro-F1 0.970 [0.950, 0.980] on 1,234 test rows" in text
    assert "loss 0.100 [0.080, 0.110] on 1,234 test rows" in text
    assert "ECE 0.020 [0.000, 0.030] on 1,234 test rows" in text


def judged(*passed: bool) -> Outcome:
    """A run with one rule for each slice."""
    rules = tuple(
        RuleResult(f"slices.customer: {i}.champion", each, 0.5, "", "", slice_name=f"customer: {i}")
        for i, each in enumerate(passed)
    )
    return outcome(decision=dataclasses.replace(PROMOTED, rules=(*PROMOTED.rules, *rules)))


@pytest.mark.parametrize(
    ("passed", "line"),
    [
        ((True, True), "slices all 2 judged pass"),
        ((True, False, False), "slices 2 of 3 judged fail: customer: 1; customer: 2"),
        ((False,) * 7, "customer: 3; customer: 4 and 2 more"),
    ],
)
def test_one_line_says_which_slices_fail(passed: tuple[bool, ...], line: str) -> None:
    assert line in shown(judged(*passed))


def test_without_slices_there_is_no_line_about_them() -> None:
    assert "slices" not in shown(outcome())


def test_a_note_of_the_gate_is_shown() -> None:
    noted = dataclasses.replace(REFUSED, notes=("gate.bounds.accuracy.min = 0.5 stops no model.",))
    text = shown(outcome(status="refused", reason=REFUSED.reason, decision=noted))
    assert "\nnote gate.bounds.accuracy.min = 0.5 stops no model.\n" in text


def test_what_could_be_better_in_the_training_is_shown() -> None:
    noted = dataclasses.replace(outcome(), training_notes=("Train longer.",))
    assert "\nnote Train longer.\n" in shown(noted)


def test_a_run_that_measured_nothing_shows_no_metric() -> None:
    assert "test rows" not in shown(outcome(status="done", metrics=None, version=None))


def test_the_reused_stages_are_named() -> None:
    assert "\nreused examples, model\n" in shown(outcome())
    assert "\nreused nothing\n" in shown(outcome(stages=()))


def test_the_registered_version_is_named_with_its_aliases() -> None:
    assert "\nversion demo 4 (champion)\n" in shown(outcome())


def test_a_version_without_an_alias_is_said_not_to_serve() -> None:
    version = Version("demo", 5, (), False)
    ended = outcome(status="refused", reason=REFUSED.reason, decision=REFUSED, version=version)
    assert "version demo 5 (no alias: it does not serve)" in shown(ended)


def test_a_refused_run_says_how_to_overrule_the_gate() -> None:
    version = Version("demo", 5, (), False)
    text = shown(outcome(status="refused", reason=REFUSED.reason, version=version))
    assert "\noverrule rnnflow promote demo 5" in text
    assert "rollback" not in text


def test_a_promoted_run_says_how_to_undo_it() -> None:
    text = shown(outcome())
    assert "\nundo rnnflow rollback demo" in text
    assert "overrule" not in text


def test_a_run_whose_model_waits_says_how_to_decide() -> None:
    text = shown(outcome(status="proposed", reason=PROPOSED.reason, decision=PROPOSED))
    assert "\napprove rnnflow approve demo --reason TEXT" in text
    assert "\nor reject rnnflow reject demo --reason TEXT" in text
    assert "rollback" not in text


def test_a_run_that_changed_nothing_has_nothing_to_undo_or_overrule() -> None:
    text = shown(outcome(status="unchanged", reason=UNCHANGED.reason, decision=UNCHANGED))
    assert "Unchanged: this very model is version 3" in text
    assert "rollback" not in text
    assert "overrule" not in text


def test_a_run_on_a_server_is_named_by_its_page() -> None:
    page = "http://tracking.example:5000/#/experiments/1/runs/abc"
    assert f"\nMLflow {page}\n" in shown(outcome(mlflow_url=page))


def test_a_run_that_stopped_early_has_nothing_to_undo_or_overrule() -> None:
    text = shown(outcome(status="done", reason="Done up to model.", version=None))
    assert "rollback" not in text
    assert "promote" not in text


def test_events_that_mlflow_still_lacks_are_told() -> None:
    assert "unsent 7 events wait for the MLflow server; kept on disk" in shown(
        outcome(unsent_events=7)
    )
    assert "unsent" not in shown(outcome())


def test_the_report_and_the_pages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = shown(outcome(prefect_url="http://prefect.example/runs/1"))
    assert f"\nreport .rnnflow/runs/{RUN_ID}/report.html\n" in text
    assert "\nMLflow http://tracking.example:5000\n" in text
    assert "\nPrefect http://prefect.example/runs/1\n" in text


def test_commands_name_a_work_directory_that_is_not_the_default() -> None:
    assert "--work-dir" not in shown(outcome())
    text = shown(outcome(), Path("/data/work"))
    assert "rnnflow compare demo --work-dir /data/work" in text
    assert "rnnflow rollback demo --work-dir /data/work" in text
    assert f"/data/work/runs/{RUN_ID}/report.html" in text


def test_a_reason_may_hold_what_looks_like_markup() -> None:
    assert "Refused: [bold] is no label [/]" in shown(
        outcome(status="refused", reason="Refused: [bold] is no label [/]")
    )


def test_mlflows_own_database_is_shown_as_the_command_that_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = f"sqlite:///{tmp_path}/.rnnflow/mlflow.db"
    assert mlflow_command(inside) == "mlflow ui --backend-store-uri sqlite:///.rnnflow/mlflow.db"
    outside = "sqlite:////elsewhere/mlflow.db"
    assert mlflow_command(outside) == f"mlflow ui --backend-store-uri {outside}"


def test_intervals_of_the_summary_are_those_of_the_metrics() -> None:
    accuracy = METRICS.overall["accuracy"]
    assert f"[{accuracy.low:.3f}, {accuracy.high:.3f}]" in shown(outcome())


def test_an_older_run_may_lack_a_metric_or_have_one_that_is_gone() -> None:
    older = {"accuracy": METRICS.overall["accuracy"], "gone": METRICS.overall["ece"]}
    text = shown(outcome(metrics=dataclasses.replace(METRICS, overall=older)))
    assert "accuracy 0.978" in text
    assert "ECE" not in text


def test_commands_can_be_pasted_whatever_the_directory_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = shown(outcome(), Path("my work"))
    assert "rnnflow compare demo --work-dir 'my work'" in text
    database = f"sqlite:///{tmp_path}/my work/mlflow.db"
    assert mlflow_command(database) == (
        "mlflow ui --backend-store-uri 'sqlite:///my work/mlflow.db'"
    )


def test_the_saved_model_of_the_run_is_named() -> None:
    stage = StageOutcome("export", "SavedModel", 0.1, False, "/work/artifacts/export/ab")
    assert f"\nSavedModel /work/artifacts/export/ab/{SAVED_MODEL}\n" in shown(
        outcome(stages=(stage,))
    )
    assert "\nSavedModel " not in shown(outcome())


def test_a_long_name_keeps_its_distance_from_what_follows() -> None:
    overall = {**METRICS.overall, "average_precision": METRICS.overall["accuracy"]}
    ended = outcome(metrics=dataclasses.replace(METRICS, overall=overall))
    assert "avg. precision 0.978" in shown(ended)
