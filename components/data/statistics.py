"""Counts and moments of the rows, in parts that can be merged, and the file that shows them.

``statistics.json`` holds, by split: the rows, the least, median and greatest number of steps, the
rows of each label, and of each numeric feature the count, mean, standard deviation, minimum and
maximum of each of its F numbers over all steps; and over all splits the missing values, the
unusable rows with their reasons, and the vocabulary sizes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.storage import write_atomically
from components.artifacts.values import SPLITS, Split
from components.data.row_parsing import BadRow, Row, Value
from components.features.config import FeaturesConfig

STATISTICS = "statistics.json"


@dataclass
class Moments:
    """Count, mean [F], sum of squared deviations [F], minimum [F] and maximum [F] of steps."""

    count: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @classmethod
    def of(cls, steps: NDArray[np.float32]) -> Moments:
        """The moments of steps [T, F]."""
        values = steps.astype(np.float64)
        mean = values.mean(axis=0)
        squares = ((values - mean) ** 2).sum(axis=0)
        return cls(len(values), mean, squares, values.min(axis=0), values.max(axis=0))

    def merge(self, other: Moments) -> None:
        """Adds other steps, by the pairwise update of Chan, Golub and LeVeque (1979)."""
        count = self.count + other.count
        delta = other.mean - self.mean
        self.mean = self.mean + delta * (other.count / count)
        self.squares = self.squares + other.squares + delta**2 * (self.count * other.count / count)
        self.minimum = np.minimum(self.minimum, other.minimum)
        self.maximum = np.maximum(self.maximum, other.maximum)
        self.count = count

    def summary(self) -> dict[str, Any]:
        """The moments as JSON values; the standard deviation is that of the whole population."""
        return {
            "count": self.count,
            "mean": self.mean.tolist(),
            "standard_deviation": np.sqrt(self.squares / self.count).tolist(),
            "minimum": self.minimum.tolist(),
            "maximum": self.maximum.tolist(),
        }


@dataclass
class SplitProfile:
    """What is known of the rows of one split."""

    rows: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    moments: dict[str, Moments] = field(default_factory=dict)

    def add(self, row: Row, numeric: frozenset[str]) -> None:
        """Counts a row in."""
        self.rows += 1
        self.lengths[row.steps] += 1
        if row.label is not None:
            self.labels[row.label] += 1
        for name in sorted(numeric):
            self._add_moments(name, Moments.of(_steps(row.values[name])))

    def merge(self, other: SplitProfile) -> None:
        """Counts the rows of another profile in."""
        self.rows += other.rows
        self.lengths += other.lengths
        self.labels += other.labels
        for name, moments in other.moments.items():
            self._add_moments(name, moments)

    def _add_moments(self, name: str, moments: Moments) -> None:
        if name in self.moments:
            self.moments[name].merge(moments)
        else:
            self.moments[name] = replace(moments)


@dataclass
class Problem:
    """One fault: the rows that have it, and the first of them."""

    count: int
    source: str
    line: int

    @property
    def first(self) -> str:
        """Where the first row is: the name of its file and its line."""
        return f"{Path(self.source).name}:{self.line}"


@dataclass
class Profile:
    """What is known of all rows; ``numeric`` names the features that have moments."""

    numeric: frozenset[str]
    splits: dict[Split, SplitProfile] = field(
        default_factory=lambda: {split: SplitProfile() for split in SPLITS}
    )
    problems: dict[str, Problem] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)

    @property
    def usable(self) -> int:
        """Rows that can be used."""
        return sum(split.rows for split in self.splits.values())

    @property
    def unusable(self) -> int:
        """Rows that cannot be used."""
        return sum(problem.count for problem in self.problems.values())

    def add(self, split: Split, row: Row) -> None:
        """Counts a usable row in."""
        self.splits[split].add(row, self.numeric)

    def add_bad(self, bad: BadRow, source: str, line: int) -> None:
        """Counts an unusable row in."""
        self._add_problem(bad.problem, Problem(1, source, line))
        if bad.missing is not None:
            self.missing[bad.missing] += 1

    def merge(self, other: Profile) -> None:
        """Counts the rows of another profile in."""
        for split in SPLITS:
            self.splits[split].merge(other.splits[split])
        for problem, seen in other.problems.items():
            self._add_problem(problem, seen)
        self.missing += other.missing

    def most_common_problems(self) -> list[tuple[str, Problem]]:
        """The problems, that of the most rows first."""
        return sorted(self.problems.items(), key=lambda item: (-item[1].count, item[0]))

    def _add_problem(self, problem: str, seen: Problem) -> None:
        known = self.problems.setdefault(problem, Problem(0, seen.source, seen.line))
        known.count += seen.count
        known.source, known.line = min((known.source, known.line), (seen.source, seen.line))


def new_profile(features: FeaturesConfig) -> Profile:
    """An empty profile for rows with these features."""
    every = features.by_name.items()
    return Profile(frozenset(name for name, one in every if one.raw.dtype == "float32"))


def write_statistics(
    profile: Profile, vocabulary_sizes: Mapping[str, int], directory: Path
) -> None:
    """Writes ``statistics.json``; the same rows give the same bytes."""
    content = json.dumps(summary(profile, vocabulary_sizes), indent=2, sort_keys=True)
    write_atomically(directory / STATISTICS, content + "\n")


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
        "bad_rows": {
            "count": profile.unusable,
            "of": profile.usable + profile.unusable,
            "problems": [
                {"problem": name, "count": seen.count, "first": seen.first}
                for name, seen in profile.most_common_problems()
            ],
        },
        "vocabulary_sizes": dict(vocabulary_sizes),
    }


def _lengths(lengths: Counter[int]) -> dict[str, float]:
    if not lengths:
        return {}
    steps = np.repeat(sorted(lengths), [lengths[length] for length in sorted(lengths)])
    return {"min": int(steps[0]), "median": float(np.median(steps)), "max": int(steps[-1])}


def _steps(value: Value) -> NDArray[np.float32]:
    """Steps [T, F]; a context feature [F] is one step."""
    return np.atleast_2d(np.asarray(value, np.float32))
