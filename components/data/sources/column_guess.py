"""Which column of a table is what, guessed from names and values; a person checks the config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from components.config import ColumnsConfig
from components.data.sources.columnar import Table
from components.data.sources.csv_tables import Csv
from components.data.sources.source import Source
from components.errors import DataError

_LABELS = ("label", "class", "target", "y", "category")
_IDS = ("id", "uuid", "key", "row_id", "sequence_id", "series_id")
_TIMES = ("time", "timestamp", "datetime", "date", "step", "t")


def guess_columns(source: Source, row_id: str | None, label: str | None) -> ColumnsConfig:
    """The columns of a source; the defaults for a format without columns.

    Args:
        source: one file of the rows.
        row_id: the column of the ids, if a person names it.
        label: that of the labels, if a person names it.

    Raises:
        DataError: no column can be the label, or there is none of a given name.
    """
    if not isinstance(source, Table):
        return ColumnsConfig()
    names = source.column_names()
    for name in filter(None, (row_id, label)):
        if name not in names:
            raise DataError(f"{source.path} has no column {name!r}; it has {_shown(names)}.")
    found_label = label or _named(names, _LABELS)
    if found_label is None:
        raise DataError(
            f"{source.path} has no column named label; name the one that holds the labels with "
            f"--label COLUMN. It has {_shown(names)}."
        )
    columns = ColumnsConfig(id=row_id or _named(names, _IDS), label=found_label)
    if not isinstance(source, Csv) or columns.id is None:
        return columns
    return _of_steps(replace(source, columns=columns))


def _of_steps(source: Csv) -> ColumnsConfig:
    """The column of times, and the columns that are the same in all lines of a row."""
    columns, lines = source.columns, source.lines()
    ids = lines[str(columns.id)]
    if len(set(ids)) == len(ids):
        return columns
    names = [name for name in lines if name not in columns.keys]
    time = _named(names, _TIMES)
    same = [name for name in names if name != time and _is_same(ids, lines[name])]
    return replace(columns, time=time, context=tuple(same))


def _is_same(ids: Sequence[Any], values: Sequence[Any]) -> bool:
    """Whether all lines of an id have the same value."""
    first: dict[Any, Any] = {}
    return all(
        first.setdefault(row, value) == value for row, value in zip(ids, values, strict=True)
    )


def _named(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The first of the wanted names that is there, in whatever capitals."""
    by_plain = {name.strip().lower(): name for name in reversed(names)}
    return next((by_plain[name] for name in wanted if name in by_plain), None)


def _shown(names: Sequence[str]) -> str:
    more = len(names) - 12
    return ", ".join(names[:12]) + (f" and {more} more" if more > 0 else "")
