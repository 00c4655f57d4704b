"""Rows beside those that the champion was trained on: of a run, or any others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pyarrow as pa

from components.artifacts.drift import Drift
from components.artifacts.schema import Schema, schema_directory
from components.artifacts.values import Champion, Examples
from components.data.passes.row_sample import RowSample, find_sample
from components.data.row_parsing import InvalidRow
from components.data.sources.source import Record
from components.data.splits.values import row_format_of
from components.drift.compare import LEAST_ROWS, compare, new_rows
from components.errors import DataError


def check_rows(
    source: Iterable[Record], schema: Schema, reference: pa.Table, version: int
) -> tuple[Drift, int]:
    """Compares any rows with those that a model was trained on; ids and labels are not needed.

    Args:
        source: the rows.
        schema: how the model reads them.
        reference: the sample of its training rows.
        version: of the model.

    Returns:
        What was found, and how many rows are invalid.

    Raises:
        DataError: there are too few rows.
    """
    form = row_format_of(schema)
    sample, invalid = RowSample(), 0
    for number, record in enumerate(source):
        row = record.parse(form)
        if isinstance(row, InvalidRow):
            invalid += 1
            continue
        # Requests have no ids, and a sample needs different ones.
        named = row if row.id else dataclasses.replace(row, id=f"row {number}")
        sample.add(named, row.labels or (), schema.features)
    rows = new_rows(reference, sample.table(), all_unknown=True) if sample.rows else ()
    if len(rows) < LEAST_ROWS:
        raise DataError(
            f"{len(rows):,} valid rows that version {version} was not trained on are too few to "
            f"compare: {LEAST_ROWS} are needed; {invalid:,} rows are invalid."
        )
    return Drift(version, len(rows), len(reference), compare(reference, rows)), invalid


def find_drift(
    champion: Champion | None, examples: Examples, on_drift: Literal["warn", "error"]
) -> Drift:
    """Compares the rows that came since the champion was trained with those that it was trained on.

    Args:
        champion: the version that serves, if there is one.
        examples: of the run; their training split is compared.
        on_drift: whether an alarm is an error.

    Raises:
        DataError: there is an alarm, and it is to be an error.
    """
    if champion is None:
        return Drift(None, 0, 0, (), "no champion yet")
    reference = find_sample(schema_directory(Path(champion.path)))
    rows = find_sample(Path(examples.path))
    if reference is None or rows is None:
        why = f"version {champion.version} keeps no sample of its rows: an older release made it"
        return Drift(champion.version, 0, 0, (), why)
    fresh = new_rows(reference, rows)
    if len(fresh) < LEAST_ROWS:
        why = f"{len(fresh):,} new rows since version {champion.version} are too few"
        return Drift(champion.version, len(fresh), len(reference), (), why)
    found = Drift(champion.version, len(fresh), len(reference), compare(reference, fresh))
    if found.alarms and on_drift == "error":
        raise DataError(
            f"{found.told}. Nothing is trained. See whether the new rows are as they should be; "
            "drift: warn goes on."
        )
    return found
