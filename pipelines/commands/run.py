"""The verbs that run the flow: the whole of it, or up to one stage."""

from __future__ import annotations

import atexit
import contextlib
import os
from pathlib import Path

from rich.console import Console

from components.errors import RnnflowError, UserError
from components.runtime.libraries import tensorflow_loading
from components.training.follower import join_cluster
from components.workers.cluster import find_cluster
from components.workers.supervisor import raising_sigterm
from pipelines.commands.summary import print_summary
from pipelines.config import load_config
from pipelines.console import make_console
from pipelines.prefect_server import prefect_server
from pipelines.provenance import versions
from pipelines.work_directory import CONFIG, ERROR, Outcome, WorkDirectory, new_run_id
from pipelines.workers import shown_output, with_workers


def run_pipeline(config: Path, work_dir: Path, workers: int | None = None) -> int:
    """Runs the whole pipeline; returns the exit code."""
    return _run(config, work_dir, until=None, rerun=None, workers=workers)


def run_until(
    stage: str,
    config: Path | None,
    run_id: str | None,
    force: bool,
    work_dir: Path,
    workers: int | None = None,
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
    rerun = stage if force else None
    return _run(config, work_dir, until=stage, rerun=rerun, workers=workers)


def _run(
    path: Path, work_dir: Path, until: str | None, rerun: str | None, workers: int | None
) -> int:
    cluster = find_cluster(os.environ)
    config = with_workers(load_config(path), workers, cluster)
    console = make_console()
    console.print(f"[bold]rnnflow {versions()['rnnflow']}[/]  {config.name}", end="  ")
    if cluster is not None and not cluster.is_chief:
        console.print(f"worker {cluster.index} of {cluster.size}")
        with shown_output(console):
            directory = WorkDirectory(work_dir.resolve()).cluster / cluster.key
            join_cluster(directory, cluster, config.launch)
        return 0
    run_id = new_run_id()
    console.print(f"run {run_id}")
    outcome = _call_flow(console, path, work_dir, run_id, until, rerun, workers)
    print_summary(console, outcome, work_dir)
    return outcome.exit_code


def _call_flow(
    console: Console,
    config: Path,
    work_dir: Path,
    run_id: str,
    until: str | None,
    rerun: str | None,
    workers: int | None,
) -> Outcome:
    # Prefect sends its last log lines when the process ends: its server must run until then.
    lifetime = contextlib.ExitStack()
    atexit.register(lifetime.close)
    with raising_sigterm(), tensorflow_loading():
        with console.status("starting Prefect ..."):
            wait_for_server = lifetime.enter_context(prefect_server())
            # Imported here, so that an error in the config is reported before the slow imports.
            from pipelines.training import training_flow

            wait_for_server()
        state = training_flow(
            str(config.resolve()), str(work_dir.resolve()), run_id, until, rerun, workers,
            return_state=True,
        )  # fmt: skip
    outcome = WorkDirectory(work_dir.resolve()).find_outcome(run_id)
    if outcome is not None and outcome.status != "failed":
        return outcome
    error = state.result(raise_on_failure=False)
    if isinstance(error, RnnflowError):
        raise error
    assert isinstance(error, BaseException), f"a failed flow run holds its error, not {error!r}"
    trace = WorkDirectory(work_dir.resolve()).runs / run_id / ERROR
    raise RnnflowError(
        f"{type(error).__name__}: {error}\n  The whole trace is in {trace}."
    ) from error
