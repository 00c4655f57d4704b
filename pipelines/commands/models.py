"""The commands for the model that serves: promote, rollback, history, predict."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from components.artifacts.storage import write_atomically
from components.data.sources.formats import source_of
from components.errors import NotFoundError
from components.registry.registry import find_champion, list_moves
from components.registry.registry import promote as promote_version
from components.registry.registry import rollback as rollback_version
from pipelines.console import make_console
from pipelines.work_directory import WorkDirectory


def promote(name: str, version: int, reason: str, work_dir: Path) -> None:
    """Makes a version the champion.

    Raises:
        NotFoundError: there is no such version.
        RegistryError: the registry is unreachable or another process moved the champion.
    """
    uri = WorkDirectory(work_dir.resolve()).tracking_uri
    before = promote_version(name, version, tracking_uri=uri, reason=reason)
    was = f"version {before}" if before else "none"
    click.echo(f"{name}: version {version} is the champion (before: {was})")


def rollback(name: str, reason: str, work_dir: Path) -> None:
    """Makes the previous champion the champion again.

    Raises:
        NotFoundError: there is no champion or no previous one.
        RegistryError: the registry is unreachable or another process moved the champion.
    """
    uri = WorkDirectory(work_dir.resolve()).tracking_uri
    before, after = rollback_version(name, tracking_uri=uri, reason=reason)
    click.echo(f"{name}: version {after} is the champion again (before: version {before})")


def show_history(name: str, as_json: bool, work_dir: Path) -> None:
    """Prints every move of the champion, oldest first.

    Raises:
        NotFoundError: nothing of that name was ever promoted.
        RegistryError: the registry is unreachable.
    """
    work = WorkDirectory(work_dir.resolve())
    moves = list_moves(name, work.tracking_uri)
    if not moves:
        raise NotFoundError(
            f"{name} never had a champion in {work.printed_tracking_uri}: check the name, "
            "MLFLOW_TRACKING_URI and --work-dir."
        )
    if as_json:
        for move in moves:
            click.echo(json.dumps(dataclasses.asdict(move), ensure_ascii=False))
        return
    table = Table(title=f"champions of {name}")
    for column in ("when (UTC)", "who", "by", "from", "to", "why"):
        table.add_column(column, no_wrap=column not in {"who", "why"}, overflow="fold")
    for move in moves:
        versions = ("-" if each is None else str(each) for each in (move.before, move.after))
        when = move.when[:16].replace("T", " ")
        table.add_row(when, escape(move.who), move.action, *versions, escape(move.why))
    make_console().print(table)


def predict(name: str, data: Path, output: Path | None, work_dir: Path) -> None:
    """Scores a file with the champion and writes one JSON line per row, in order.

    Raises:
        NotFoundError: there is no champion yet, or no such file.
        DataError: no row is valid.
        RegistryError: the registry is unreachable.
    """
    source = source_of(str(data))
    source.check_readable()  # before TensorFlow is loaded and the champion is fetched
    work = WorkDirectory(work_dir.resolve())
    champion = find_champion(name, work.tracking_uri, work.champions)
    if champion is None:
        raise NotFoundError(
            f"{name} has no champion yet in {work.printed_tracking_uri}. `rnnflow run` promotes "
            f"one when the gate passes; `rnnflow promote {name} VERSION` does it by hand."
        )
    # Imported here, so that a missing file or champion is reported before the slow import.
    from components.export.batch_prediction import predict_rows

    predictions = predict_rows(champion, source)
    # As JSONL, in the order of the source, so that the output can be pasted beside the input.
    text = "".join(json.dumps(each.as_json(), ensure_ascii=False) + "\n" for each in predictions)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output, text)
    invalid = sum(each.error is not None for each in predictions)
    where = f" to {output}" if output else ""
    click.echo(
        f"{name} version {champion.version}: {len(predictions) - invalid:,} rows scored{where}, "
        f"{invalid:,} invalid",
        err=True,  # standard output may hold the predictions
    )
