"""How often data that did not drift raise an alarm, and how often data that did are found.

Public sets of `make bench-data`. The rows of a set are dealt out at random into two halves, again
and again: every alarm is a false one. Then one number, or the lengths, of one half are changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from components.config import DataConfig
from components.data.passes.row_sample import LENGTH, Aspect, RowSample
from components.data.proposal import propose
from components.data.row_parsing import Row
from components.data.sources.formats import source_of
from components.data.splits.values import row_format
from components.drift.compare import compare

SETS: Final = ("JapaneseVowels", "AllGestureWiimoteX", "SpokenDigits", "Surnames")
FOLDER: Final = Path(".bench-data")
WANTED: Final = 0.01
_SHIFT: Final = 0.5
"""Standard deviations of the numbers of all steps."""


def run(resamples: int = 250, *names: str) -> None:
    """Prints both rates for each set."""
    random = np.random.default_rng(7)
    alarms = checks = 0
    for name in names or SETS:
        table = sample(FOLDER / name / "train.jsonl")
        if table is None:
            print(f"{name}: not there; `make bench-data` fetches it")
            continue
        found = [compare(*halves(table, random)) for _ in range(resamples)]
        false = sum(one.is_alarm for each in found for one in each)
        total = sum(map(len, found))
        alarms, checks = alarms + false, checks + total
        with_any = sum(any(one.is_alarm for one in each) for each in found)
        print(
            f"{name}: {len(table):,} rows, {len(found[0])} checks; {false} of {total:,} checks on "
            f"{resamples} resamples are alarms, {with_any} resamples have one; "
            + ", ".join(f"{what} found in {rate:.0%}" for what, rate in shifts(table, random)),
            flush=True,
        )
    if checks:
        print(f"all: {alarms / checks:.4%} of the checks (wanted: at most {WANTED:.0%})")


def sample(path: Path) -> pa.Table | None:
    """The sample of all rows of a file, with the features that `init` proposes."""
    if not path.is_file():
        return None
    data = DataConfig(train=str(path))
    features = propose(data).features
    form = row_format(features, data)
    rows = RowSample()
    for chunk in source_of(str(path)).chunks():
        for record in chunk.records():
            row = record.parse(form)
            if isinstance(row, Row):
                rows.add(row, row.labels or (), features)
    return rows.table()


def halves(table: pa.Table, random: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """The rows, dealt out at random."""
    order = random.permutation(len(table))
    cut = len(order) // 2
    return table.take(pa.array(order[:cut])), table.take(pa.array(order[cut:]))


def shifts(table: pa.Table, random: np.random.Generator) -> list[tuple[str, float]]:
    """How often each change of one half is found, of 50 tries."""
    numeric = [name for name in table.column_names if name.endswith(', "value"]')]
    kinds: list[tuple[str, Callable[[pa.Table], pa.Table]]] = [
        ("a tenth more steps", lambda half: _changed(half, LENGTH.column, lambda v: v * 1.1)),
    ]
    if numeric:
        kinds.append(("half a deviation", lambda half: _shifted(half, table, numeric[0])))
    rates = []
    for what, change in kinds:
        found = 0
        for _ in range(50):
            first, second = halves(table, random)
            found += any(one.is_alarm for one in compare(first, change(second)))
        rates.append((what, found / 50))
    return rates


def _shifted(half: pa.Table, table: pa.Table, column: str) -> pa.Table:
    """The first number of a feature, at all steps, is half of its deviation larger."""
    values = np.array(table.column(column).to_pylist(), np.float64)[:, 0]
    offset = _SHIFT * values.std()
    feature = Aspect(*_parsed(column)).feature
    for what in ("value", "mean"):
        name = Aspect(feature, what).column
        if name in half.column_names:
            half = _changed(half, name, lambda v: v + offset * (np.arange(v.shape[1]) == 0))
    return half


def _parsed(column: str) -> tuple[str, str]:
    feature, what = json.loads(column)
    return feature, what


def _changed(half: pa.Table, name: str, change: Callable[[np.ndarray], np.ndarray]) -> pa.Table:
    values = change(np.array(half.column(name).to_pylist(), np.float64))
    place = half.column_names.index(name)
    return half.set_column(place, name, pa.array(values.tolist()))


if __name__ == "__main__":
    run(int(sys.argv[1]) if sys.argv[1:] else 250, *sys.argv[2:])
