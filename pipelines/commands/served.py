"""``rnnflow check --served`` and ``rnnflow feedback``: what the log of a server says of a model."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.config import ColumnsConfig
from components.data.sources.columnar import Table as TableSource
from components.data.sources.formats import files_of, local_path, source_of
from components.data.sources.source import Source
from components.errors import RegistryError, StorageError, UserError
from components.monitoring.feedback import judge, read_labels
from components.monitoring.findings import Feedback, ServedCheck, write_last
from components.monitoring.logged import ServedLog
from components.monitoring.record import experiment_of, record
from components.monitoring.served_check import check_served as find_in_log
from pipelines.commands.check import DRIFTED, champion_sample, print_drift
from pipelines.console import make_console
from pipelines.stage_records import interval_text
from pipelines.work_directory import WorkDirectory

_SHOWN = 20
_HOUR_SECONDS = 3_600


def check_served(
    name: str, folder: Path, last_hours: float | None, as_json: bool, work_dir: Path
) -> int:
    """Prints how the logged requests differ, and what was answered; returns the exit code.

    What is found is kept in the folder, where the server reads it, and in MLflow.

    Args:
        name: the registered model.
        folder: of the log.
        last_hours: older answers are passed over.
        as_json: one JSON object in place of tables.
        work_dir: the work directory.

    Raises:
        NotFoundError: there is no log, no champion, or it keeps no sample of its rows.
        DataError: there are too few rows.
        RegistryError: the registry is unreachable.
    """
    log = _log(folder, last_hours)
    work = WorkDirectory.at(work_dir)
    version, schema, reference = champion_sample(name, work)
    found = find_in_log(log, schema, reference, version)
    if as_json:
        values = dataclasses.asdict(found)
        # The keys of a check of rows, and those of the answers beside them.
        click.echo(json.dumps({**values.pop("drift"), **values}, ensure_ascii=False))
    else:
        print_drift(name, found.drift, found.invalid_rows)
        _print_answers(make_console(), found)
    _keep(name, found, _told(found), folder, work)
    return DRIFTED if found.drift.alarms else 0


def feedback(
    name: str,
    file: str,
    folder: Path,
    row_id: str,
    label: str,
    last_hours: float | None,
    as_json: bool,
    work_dir: Path,
) -> None:
    """Prints how often each version was right.

    What is found is kept in the folder, where the server reads it, and in MLflow.

    Args:
        name: the registered model.
        file: has an id and a label a row.
        folder: of the log.
        row_id: what the file calls the id.
        label: what the file calls the label.
        last_hours: older answers are passed over.
        as_json: one JSON object in place of a table.
        work_dir: the work directory.

    Raises:
        NotFoundError: there is no file, or no log.
        UserError: the file has no such column.
        DataError: the file has no labels, or none of its ids is in the log.
    """
    columns = ColumnsConfig(id=row_id, label=label)
    sources = [source_of(local_path(each), columns) for each in files_of(file)]
    for source in sources:
        source.check_readable()
        _check_columns(source, row_id, label)
    log = _log(folder, last_hours)
    work = WorkDirectory.at(work_dir)
    pairs = (pair for source in sources for pair in _pairs(source, row_id, label))
    found = judge(log, read_labels(pairs))
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(found), "unmatched": found.unmatched}))
    else:
        _print_feedback(make_console(), name, found)
    _keep(name, found, _told_feedback(found), folder, work)


def _log(folder: Path, last_hours: float | None) -> ServedLog:
    hours = last_hours or 0.0
    return ServedLog(folder, time.time() - hours * _HOUR_SECONDS if hours else 0.0)


def _pairs(source: Source, row_id: str, label: str) -> Iterator[tuple[Any, Any]]:
    """The id and the label of each row."""
    # The rows of a table have both under their usual names, whatever its columns are called.
    keys = ("id", "label") if isinstance(source, TableSource) else (row_id, label)
    for row in chain.from_iterable(source.parts()):
        values = row.values if isinstance(row.values, dict) else {}
        yield values.get(keys[0]), values.get(keys[1])


def _check_columns(source: Source, row_id: str, label: str) -> None:
    if not isinstance(source, TableSource):
        return
    names = source.column_names()
    for option, name in (("--id", row_id), ("--label", label)):
        if name not in names:
            raise UserError(
                f"{source.path} has no column {name!r}; it has {', '.join(names[:12])}: name the "
                f"one that is meant with {option}."
            )


def _keep(
    name: str, found: ServedCheck | Feedback, told: str, folder: Path, work: WorkDirectory
) -> None:
    """Keeps findings, which are printed by now: that they cannot be kept changes no exit code."""
    try:
        write_last(folder, found)
    except StorageError as error:
        click.echo(f"rnnflow: not shown in the server's /metrics: {error}", err=True)
    try:
        record(name, found, told, work.tracking_uri)
    except RegistryError as error:
        click.echo(f"rnnflow: not in MLflow: {error}", err=True)
        return
    click.echo(f"In MLflow: experiment {experiment_of(name)}.", err=True)


def _print_answers(console: Console, found: ServedCheck) -> None:
    if found.not_compared:
        console.print(f"Not in the log, and not compared: {escape(', '.join(found.not_compared))}.")
    if found.unreadable_lines:
        console.print(f"{found.unreadable_lines:,} lines of the log cannot be read.")
    version, own = found.drift.version, found.of_champion
    if own is None:
        console.print(f"Version {version}, the champion, has no answer in the log.")
    else:
        trained, shares = found.training_labels, own.shares
        table = Table(title=f"answers of version {version}: {own.rows:,} rows")
        for column in ("label", "answered", "trained on", "difference"):
            table.add_column(column, justify="left" if column == "label" else "right")
        labels = sorted(
            shares | trained, key=lambda each: -abs(shares.get(each, 0.0) - trained.get(each, 0.0))
        )
        for label in labels[:_SHOWN]:
            pair = shares.get(label, 0.0), trained.get(label, 0.0)
            cells = (f"{pair[0]:.1%}", f"{pair[1]:.1%}", f"{100 * (pair[0] - pair[1]):+.1f} points")
            table.add_row(escape(label), *cells)
        console.print(table)
        if (more := len(labels) - _SHOWN) > 0:
            console.print(f"{more:,} labels with smaller differences are not shown.")
    for line in _estimates(found):
        console.print(line)


def _estimates(found: ServedCheck) -> list[str]:
    lines = [
        f"Estimated accuracy of version {each.version}: {each.confidence:.3f}, the mean "
        f"probability of its answers to {each.rows:,} rows."
        for each in found.answers
        if each.confidence is not None
    ]
    if lines:
        drifted = " Here drift was found, so that they may not be." if found.drift.alarms else ""
        lines.append(
            "An estimate and no measurement: it presumes that the probabilities are as well "
            f"calibrated on these rows as on those of the training.{drifted} `rnnflow feedback` "
            "measures it once labels have come."
        )
    return lines


def _told(found: ServedCheck) -> str:
    return " ".join([f"{found.drift.told}.", *_estimates(found)])


def _print_feedback(console: Console, name: str, found: Feedback) -> None:
    table = Table(title=f"{name}: answers whose label has come")
    for column in ("version", "rows", "accuracy", "estimated"):
        table.add_column(column, justify="right")
    for each in found.versions:
        estimated = "-" if each.confidence is None else f"{each.confidence:.3f}"
        table.add_row(
            str(each.version), f"{each.rows:,}", escape(interval_text(each.accuracy)), estimated
        )
    console.print(table)
    for line in _counts(found):
        console.print(line)


def _counts(found: Feedback) -> list[str]:
    """What is in no accuracy, and why."""
    lines = [
        f"{found.matched:,} of {found.labelled:,} ids with a label are in the log. Not there: "
        f"{found.unmatched:,} (not sampled, removed with an old file, or another id)."
    ]
    counts: list[tuple[int, str]] = [
        (found.contradicting, "ids come with several labels and are left out."),
        (found.invalid, "rows have no id or no label and are left out."),
        (found.misfits, "answers have another number of steps than their labels; left out."),
        (found.unlabelled, "logged answers have no label yet."),
    ]
    return lines + [f"{count:,} {words}" for count, words in counts if count]


def _told_feedback(found: Feedback) -> str:
    right: list[Any] = [
        f"Version {each.version}: accuracy {interval_text(each.accuracy)} on {each.rows:,} rows."
        for each in found.versions
    ]
    return " ".join([*right, *_counts(found)])
