"""``rnnflow check``: whether rows are like those that the champion was trained on."""

from __future__ import annotations

import dataclasses
import json
from itertools import chain
from pathlib import Path

import click
import pyarrow as pa
from rich.markup import escape
from rich.table import Table

from components.artifacts.drift import Drift
from components.artifacts.schema import Schema, load_schema, schema_directory
from components.data.passes.row_sample import find_sample
from components.data.sources.formats import files_of, local_path, source_of
from components.data.sources.jsonl import StandardInput
from components.data.sources.source import Source
from components.drift.drift import check_rows
from components.errors import NotFoundError
from components.registry.registry import find_champion
from pipelines.console import make_console
from pipelines.work_directory import WorkDirectory

DRIFTED = 3
"""The exit code, as of a run that the gate refused."""
_SHOWN = 20


def check(name: str, data: Path | str, as_json: bool, work_dir: Path) -> int:
    """Prints how the rows differ; returns the exit code.

    Args:
        name: the registered model.
        data: the rows, as ``predict`` takes them.
        as_json: one JSON object in place of a table.
        work_dir: the work directory.

    Raises:
        NotFoundError: there is no champion, it keeps no sample of its rows, or there is no file.
        DataError: there are too few rows.
        RegistryError: the registry is unreachable.
    """
    sources: list[Source] = (
        [StandardInput()]
        if str(data) == "-"
        else [source_of(local_path(file)) for file in files_of(str(data))]
    )
    for source in sources:
        source.check_readable()  # before the model is fetched
    version, schema, reference = champion_sample(name, WorkDirectory.at(work_dir))
    sources = [dataclasses.replace(source, columns=schema.columns) for source in sources]
    records = chain.from_iterable(part for source in sources for part in source.parts())
    found, invalid = check_rows(records, schema, reference, version)
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(found), "invalid_rows": invalid}))
    else:
        print_drift(name, found, invalid)
    return DRIFTED if found.alarms else 0


def champion_sample(name: str, work: WorkDirectory) -> tuple[int, Schema, pa.Table]:
    """The champion's version, how it reads rows, and the sample of those that it was trained on.

    Raises:
        NotFoundError: there is no champion, or it keeps no sample of its rows.
        RegistryError: the registry is unreachable.
    """
    champion = find_champion(name, work.tracking_uri, work.champions)
    if champion is None:
        raise NotFoundError(
            f"{name} has no champion yet in {work.printed_tracking_uri}: there are no rows to "
            "compare with."
        )
    directory = schema_directory(Path(champion.path))
    reference = find_sample(directory)
    if reference is None:
        raise NotFoundError(
            f"version {champion.version} of {name} keeps no sample of the rows that it was trained "
            "on: an older release made it. The next run makes one that does."
        )
    return champion.version, load_schema(directory), reference


def print_drift(name: str, found: Drift, invalid: int) -> None:
    """Prints the largest differences, and how many checks found drift."""
    console = make_console()
    ignored = f"; {invalid:,} invalid rows were left out" if invalid else ""
    table = Table(title=f"{name}: {found.rows:,} rows beside {found.reference_rows:,} of version "
                  f"{found.version}")  # fmt: skip
    for column in ("", "what", "distance", "p", "trained on", "these rows"):
        table.add_column(column, no_wrap=column in {"", "distance", "p"}, overflow="fold")
    for one in found.checks[:_SHOWN]:
        table.add_row(
            "[red]drift[/]" if one.is_alarm else "",
            escape(one.name), f"{one.distance:.3f}", f"{one.p_value:.2g}",
            escape(one.before), escape(one.now),
        )  # fmt: skip
    console.print(table)
    if (more := len(found.checks) - _SHOWN) > 0:
        console.print(f"{more:,} checks with smaller distances are not shown.")
    count = len(found.alarms)
    console.print(
        f"{count:,} of {len(found.checks):,} checks found drift{ignored}."
        if count
        else f"No drift in {len(found.checks):,} checks{ignored}."
    )
