"""The values of a row by which it is split, where the config names some: its group and its time."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import Any

from components.artifacts.schema import Schema
from components.config import DataConfig
from components.data.row_parsing import InvalidRow, Row, RowFormat, json_type
from components.features.config import FeaturesConfig


def row_format(features: FeaturesConfig, data: DataConfig) -> RowFormat:
    """The format of the rows of a run, which have what they are split by."""
    form = RowFormat.of(features, data.max_row_steps, data.label, truncate=data.truncate)
    return dataclasses.replace(form, group=data.split.group, time=data.split.time)


def row_format_of(schema: Schema, *, needs_key: bool = False) -> RowFormat:
    """The format of rows for a model with this schema, which need no id and no label."""
    return RowFormat.of(
        schema.features,
        schema.max_row_steps,
        schema.label,
        truncate=schema.truncate,
        needs_key=needs_key,
    )


def with_split_values(row: Row, values: Any, form: RowFormat) -> Row | InvalidRow:
    """The row with its group and its time, from its plain values, or why it has none.

    Both stand beside the label or in the context.
    """
    for name, read in ((form.group, _with_group), (form.time, _with_seconds)):
        if name is None:
            continue
        value = values.get(name)
        if value is None and isinstance(values.get("context"), dict):
            value = values["context"].get(name)
        if value is None or value == "":
            return InvalidRow(f"{name!r} is missing, by which rows are split", missing=name)
        found = read(row, name, value)
        if isinstance(found, InvalidRow):
            return found
        row = found
    return row


def _with_group(row: Row, name: str, value: Any) -> Row | InvalidRow:
    if type(value) not in (str, int):
        what = f"{name!r} is neither a string nor a whole number"
        return InvalidRow(what, f"it is {json_type(value)}")
    return dataclasses.replace(row, group=str(value))


def _with_seconds(row: Row, name: str, value: Any) -> Row | InvalidRow:
    what = f"{name!r} is no time"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return InvalidRow(what, f"expected ISO 8601 or seconds since 1970, got {value!r}")
    if isinstance(value, datetime):
        # Without a zone it is UTC, as the machine's would be another one on each machine.
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if type(value) not in (int, float) or not math.isfinite(value):
        return InvalidRow(what, f"it is {json_type(value)}")
    return dataclasses.replace(row, seconds=float(value))
