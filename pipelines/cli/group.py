"""The group of all commands, and the options that several of them have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from components.errors import RnnflowError

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


CONFIG = click.argument("config", type=click.Path(path_type=Path))
WORK_DIR = click.option(
    "--work-dir",
    type=click.Path(path_type=Path),
    default=Path(".rnnflow"),
    show_default=True,
    envvar="RNNFLOW_WORK_DIR",
    show_envvar=True,
    callback=_remember,
    help="Where artifacts, runs and, by default, MLflow's database are.",
)

SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a value of the config, such as training.max_steps=100; may be repeated.",
)

WORKERS = click.option(
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
