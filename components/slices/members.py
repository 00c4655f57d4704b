"""Which test rows are in which slice: from what each row has once to the rows of each slice.

Shapes: N test rows.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.artifacts.schema import Schema
from components.artifacts.values import Examples
from components.data.sequence_examples import SECONDS
from components.features.sliceable import Column
from components.gate_config import SliceConfig
from components.slice_expression import (
    LENGTH,
    TIME,
    Plain,
    comparisons,
    holds,
    parse,
    seconds_of,
    with_values,
)
from components.training.datasets import read_raw_records

MOST_VALUES = 50
"""Slices of one ``by``, those of the most rows: what a person reads, and the file stays small."""
_PARSED_AT_ONCE = 256
"""As many rows as are scored at once: their steps are counted, so that a batch of them is held."""

Values = Mapping[str, NDArray[Any]]
"""[N] by the key of the column: bytes, int64, or float32 as the examples hold them."""


@dataclasses.dataclass(frozen=True)
class Slice:
    """One slice of one entry of ``gate.slices``."""

    name: str
    range: str
    """What its values run from and to, where its name does not say it."""
    rows: NDArray[np.int64]
    """The indices of its rows, in rising order."""


def read_values(examples: Examples, schema: Schema, keys: Sequence[str]) -> Values:
    """What the test rows have under these keys, in the order of their other readers."""
    features = schema.features
    context: dict[str, Any] = {
        key: tf.io.FixedLenFeature([], tf.as_dtype(features.context[key].raw.dtype))
        for key in keys
        if key not in (LENGTH, TIME)
    }
    if TIME in keys:
        context[SECONDS] = tf.io.FixedLenFeature([], tf.int64)
    # All sequences of a row have the same steps: the narrowest one is parsed for them.
    name, feature = min(features.sequence.items(), key=lambda each: each[1].raw.values_per_step)
    sequence = {
        name: tf.io.RaggedFeature(tf.as_dtype(feature.raw.dtype), row_splits_dtype=tf.int64)
    }
    parts: dict[str, list[NDArray[Any]]] = {key: [] for key in keys}
    records = read_raw_records(examples)
    while batch := list(itertools.islice(records, _PARSED_AT_ONCE)):
        found, ragged, _ = tf.io.parse_sequence_example(
            tf.constant(batch), context_features=context or None, sequence_features=sequence
        )
        found[LENGTH] = ragged[name].row_lengths()
        for key in keys:
            parts[key].append(found[SECONDS if key == TIME else key].numpy())
    return {key: np.concatenate(values) for key, values in parts.items()}


def slices_of(entry: SliceConfig, columns: Mapping[str, Column], values: Values) -> Iterator[Slice]:
    """The slices that an entry makes; those of ``by`` have all rows, each in one of them.

    Of more values than ``MOST_VALUES`` the commonest come.
    """
    if entry.where is not None:
        yield _where(entry, columns, values)
        return
    assert entry.by is not None  # the config has checked it
    column = columns[entry.by]
    of_rows = values[column.key]
    if entry.quantiles is None and not entry.edges:
        yield from _each_value(entry.by, of_rows)
    else:
        yield from _ranges(entry, column, of_rows)


def count_values(entry: SliceConfig, columns: Mapping[str, Column], values: Values) -> int:
    """How many slices an entry would make without a limit."""
    if entry.by is None or entry.quantiles is not None or entry.edges:
        return 1
    return len(np.unique(values[columns[entry.by].key]))


def _where(entry: SliceConfig, columns: Mapping[str, Column], values: Values) -> Slice:
    condition = parse(entry.where or "")
    # As the examples hold them: 0.1 of a row is 0.1 rounded to float32.
    stored = with_values(condition, lambda name, value: _stored(value, columns[name]))
    names = sorted({each.name for each in comparisons(condition)})
    lists = [_plain(values[columns[name].key]) for name in names]
    inside = [
        index
        for index, row in enumerate(zip(*lists, strict=True))
        if holds(stored, dict(zip(names, row, strict=True)))
    ]
    return Slice(entry.title, "", np.array(inside, np.int64))


def _each_value(by: str, of_rows: NDArray[Any]) -> Iterator[Slice]:
    found, index, counts = np.unique(of_rows, return_inverse=True, return_counts=True)
    # The commonest first; of as many rows in the order of the values.
    for place in np.argsort(-counts, kind="stable")[:MOST_VALUES].tolist():
        (value,) = _plain(found[place : place + 1])
        name = f"{by}: {value}" if value != "" else f'{by}: ""'
        yield Slice(name, "", np.flatnonzero(index == place))


def _ranges(entry: SliceConfig, column: Column, of_rows: NDArray[Any]) -> Iterator[Slice]:
    """Each range holds its lower end and not its upper one."""
    if entry.edges:
        ends = np.array([_stored(edge, column) for edge in entry.edges], np.float64)
        shown = [_shown(seconds_of(edge), column) for edge in entry.edges]
        names = [
            f"below {shown[0]}",
            *(f"{low} to below {high}" for low, high in itertools.pairwise(shown)),
            f"{shown[-1]} and more" if column.key != TIME else f"{shown[-1]} and later",
        ]
    else:
        shares = np.arange(1, entry.quantiles or 1) / (entry.quantiles or 1)
        quantiles = np.quantile(of_rows, shares, method="higher")
        # A value that many rows have is one end and not several; below the least there is nothing.
        ends = np.unique(quantiles[quantiles > of_rows.min()]).astype(np.float64)
        names = [f"part {number} of {len(ends) + 1}" for number in range(1, len(ends) + 2)]
    index = np.searchsorted(ends, of_rows.astype(np.float64), side="right")
    for place, name in enumerate(names):
        rows = np.flatnonzero(index == place)
        inside = of_rows[rows].astype(np.float64) + column.subtracted
        spread = (
            f"{_shown(inside.min(), column)} to {_shown(inside.max(), column)}" if len(rows) else ""
        )
        yield Slice(f"{entry.by}: {name}", spread, rows)


def _stored(value: Plain, column: Column) -> Plain:
    """A value of the config as the examples would hold it."""
    if column.known.kind == "time":
        return seconds_of(value)
    if column.known.kind == "number" and not isinstance(value, str):
        return float(np.float32(value - column.subtracted))
    return value


def _plain(values: NDArray[Any]) -> list[Plain]:
    listed: list[Any] = values.tolist()
    return [each.decode() if isinstance(each, bytes) else each for each in listed]


def _shown(value: float, column: Column) -> str:
    if column.known.kind != "time":
        # As many digits as float32 has.
        return f"{value:.7g}" if abs(value) < 1e7 else f"{value:.0f}"
    moment = datetime.fromtimestamp(value, UTC)
    return f"{moment:%Y-%m-%d}" if value % 86_400 == 0 else f"{moment:%Y-%m-%d %H:%M}"
