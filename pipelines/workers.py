"""The training workers as a run sees them: how many there are, and what they print."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from components.errors import UserError
from components.workers.cluster import TF_CONFIG, WorkerCluster
from pipelines.config import PipelineConfig

_OUTPUT = logging.getLogger("rnnflow.workers")


def with_workers(
    config: PipelineConfig, workers: int | None, cluster: WorkerCluster | None
) -> PipelineConfig:
    """The config with as many workers as the cluster has, or as the command line asks for.

    Raises:
        UserError: the two differ.
    """
    if cluster is not None and workers not in (None, cluster.size):
        raise UserError(
            f"expected --workers {cluster.size}, or no --workers, in a cluster of {cluster.size} "
            f"workers; got --workers {workers}."
        )
    count = cluster.size if cluster else workers or config.training.workers
    return dataclasses.replace(config, training=dataclasses.replace(config.training, workers=count))


@contextlib.contextmanager
def outside_of_cluster() -> Iterator[None]:
    """Hides ``TF_CONFIG`` meanwhile: the process of a run evaluates and exports alone.

    Its training workers are given a ``TF_CONFIG`` of their own.
    """
    text = os.environ.pop(TF_CONFIG, None)
    try:
        yield
    finally:
        if text is not None:
            os.environ[TF_CONFIG] = text


@contextlib.contextmanager
def shown_output(console: Console) -> Iterator[None]:
    """Shows every line of the workers, and how they end, while this is open."""
    handler = _ConsoleHandler(console)
    level = _OUTPUT.level
    _OUTPUT.setLevel(logging.INFO)
    _OUTPUT.addHandler(handler)
    try:
        yield
    finally:
        _OUTPUT.removeHandler(handler)
        _OUTPUT.setLevel(level)


class _ConsoleHandler(logging.Handler):
    """Prints above a line that is being updated, which a stream's handler would break up."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        self._console.print(Text(f"  {record.getMessage()}", style=style))
