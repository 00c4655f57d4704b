"""The command line, ``rnnflow``.

Exit codes: 0 promoted, proposed, unchanged or done, 1 an error, 2 the user's mistake, 3 refused
by the gate.

Each verb imports what it needs when it is called: ``--help`` answers at once, without TensorFlow.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from components.errors import RnnflowError, UserError

_Command = TypeVar("_Command", bound=Callable[..., Any])

_WORK_DIR_KEY = "rnnflow.work_dir"


def _remember(context: click.Context, _: click.Parameter, work_dir: Path) -> Path:
    """Keeps the work directory for the commands in the message of an error."""
    context.meta[_WORK_DIR_KEY] = work_dir
    return work_dir


class _Commands(click.Group):
    """Commands in messages can be pasted: they name the work directory that was given."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RnnflowError as error:
            from pipelines.console import with_work_dir

            message = with_work_dir(str(error), ctx.meta.get(_WORK_DIR_KEY))
            error.args = (message, *error.args[1:])
            raise


_CONFIG = click.argument("config", type=click.Path(path_type=Path))
_WORK_DIR = click.option(
    "--work-dir",
    type=click.Path(path_type=Path),
    default=Path(".rnnflow"),
    show_default=True,
    envvar="RNNFLOW_WORK_DIR",
    show_envvar=True,
    callback=_remember,
    help="Where artifacts, runs and, by default, MLflow's database are.",
)

_SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a value of the config, such as training.max_steps=100; may be repeated.",
)

_WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that train together, instead of the config's training.workers.",
)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="rnnflow", message="rnnflow %(version)s")
def rnnflow() -> None:
    """Labelled sequences in, a gated, registered and tracked RNN classifier out.

    Own data to a gated model: `rnnflow init DATA.jsonl`, then `rnnflow run DATA.yaml`.

    Exit codes: 0 promoted, proposed, unchanged or done, 1 an error, 2 your mistake, 3 refused by
    the gate.
    """


@rnnflow.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--test", type=click.Path(path_type=Path), help="The test rows.")
@click.option("--validation", type=click.Path(path_type=Path), help="The validation rows.")
@click.option("--id", "row_id", metavar="COLUMN", help="The column of a table that is the id.")
@click.option("--label", metavar="COLUMN", help="The column of a table that is the label.")
@click.option(
    "--group",
    metavar="NAME",
    help="Rows with the same value of it, such as a customer, stay together.",
)
@click.option("--time", metavar="NAME", help="By its value the newest rows are the test split.")
@click.option("--output", type=click.Path(path_type=Path), help="Default: DATA with .yaml.")
@click.option("--name", help="Name of the experiment and of the registered model.")
@click.option("--force", is_flag=True, help="Replace a config that exists.")
def init(
    data: Path,
    test: Path | None,
    validation: Path | None,
    row_id: str | None,
    label: str | None,
    group: str | None,
    time: str | None,
    output: Path | None,
    name: str | None,
    force: bool,
) -> None:
    """Look at DATA and write a config to read and edit.

    DATA is JSONL (also .gz or .zst), Parquet, Arrow, CSV, TSV or .ts, or a directory of such files.
    """
    from pipelines.commands.init import write_config

    write_config(
        data, test, validation, output, name, force,
        row_id=row_id, label=label, group=group, time=time,
    )  # fmt: skip


@rnnflow.command()
@_CONFIG
@_SET
@_WORKERS
@_WORK_DIR
def run(config: Path, settings: tuple[str, ...], workers: int | None, work_dir: Path) -> None:
    """Run the whole pipeline of CONFIG.

    What did not change since an earlier run is reused.
    """
    from pipelines.commands.run import run_pipeline

    sys.exit(run_pipeline(config, work_dir, workers, settings=settings))


_CONFIG_OR_NONE = click.argument("config", type=click.Path(path_type=Path), required=False)
_OF_RUN = click.option(
    "--run", "run_id", help="Take the config of this run; the newest by default."
)
_FORCE = click.option("--force", is_flag=True, help="Do it again even if it could be reused.")


# The three differ in their stage alone, so that one function defines them all.
def _stage_verb(name: str, stage: str, summary: str) -> None:
    @_CONFIG_OR_NONE
    @_OF_RUN
    @_FORCE
    @_SET
    @_WORKERS
    @_WORK_DIR
    def verb(
        config: Path | None,
        run_id: str | None,
        force: bool,
        settings: tuple[str, ...],
        workers: int | None,
        work_dir: Path,
    ) -> None:
        from pipelines.commands.run import run_until

        sys.exit(run_until(stage, config, run_id, force, work_dir, workers, settings))

    verb.__doc__ = f"{summary}\n\nWorks on CONFIG, or on the artifacts of a run."
    rnnflow.command(name)(verb)


