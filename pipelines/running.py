"""The verbs that run the flow: the whole of it, or up to one stage."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from components.errors import RnnflowError, UserError
from pipelines.config import load_config
from pipelines.console import make_console
from pipelines.provenance import versions
from pipelines.summary import print_summary
from pipelines.work_directory import CONFIG, ERROR, Outcome, WorkDirectory, new_run_id


def run(config: Path, work_dir: Path) -> int:
    """Runs the pipeline; returns the exit code."""
    return _run(config, work_dir, until=None, rerun=None)


def run_until(
    stage: str, config: Path | None, run_id: str | None, force: bool, work_dir: Path
) -> int:
    """Runs the pipeline up to a stage, on a config or on the artifacts of a run.

    Raises:
      UserError: both a config and a run are named.
      NotFoundError: there is no such run.
    """
    if config is not None and run_id is not None:
        raise UserError(f"give a config ({config}) or --run {run_id}, not both.")
    if config is None:
        config = WorkDirectory(work_dir.resolve()).run(run_id) / CONFIG
    return _run(config, work_dir, until=stage, rerun=stage if force else None)


def _run(config: Path, work_dir: Path, until: str | None, rerun: str | None) -> int:
    name = load_config(config).name
    console = make_console()
    run_id = new_run_id()
    console.print(f"[bold]rnnflow {versions()['rnnflow']}[/]  {name}  run {run_id}")
    outcome = _call_flow(console, config, work_dir, run_id, until, rerun)
    print_summary(console, outcome, work_dir)
    return outcome.exit_code


def _call_flow(
    console: Console,
    config: Path,
    work_dir: Path,
    run_id: str,
    until: str | None,
    rerun: str | None,
) -> Outcome:
    with console.status("starting Prefect and MLflow ..."):
        # Here, so that a fault in the config or the arguments is told before the slow imports.
        from pipelines.training import training_flow
    state = training_flow(
        str(config.resolve()), str(work_dir.resolve()), run_id, until, rerun, return_state=True
    )
    outcome = WorkDirectory(work_dir.resolve()).find_outcome(run_id)
    if outcome is not None and outcome.status != "failed":
        return outcome
    error = state.result(raise_on_failure=False)
    if isinstance(error, RnnflowError):
        raise error
    assert isinstance(error, BaseException), f"a failed flow run holds its error, not {error!r}"
    raise RnnflowError(_unexpected(error, work_dir, run_id)) from error


def _unexpected(error: BaseException, work_dir: Path, run_id: str) -> str:
    log = WorkDirectory(work_dir.resolve()).runs / run_id / ERROR
    return f"{type(error).__name__}: {error}\n  The whole trace is in {log}."
