"""Counts and moments of the rows, in parts that can be merged, and the file that shows them.

``statistics.json`` holds, by split: the rows, the least, median and greatest number of steps, the
rows (or steps) of each label, and of each numeric feature the count, mean, standard deviation,
minimum and maximum of each of its F numbers over all steps; and over all splits the missing values,
the numbers that float32 cannot tell from those of the step before, the invalid rows with their
causes, the rare labels with what became of their rows, the rows whose content another split has,
and the vocabulary sizes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.storage import write_atomically
from components.artifacts.values import SPLITS, Split
from components.config import DataConfig
from components.data.repeats import RepeatedContents
from components.data.row_parsing import InvalidRow, Row
from components.data.sources.formats import source_of
from components.data.splits.by_id import SplitRule
from components.errors import NotFoundError
from components.features.config import FeaturesConfig

STATISTICS = "statistics.json"
DEAD_LETTERS = "dead_letters.jsonl"
"""Beside it: the invalid rows, one per line, with source, line and reason."""


@dataclass
class Moments:
    """Statistics of steps: all but ``count`` are float64 [F], one number per feature dimension."""

    count: int
    mean: NDArray[np.float64]
    sum_squared_deviations: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @classmethod
    def of(cls, steps: NDArray[np.float32]) -> Moments:
        """The moments of steps, float32 [T, F]."""
        values = steps.astype(np.float64)
        mean = values.mean(axis=0)
        deviations = ((values - mean) ** 2).sum(axis=0)
        return cls(len(values), mean, deviations, values.min(axis=0), values.max(axis=0))

    def merge(self, other: Moments) -> None:
        """Adds other steps, by the pairwise update of Chan, Golub and LeVeque (1979).

        With n steps of mean m and sum of squared deviations S, and d = m2 - m1:

            m = m1 + d n2 / n            S = S1 + S2 + d^2 n1 n2 / n
        """
        # Sums of squares would lose the variance of large numbers to cancellation.
        count = self.count + other.count
        delta = other.mean - self.mean
        self.mean = self.mean + delta * (other.count / count)
        between = delta**2 * (self.count * other.count / count)
        self.sum_squared_deviations = (
            self.sum_squared_deviations + other.sum_squared_deviations + between
        )
        self.minimum = np.minimum(self.minimum, other.minimum)
        self.maximum = np.maximum(self.maximum, other.maximum)
        self.count = count

    def summary(self) -> dict[str, Any]:
        """The moments as JSON values; the standard deviation is that of the whole population."""
        return {
            "count": self.count,
            "mean": self.mean.tolist(),
            "standard_deviation": np.sqrt(self.sum_squared_deviations / self.count).tolist(),
            "minimum": self.minimum.tolist(),
            "maximum": self.maximum.tolist(),
        }


@dataclass
class SplitProfile:
    """Counts and moments of the rows of one split."""

    rows: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    """The rows, or the steps, of each label."""
    moments: dict[str, Moments] = field(default_factory=dict)

    def add(self, row: Row, labels: tuple[str, ...]) -> None:
        """Counts a row of these classes; its numbers are added by ``add_numbers``."""
        self.rows += 1
        self.lengths[row.steps] += 1
        self.labels.update(labels)

    def add_numbers(self, name: str, steps: NDArray[np.float32]) -> None:
        """Adds the numbers of a feature at some steps, [N, F]; N may be 0."""
        if len(steps):
            self._add_moments(name, Moments.of(steps))

    def merge(self, other: SplitProfile) -> None:
        """Adds the rows of another profile."""
        self.rows += other.rows
        self.lengths += other.lengths
        self.labels += other.labels
        for name, moments in other.moments.items():
            self._add_moments(name, moments)

    def _add_moments(self, name: str, moments: Moments) -> None:
        if name in self.moments:
            self.moments[name].merge(moments)
        else:
            # A copy, as ``merge`` changes it: Beam forbids to change what a worker is given.
            self.moments[name] = replace(moments)


@dataclass
class InvalidRows:
    """The invalid rows of one cause: how many there are, and where the first one is."""

    count: int
    path: str
    number: int

    @property
    def first(self) -> str:
        """The location of the first row, for messages."""
        return source_of(self.path).location(self.number)


@dataclass
class Profile:
    """Counts and moments of all rows; features have their names in the rows.

    ``numeric`` has the features with moments, and the key in the config of each.
    """

    numeric: Mapping[str, str]
    splits: dict[Split, SplitProfile] = field(
        default_factory=lambda: {split: SplitProfile() for split in SPLITS}
    )
    invalid: dict[str, InvalidRows] = field(default_factory=dict)
    """By cause."""
    missing: Counter[str] = field(default_factory=Counter)
    """By feature: rows that lack it, and values that were missing and were filled."""
    merged: Counter[str] = field(default_factory=Counter)
    """By feature: numbers that differ from the ones of the step before, but not as float32."""

    left_out: int = 0
    """Valid rows that are in no split, for their label."""

    @property
    def valid_count(self) -> int:
        """The number of valid rows."""
        return self.left_out + sum(split.rows for split in self.splits.values())

    @property
    def invalid_count(self) -> int:
        """The number of invalid rows."""
        return sum(rows.count for rows in self.invalid.values())

    def add(self, split: Split, row: Row) -> None:
        """Adds a valid row, with its numbers."""
        self.splits[split].add(row, row.labels or ())
        for name, key in sorted(self.numeric.items()):
            self.splits[split].add_numbers(name, np.asarray(row.values[key], np.float32))
        self.add_filled(row)

    def add_filled(self, row: Row) -> None:
        """Counts the missing values of a valid row that were filled, and those that merged."""
        self.missing.update(row.filled)
        self.merged.update(row.merged)

    def add_left_out(self) -> None:
        """Counts a valid row that is in no split."""
        self.left_out += 1

    def add_invalid(self, row: InvalidRow, path: str, number: int) -> None:
        """Adds an invalid row, which is row ``number`` of the source at ``path``."""
        self._add_invalid_rows(row.cause, InvalidRows(1, path, number))
        if row.missing is not None:
            self.missing[row.missing] += 1

    def merge(self, other: Profile) -> None:
        """Adds the rows of another profile."""
        for split in SPLITS:
            self.splits[split].merge(other.splits[split])
        for cause, rows in other.invalid.items():
            self._add_invalid_rows(cause, rows)
        self.left_out += other.left_out
        self.missing += other.missing
        self.merged += other.merged

    def most_common_causes(self) -> list[tuple[str, InvalidRows]]:
        """The causes of invalid rows, that of the most rows first."""
        return sorted(self.invalid.items(), key=lambda item: (-item[1].count, item[0]))

    def _add_invalid_rows(self, cause: str, rows: InvalidRows) -> None:
        known = self.invalid.setdefault(cause, InvalidRows(0, rows.path, rows.number))
        known.count += rows.count
        # The first location does not depend on the order in which the workers' profiles are merged.
        known.path, known.number = min((known.path, known.number), (rows.path, rows.number))


def new_profile(features: FeaturesConfig) -> Profile:
    """An empty profile for rows with these features."""
    every = features.by_name.items()
    return Profile({one.in_rows(key): key for key, one in every if one.raw.dtype == "float32"})


def rare_labels(rule: SplitRule, data: DataConfig) -> dict[str, Any]:
    """The rows of each rare label, how many of them were left out, and by which setting."""
    dropped = sum(
        count
        for label, count in rule.rare.items()
        if label in rule.classes and rule.classes[label] is None
    )
    return {
        "rare_labels": data.rare_labels,
        "min_label_rows": data.min_label_rows,
        "rows": dict(rule.rare),
        "left_out": dropped,
    }


def write_statistics(
    profile: Profile,
    vocabulary_sizes: Mapping[str, int],
    directory: Path,
    rare: Mapping[str, Any],
    repeated: RepeatedContents,
) -> None:
    """Writes ``statistics.json``; the same rows give the same bytes."""
    values = {
        **summary(profile, vocabulary_sizes),
        "rare_labels": dict(rare),
        "repeated_content": asdict(repeated) | {"told": repeated.told()},
    }
    content = json.dumps(values, indent=2, sort_keys=True)
    write_atomically(directory / STATISTICS, content + "\n")


def read_statistics(directory: Path) -> dict[str, Any]:
    """The statistics in a directory of examples, as ``summary`` made them.

    Raises:
        NotFoundError: there are none.
    """
    try:
        content: dict[str, Any] = json.loads((directory / STATISTICS).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"{directory} holds no examples: {STATISTICS} is missing.") from error
    return content


def summary(profile: Profile, vocabulary_sizes: Mapping[str, int]) -> dict[str, Any]:
    """The statistics as JSON values."""
    splits = profile.splits.items()
    return {
        "rows": {split: seen.rows for split, seen in splits},
        "lengths": {split: _lengths(seen.lengths) for split, seen in splits},
        "labels": {split: dict(seen.labels) for split, seen in splits},
        "moments": {
            split: {name: moments.summary() for name, moments in seen.moments.items()}
            for split, seen in splits
        },
        "missing_values": dict(profile.missing),
        "equal_as_float32": dict(profile.merged),
        "bad_rows": {
            "count": profile.invalid_count,
            "of": profile.valid_count + profile.invalid_count,
            "problems": [
                {"problem": cause, "count": rows.count, "first": rows.first}
                for cause, rows in profile.most_common_causes()
            ],
        },
        "vocabulary_sizes": dict(vocabulary_sizes),
    }


def _lengths(lengths: Counter[int]) -> dict[str, float]:
    if not lengths:
        return {}
    steps = np.repeat(sorted(lengths), [lengths[length] for length in sorted(lengths)])
    return {"min": int(steps[0]), "median": float(np.median(steps)), "max": int(steps[-1])}