_stage_verb("preprocess", "examples", "Validate, split and transform the rows; stop there.")
_stage_verb("train", "model", "Train the model; stop there.")
_stage_verb("evaluate", "metrics", "Measure the model on the test split; stop there.")


@rnnflow.command()
@_CONFIG_OR_NONE
@_OF_RUN
@_FORCE
@_SET
@_WORKERS
@click.option(
    "--power",
    is_flag=True,
    help="Decide nothing: say how many test rows it takes to see a difference of some points.",
)
@_WORK_DIR
def gate(
    config: Path | None,
    run_id: str | None,
    force: bool,
    settings: tuple[str, ...],
    workers: int | None,
    power: bool,
    work_dir: Path,
) -> None:
    """Decide whether the model may be promoted; promote nothing.

    Works on CONFIG, or on the artifacts of a run.
    """
    if power:
        from pipelines.commands.power import show_power

        show_power(config, run_id, work_dir)
        return
    from pipelines.commands.run import run_until

    sys.exit(run_until("decision", config, run_id, force, work_dir, workers, settings))


@rnnflow.command()
@_CONFIG_OR_NONE
@_OF_RUN
@_FORCE
@_SET
@_WORKERS
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Copy the SavedModel to this new directory: of CONFIG, of --run, of --version, or, "
    "without any of them, of the champion.",
)
@click.option("--version", type=int, help="With --output: this registered version; trains nothing.")
@_WORK_DIR
def export(
    config: Path | None,
    run_id: str | None,
    force: bool,
    settings: tuple[str, ...],
    workers: int | None,
    output: Path | None,
    version: int | None,
    work_dir: Path,
) -> None:
    """Export the model and check the export; stop there.

    Works on CONFIG, or on the artifacts of a run.
    """
    if output is not None and run_id is None and (version is not None or config is None):
        from pipelines.commands import models

        models.export_version(config, version, output, work_dir)
        return
    if version is not None:
        raise UserError("--version goes with --output, and not with --run.")
    from pipelines.commands.run import run_until

    sys.exit(run_until("export", config, run_id, force, work_dir, workers, settings, output))


