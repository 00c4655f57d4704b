"""The commands for the model that serves."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.group import WORK_DIR, rnnflow


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
@click.argument("data", type=click.Path(allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, not a table.")
@WORK_DIR
def check(name: str, data: str, as_json: bool, work_dir: Path) -> None:
    """Say whether the rows of DATA are like those that NAME's champion was trained on.

    DATA is what `predict` takes; ids and labels are not needed. Exit code 3 means drift.
    """
    from pipelines.commands.check import check as check_rows

    raise SystemExit(check_rows(name, data, as_json, work_dir))


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
