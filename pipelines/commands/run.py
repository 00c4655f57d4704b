"""The verbs that run the flow: the whole of it, or up to one stage."""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from components.artifacts.storage import check_output_directory, copy_directory
from components.data.rows import check_files
from components.errors import BusyError, RnnflowError, ServerAwayError, UserError
from components.runtime.libraries import tensorflow_loading
from components.training.follower import join_cluster
from components.workers.cluster import find_cluster
from components.workers.supervisor import raising_sigterm
from pipelines.commands.summary import print_summary
from pipelines.config import check_runner_of, load_config, preloaded
from pipelines.console import make_console, printable, show_servers, work_dir_option
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
    settings: Sequence[str] = (),
    output: Path | None = None,
) -> int:
    """Runs the pipeline up to a stage, on a config or on the artifacts of a run.

    Raises:
        UserError: both a config and a run are named.
        NotFoundError: there is no such run.
    """
    if config is not None and run_id is not None:
        raise UserError(f"give a config ({config}) or --run {run_id}, not both.")
    if config is None:
        config = WorkDirectory.at(work_dir).run(run_id) / CONFIG
    rerun = stage if force else None
    return run_pipeline(
        config, work_dir, workers, until=stage, rerun=rerun, settings=settings, output=output
    )


def run_pipeline(
    path: Path,
    work_dir: Path,
    workers: int | None = None,
    *,
    until: str | None = None,
    rerun: str | None = None,
    settings: Sequence[str] = (),
    output: Path | None = None,
) -> int:
    """Runs the pipeline of a config file, up to a stage if one is named; returns the exit code.

    A worker other than the first of a cluster trains for that one instead.

    Args:
        path: the config file.
        work_dir: the work directory.
        workers: processes that train, instead of the config's number.
        until: the last stage to run; all of them if it is None.
        rerun: a stage that runs even though it could be reused.
        settings: ``KEY=VALUE``, which replace what the config says.
        output: the SavedModel is copied to this new directory.
    """
    # What can be refused is refused before anything heavy starts.
    if output is not None:
        check_output_directory(output)
    cluster = find_cluster(os.environ)
    config = with_workers(load_config(path, settings), workers, cluster)
    work = WorkDirectory.at(work_dir)
    if cluster is None or cluster.is_chief:
        check_files(config.data)
        check_runner_of(config)
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
        except KeyboardInterrupt:
            # Before the run had begun, or after its end.
            click.echo(_interrupted(work.find_outcome(run_id), path, settings, work_dir), err=True)
            return 128 + signal.SIGINT
    outcome = work.find_outcome(run_id)
    if outcome is not None and outcome.status == "interrupted":
        click.echo(_interrupted(outcome, path, settings, work_dir), err=True)
        return outcome.exit_code
    if state.is_cancelled():
        raise BusyError(state.message or "another run is in progress.")
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
    if output is not None and outcome.saved_model is not None:
        copy_directory(outcome.saved_model, output)
        console.print(f"SavedModel copied to {output}", markup=False)
    return outcome.exit_code


def _interrupted(
    outcome: Outcome | None, path: Path, settings: Sequence[str], work_dir: Path
) -> str:
    """What Ctrl-C or SIGTERM has left, and the command that goes on from there."""
    stages = ", ".join(stage.name for stage in outcome.stages) if outcome else ""
    by_sigterm = outcome is not None and outcome.exit_code == 128 + signal.SIGTERM
    end = "SIGTERM" if by_sigterm else "Ctrl-C"
    options = "".join(f" --set {shlex.quote(each)}" for each in settings)
    again = f"rnnflow run {shlex.quote(str(path))}{options}{work_dir_option(work_dir)}"
    return (
        f"rnnflow: stopped by {end}. Kept: {stages or 'no stage was finished'}; of a training, "
        f"what its last checkpoint holds. Go on with: {again}"
    )


def _end_unreported(
    console: Console, outcome: Outcome, work_dir: Path, away: ServerAwayError
) -> int:
    """Shows how a run ended whose end Prefect did not take; returns the exit code of the run."""
    if outcome.status in ("failed", "interrupted"):
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