@rnnflow.command()
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", default="promoted by hand", show_default=True, help="Kept in the record.")
@_WORK_DIR
def promote(name: str, version: int, reason: str, work_dir: Path) -> None:
    """Make VERSION of NAME the champion, whatever the gate said."""
    from pipelines.commands import models

    models.promote(name, version, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--reason", required=True, help="Kept in the record.")
@_WORK_DIR
def approve(name: str, version: int | None, reason: str, work_dir: Path) -> None:
    """Make the version of NAME that waits for approval the champion."""
    from pipelines.commands import models

    models.approve(name, version, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--reason", required=True, help="Kept in the record.")
@_WORK_DIR
def reject(name: str, version: int | None, reason: str, work_dir: Path) -> None:
    """Take back the version of NAME that waits for approval."""
    from pipelines.commands import models

    models.reject(name, version, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.option(
    "--reason", default="rolled back by hand", show_default=True, help="Kept in the record."
)
@_WORK_DIR
def rollback(name: str, reason: str, work_dir: Path) -> None:
    """Make the previous champion of NAME serve again."""
    from pipelines.commands import models

    models.rollback(name, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_WORK_DIR
def history(name: str, as_json: bool, work_dir: Path) -> None:
    """List the moves of NAME's champion: when, by whom, from, to, and why."""
    from pipelines.commands import models

    models.show_history(name, as_json, work_dir)


@rnnflow.command()
@click.argument("name")
@click.argument("data", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--output", type=click.Path(path_type=Path), help="JSONL file; standard output without it."
)
@click.option("--version", type=int, help="This version of NAME instead of the champion.")
@click.option("--run", "run_id", help="The version that this run registered, promoted or refused.")
@click.option(
    "--top-k", type=click.IntRange(min=1), help="List the K most probable labels, not all."
)
@_WORK_DIR
def predict(
    name: str,
    data: Path,
    output: Path | None,
    version: int | None,
    run_id: str | None,
    top_k: int | None,
    work_dir: Path,
) -> None:
    """Score the rows of DATA with the champion of NAME.

    DATA is a file or directory of any format that `init` reads, or - for JSONL from standard input;
    ids and labels are not needed. A row that cannot be used gets the reason.
    """
    from pipelines.commands import models

    models.predict(
        name, data, output, work_dir, version=version, run_id=run_id, top_k=top_k
    )  # fmt: skip


@rnnflow.command()
@click.argument("name")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; 0.0.0.0 for all, which needs a token.",
)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen at; 0 finds a free one.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="Holds the token that each request must have; RNNFLOW_SERVE_TOKEN may hold it instead.",
)
@click.option(
    "--poll-seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="How often the registry is asked for the champion.",
)
@click.option(
    "--drain-seconds",
    default=2.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="How long after SIGTERM requests are still taken, while /readyz says no.",
)
@click.option(
    "--batch-wait-ms",
    default=3.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="How long a batch waits for as many rows as came at a time before; a lone one never does.",
)
@click.option(
    "--batch-rows",
    default=64,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Most rows of a batch.",
)
@click.option(
    "--max-body-bytes",
    default=16 << 20,
    show_default=True,
    type=click.IntRange(min=1),
    help="Most bytes of a request's body.",
)
@click.option(
    "--max-request-rows",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Most rows of a request.",
)
@click.option(
    "--max-row-steps",
    type=click.IntRange(min=1),
    help="Most steps of a row; data.max_row_steps of the config by default.",
)
@click.option(
    "--max-waiting-rows",
    default=10_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Most rows that may wait; more are answered with 503.",
)
@_WORK_DIR
def serve(
    name: str,
    host: str,
    port: int,
    token_file: Path | None,
    poll_seconds: float,
    drain_seconds: float,
    batch_wait_ms: float,
    batch_rows: int,
    max_body_bytes: int,
    max_request_rows: int,
    max_row_steps: int | None,
    max_waiting_rows: int,
    work_dir: Path,
) -> None:
    """Answer requests over HTTP with the champion of NAME, until it is stopped.

    JSON rows at /predict, the Open Inference Protocol v2 at /v2; /docs shows both. A new champion
    takes over without a pause.
    """
    from components.serving.limits import Batching, Limits
    from pipelines.commands.serve import serve as serve_champion

    limits = Limits(max_body_bytes, max_request_rows, max_row_steps, max_waiting_rows)
    serve_champion(
        name, host, port, token_file, poll_seconds, drain_seconds, limits,
        Batching(batch_wait_ms, batch_rows), work_dir,
    )  # fmt: skip


@rnnflow.command()
@click.argument("name")
@click.option(
    "--last", default=5, show_default=True, type=click.IntRange(min=1), help="How many runs."
)
@_WORK_DIR
def compare(name: str, last: int, work_dir: Path) -> None:
    """Show the last runs of NAME side by side.

    Each metric with its 95 % interval and the difference to the run before.
    """
    from pipelines.commands.status import compare_runs

    compare_runs(name, last, work_dir)


@rnnflow.command()
@click.option("--run", "run_id", help="Show this run's summary; the newest by default.")
@click.option("--all", "everything", is_flag=True, help="Every run and version, not the last ten.")
@_WORK_DIR
def status(run_id: str | None, everything: bool, work_dir: Path) -> None:
    """Show runs, model versions and the summary of a run."""
    from pipelines.commands.status import show_status

    show_status(run_id, work_dir, everything)


@rnnflow.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@_WORK_DIR
def clean(config: Path | None, dry_run: bool, work_dir: Path) -> None:
    """Remove past runs now, as `retention` in their configs says.

    Each run does this at its end. With CONFIG, only the runs of its name, by its `retention`.
    """
    from pipelines.commands.clean import clean

    clean(config, dry_run, work_dir)


@rnnflow.command()
@_CONFIG
@click.option("--cron", required=True, help="When to run, such as '0 3 * * *'.")
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of --cron.")
@_SET
@_WORK_DIR
def schedule(
    config: Path, cron: str, timezone: str, settings: tuple[str, ...], work_dir: Path
) -> None:
    """Run CONFIG on a schedule, one run at a time.

    Serves a Prefect deployment until it is stopped; overlapping runs are refused.
    """
    from pipelines.commands.schedule import serve

    serve(config, cron, timezone, work_dir, settings)


def main() -> None:
    """The entry point: a mistake of the user, or a known error, is a message and an exit code."""
    try:
        rnnflow()
    except RnnflowError as error:
        from pipelines.console import printable

        click.echo(printable(f"rnnflow: {error}", keep="\n"), err=True)
        sys.exit(error.exit_code)
