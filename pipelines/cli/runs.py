"""The commands that make runs, or show them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from components.errors import UserError
from pipelines.cli.group import CONFIG, SET, WORK_DIR, WORKERS, rnnflow

_Command = TypeVar("_Command", bound=Callable[..., Any])


@rnnflow.command()
@click.argument("data", type=click.Path())
@click.option("--test", type=click.Path(), help="The test rows.")
@click.option("--validation", type=click.Path(), help="The validation rows.")
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
    data: str,
    test: str | None,
    validation: str | None,
    row_id: str | None,
    label: str | None,
    group: str | None,
    time: str | None,
    output: Path | None,
    name: str | None,
    force: bool,
) -> None:
    """Look at DATA and write a config to read and edit.

    DATA is JSONL (also .gz or .zst), Parquet, Arrow, CSV, TSV or .ts, or a directory of such files;
    or the URL of one, such as s3://bucket/rows.parquet.
    """
    from pipelines.commands.init import write_config

    write_config(
        data, test, validation, output, name, force,
        row_id=row_id, label=label, group=group, time=time,
    )  # fmt: skip


@rnnflow.command()
@CONFIG
@SET
@WORKERS
@WORK_DIR
def run(config: Path, settings: tuple[str, ...], workers: int | None, work_dir: Path) -> None:
    """Run the whole pipeline of CONFIG.

    What did not change since an earlier run is reused.
    """
    from pipelines.commands.run import run_pipeline

    sys.exit(run_pipeline(config, work_dir, workers, settings=settings))


@rnnflow.command()
@CONFIG
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="KEY=VALUES",
    help="What varies: model.units=[32],[64],[128], or a range such as "
    "model.optimizer.learning_rate=log:1e-4..1e-2; may be repeated.",
)
@click.option(
    "--trials", default=20, show_default=True, type=click.IntRange(min=1), help="How many to train."
)
@click.option(
    "--parallel",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many at a time.",
)
@click.option("--no-run", is_flag=True, help="Do not run the best settings at the end.")
@SET
@WORK_DIR
def sweep(
    config: Path,
    parameters: tuple[str, ...],
    trials: int,
    parallel: int,
    no_run: bool,
    settings: tuple[str, ...],
    work_dir: Path,
) -> None:
    """Train CONFIG with many settings, and run the best of them.

    Trials are compared on the validation split. The best settings are then run like any other
    config, test split and gate included. A sweep that was stopped goes on from there.
    """
    from pipelines.sweeps.sweep import sweep

    code = sweep(config, parameters, trials, parallel, work_dir, settings, run_best=not no_run)
    sys.exit(code)


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
    @SET
    @WORKERS
    @WORK_DIR
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
@SET
@WORKERS
@click.option(
    "--power",
    is_flag=True,
    help="Decide nothing: say how many test rows it takes to see a difference of some points.",
)
@WORK_DIR
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
@SET
@WORKERS
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Copy the SavedModel to this new directory: of CONFIG, of --run, of --version, or, "
    "without any of them, of the champion.",
)
@click.option("--version", type=int, help="With --output: this registered version; trains nothing.")
@WORK_DIR
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
@click.option(
    "--last", default=5, show_default=True, type=click.IntRange(min=1), help="How many runs."
)
@WORK_DIR
def compare(name: str, last: int, work_dir: Path) -> None:
    """Show the last runs of NAME side by side.

    Each metric with its 95 % interval and the difference to the run before.
    """
    from pipelines.commands.status import compare_runs

    compare_runs(name, last, work_dir)


@rnnflow.command()
@click.option("--run", "run_id", help="Show this run's summary; the newest by default.")
@click.option("--all", "everything", is_flag=True, help="Every run and version, not the last ten.")
@WORK_DIR
def status(run_id: str | None, everything: bool, work_dir: Path) -> None:
    """Show runs, model versions and the summary of a run."""
    from pipelines.commands.status import show_status

    show_status(run_id, work_dir, everything)


@rnnflow.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@WORK_DIR
def clean(config: Path | None, dry_run: bool, work_dir: Path) -> None:
    """Remove past runs now, as `retention` in their configs says.

    Each run does this at its end. With CONFIG, only the runs of its name, by its `retention`.
    """
    from pipelines.commands.clean import clean

    clean(config, dry_run, work_dir)


@rnnflow.command()
@CONFIG
@click.option("--cron", help="When to run, such as '0 3 * * *'.")
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of --cron.")
@click.option("--every", help="Or how often to run, such as 30m, 6h or 1d.")
@click.option(
    "--when",
    type=click.Choice(["always", "new-data"]),
    default="always",
    show_default=True,
    help="new-data: skip a run if neither the rows nor the config have changed.",
)
@click.option(
    "--overlap",
    type=click.Choice(["refuse", "queue"]),
    default="refuse",
    show_default=True,
    help="What becomes of a run that is due during another.",
)
@SET
@WORK_DIR
def schedule(
    config: Path,
    cron: str | None,
    timezone: str,
    every: str | None,
    when: str,
    overlap: str,
    settings: tuple[str, ...],
    work_dir: Path,
) -> None:
    """Run CONFIG on a schedule, one run at a time.

    Serves a Prefect deployment until it is stopped. Of runs that were due while nothing served
    it, one is made.
    """
    from pipelines.commands.schedule import Due, serve

    serve(config, Due(cron, timezone, every, when, overlap), work_dir, settings)
