"""The command line, ``rnnflow``.

Exit codes: 0 promoted, proposed, unchanged or done, 1 an error, 2 the user's mistake, 3 refused
by the gate.

Each verb imports what it needs when it is called: ``--help`` answers at once, without TensorFlow.
"""

from __future__ import annotations

import sys

import click

from components.errors import RnnflowError
from pipelines.cli import models, runs
from pipelines.cli.group import rnnflow

__all__ = ["main", "models", "rnnflow", "runs"]


def main() -> None:
    """The entry point: a mistake of the user, or a known error, is a message and an exit code."""
    try:
        rnnflow()
    except RnnflowError as error:
        from pipelines.console import printable

        click.echo(printable(f"rnnflow: {error}", keep="\n"), err=True)
        sys.exit(error.exit_code)
