"""The commands for the model that serves."""

from __future__ import annotations

from pathlib import Path

import click

from components.errors import UserError
from pipelines.cli.group import WORK_DIR, rnnflow

_LAST_HOURS = click.option(
    "--last-hours",
    type=click.FloatRange(min=0, min_open=True),
    help="Only answers of the last so many hours; all that are logged by default.",
)


@rnnflow.command()
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", default="promoted by hand", show_default=True, help="Kept in the record.")
@WORK_DIR
def promote(name: str, version: int, reason: str, work_dir: Path) -> None:
    """Make VERSION of NAME the champion, whatever the gate said."""
    from pipelines.commands import models

    models.promote(name, version, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--reason", required=True, help="Kept in the record.")
@WORK_DIR
def approve(name: str, version: int | None, reason: str, work_dir: Path) -> None:
    """Make the version of NAME that waits for approval the champion."""
    from pipelines.commands import models

    models.approve(name, version, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--reason", required=True, help="Kept in the record.")
@WORK_DIR
def reject(name: str, version: int | None, reason: str, work_dir: Path) -> None:
    """Take back the version of NAME that waits for approval."""
    from pipelines.commands import models

    models.reject(name, version, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.option(
    "--reason", default="rolled back by hand", show_default=True, help="Kept in the record."
)
@WORK_DIR
def rollback(name: str, reason: str, work_dir: Path) -> None:
    """Make the previous champion of NAME serve again."""
    from pipelines.commands import models

    models.rollback(name, reason, work_dir)


@rnnflow.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@WORK_DIR
def history(name: str, as_json: bool, work_dir: Path) -> None:
    """List the moves of NAME's champion: when, by whom, from, to, and why."""
    from pipelines.commands import models

    models.show_history(name, as_json, work_dir)


@rnnflow.command()
@click.argument("name")
@click.argument("data", type=click.Path(allow_dash=True))
@click.option(
    "--output", type=click.Path(path_type=Path), help="JSONL file; standard output without it."
)
@click.option("--version", type=int, help="This version of NAME instead of the champion.")
@click.option("--run", "run_id", help="The version that this run registered, promoted or refused.")
@click.option(
    "--top-k", type=click.IntRange(min=1), help="List the K most probable labels, not all."
)
@WORK_DIR
def predict(
    name: str,
    data: str,
    output: Path | None,
    version: int | None,
    run_id: str | None,
    top_k: int | None,
    work_dir: Path,
) -> None:
    """Score the rows of DATA with the champion of NAME.

    DATA is what `init` reads, a file, a directory or a URL, or - for JSONL from standard input;
    ids and labels are not needed. A row that cannot be used gets the reason.
    """
    from pipelines.commands import models

    models.predict(
        name, data, output, work_dir, version=version, run_id=run_id, top_k=top_k
    )  # fmt: skip


@rnnflow.command()
@click.argument("name")
@click.argument("data", type=click.Path(allow_dash=True), required=False)
@click.option(
    "--served",
    type=click.Path(path_type=Path),
    help="In place of DATA the requests that `serve --log` has logged in this folder.",
)
@_LAST_HOURS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, not a table.")
@WORK_DIR
def check(
    name: str,
    data: str | None,
    served: Path | None,
    last_hours: float | None,
    as_json: bool,
    work_dir: Path,
) -> None:
    """Say whether the rows of DATA are like those that NAME's champion was trained on.

    DATA is what `predict` takes; ids and labels are not needed. With --served also which labels
    are answered, and about how often they are right. Exit code 3 means drift.
    """
    if (data is None) == (served is None):
        raise UserError("expected DATA or --served FOLDER, one of the two.")
    if served is not None:
        from pipelines.commands.served import check_served

        raise SystemExit(check_served(name, served, last_hours, as_json, work_dir))
    if last_hours is not None:
        raise UserError("--last-hours goes with --served: rows of DATA have no times.")
    from pipelines.commands.check import check as check_rows

    raise SystemExit(check_rows(name, str(data), as_json, work_dir))


@rnnflow.command()
@click.argument("name")
@click.argument("file", type=click.Path())
@click.option(
    "--served",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder in which `serve --log` has logged the answers.",
)
@click.option(
    "--id", "row_id", default="id", show_default=True, help="What FILE calls the id of a row."
)
@click.option("--label", default="label", show_default=True, help="What FILE calls the true label.")
@_LAST_HOURS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, not a table.")
@WORK_DIR
def feedback(
    name: str,
    file: str,
    served: Path,
    row_id: str,
    label: str,
    last_hours: float | None,
    as_json: bool,
    work_dir: Path,
) -> None:
    """Say how often NAME was right, by the labels of FILE that came after its answers.

    FILE has an id and a label a row, as JSONL, CSV or what else `init` reads.
    """
    from pipelines.commands.served import feedback as judge

    judge(name, file, served, row_id, label, last_hours, as_json, work_dir)


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
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="Log a sample of the rows and their answers in this folder, as JSONL.",
)
@click.option(
    "--log-share",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the rows that is logged, drawn at random.",
)
@click.option(
    "--log-drop",
    multiple=True,
    metavar="FIELD",
    help="Leave this field out of the log: id, or any other of a row; may be repeated.",
)
@click.option(
    "--log-max-bytes",
    default=1 << 30,
    show_default=True,
    type=click.IntRange(min=1 << 20),
    help="Most bytes of the log; its oldest files are removed.",
)
@click.option(
    "--log-file-bytes",
    default=16 << 20,
    show_default=True,
    type=click.IntRange(min=1 << 16),
    help="Size of a file from which on another one is begun.",
)
@click.option(
    "--log-file-seconds",
    default=86_400.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="Age of a file from which on another one is begun.",
)
@WORK_DIR
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
    log: Path | None,
    log_share: float,
    log_drop: tuple[str, ...],
    log_max_bytes: int,
    log_file_bytes: int,
    log_file_seconds: float,
    work_dir: Path,
) -> None:
    """Answer requests over HTTP with the champion of NAME, until it is stopped.

    JSON rows at /predict, the Open Inference Protocol v2 at /v2; /docs shows both. A new champion
    takes over without a pause.
    """
    from components.monitoring.log_files import LogOptions
    from components.serving.limits import Batching, Limits
    from pipelines.commands.serve import serve as serve_champion

    if log is None and (log_drop or log_share < 1):
        raise UserError("--log-share and --log-drop say what is logged: give --log FOLDER, too.")
    logged = (
        None
        if log is None
        else LogOptions(
            log, log_share, frozenset(log_drop), log_max_bytes, log_file_bytes, log_file_seconds
        )
    )
    limits = Limits(max_body_bytes, max_request_rows, max_row_steps, max_waiting_rows)
    serve_champion(
        name, host, port, token_file, poll_seconds, drain_seconds, limits,
        Batching(batch_wait_ms, batch_rows), work_dir, logged,
    )  # fmt: skip
