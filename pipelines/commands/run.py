"""The verbs that run the flow: the whole of it, or up to one stage."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from components.errors import BusyError, RnnflowError, ServerAwayError, UserError
from components.runtime.libraries import tensorflow_loading
from components.training.follower import join_cluster
from components.workers.cluster import find_cluster
from components.workers.supervisor import raising_sigterm
from pipelines.commands.summary import print_summary
from pipelines.config import load_config, preloaded
from pipelines.console import make_console, printable, show_servers
from pipelines.provenance import versions
from pipelines.servers.prefect_server import prefect_server
from pipelines.work_directory import CONFIG, ERROR, Outcome, WorkDirectory, new_run_id
from pipelines.workers import shown_output, with_workers


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
    return run_pipeline(config, work_dir, workers, until=stage, rerun=rerun)


def run_pipeline(
    path: Path,
    work_dir: Path,
    workers: int | None = None,
    *,
    until: str | None = None,
    rerun: str | None = None,
) -> int:
    """Runs the pipeline of a config file, up to a stage if one is named; returns the exit code.

    A worker other than the first of a cluster trains for that one instead.
    """
    cluster = find_cluster(os.environ)
    config = with_workers(load_config(path), workers, cluster)
    work = WorkDirectory(work_dir.resolve())
    console = make_console()
    console.print(f"[bold]rnnflow {versions()['rnnflow']}[/]  {config.name}", end="  ")
    if cluster is not None and not cluster.is_chief:
        console.print(f"worker {cluster.index} of {cluster.size}")
        with shown_output(console):
            join_cluster(work.cluster / cluster.key, cluster, config.launch)
        return 0
    run_id = new_run_id()
    console.print(f"run {run_id}")
    # Before there is a flow run, which Prefect would list. The flow takes the lock again: of a run
    # that comes in between, its state tells.
    with work.lock(run_id):
        pass
    show_servers()
    with preloaded(config), _flow(console) as training_flow:
        try:
            state = training_flow(
                str(path.resolve()), str(work.root), run_id, until, rerun, workers,
                return_state=True,
            )  # fmt: skip
        except ServerAwayError as away:
            outcome = work.find_outcome(run_id)
            if outcome is None:
                raise  # Prefect went away before the run had begun
            return _end_unreported(console, outcome, work_dir, away)
    if state.is_cancelled():
        raise BusyError(state.message or "another run is in progress.")
    outcome = work.find_outcome(run_id)
    if outcome is None or outcome.status == "failed":
        error = state.result(raise_on_failure=False)
        if isinstance(error, RnnflowError):
            raise error
        assert isinstance(error, BaseException), f"a failed flow run holds its error, not {error!r}"
        raise RnnflowError(
            f"{type(error).__name__}: {error}\n"
            f"  The whole trace is in {work.runs / run_id / ERROR}."
        ) from error
    print_summary(console, outcome, work_dir)
    return outcome.exit_code


def _end_unreported(
    console: Console, outcome: Outcome, work_dir: Path, away: ServerAwayError
) -> int:
    """Shows how a run ended whose end Prefect did not take; returns the exit code of the run."""
    if outcome.status == "failed":
        click.echo(printable(f"rnnflow: {outcome.reason}", keep="\n"), err=True)
    else:
        print_summary(console, outcome, work_dir)
        text = (
            f"rnnflow: the run is over ({outcome.status}), but its end could not be reported: "
            f"{away} The next run of the work directory reports it."
        )
        click.echo(printable(text), err=True)
    return outcome.exit_code


@contextlib.contextmanager
def _flow(console: Console) -> Iterator[Callable[..., Any]]:
    """Yields the flow, with a server to run on, while TensorFlow is loaded in the background."""
    # Prefect sends its last log lines when the process ends: its server must run until then.
    lifetime = contextlib.ExitStack()
    atexit.register(lifetime.close)
    with raising_sigterm(), tensorflow_loading():
        with console.status("starting Prefect ..."):
            wait_for_server = lifetime.enter_context(prefect_server())
            # Imported here, so that an error in the config is reported before the slow imports,
            # and the server starts meanwhile.
            from pipelines.training import training_flow

            wait_for_server()
        yield training_flow
