"""A trial of proposed features: the rows as a run takes them, and what a person should check."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.artifacts.values import Split
from components.config import DataConfig
from components.data.checks import named_labels, obstacles
from components.data.repeats import SHOWN_IDS, Duplicates, Occurrence, RepeatedId
from components.data.row_parsing import InvalidRow
from components.data.sources.source import Chunk
from components.data.splits.by_id import SplitRule, read_split_rows
from components.data.splits.by_time import read_times
from components.data.splits.rule import count_labels, split_rule
from components.data.splits.values import row_format
from components.data.statistics import Profile, new_profile
from components.errors import DataError
from components.features.config import FeaturesConfig

_MANY_STEPS = 1_000
"""Gradients through more steps vanish or explode, even with gates."""
_MANY_LABELS = 0.2
"""Labels per row: with more, a label has fewer than five rows, of which one or two test it."""


@dataclass
class Trial:
    """The rows as parsed with the proposed features, split and counted as a run does it."""

    profile: Profile
    rule: SplitRule
    labels: Counter[str] = field(default_factory=Counter)
    """The rows with each label, rare or not."""
    answers: Counter[str] = field(default_factory=Counter)
    """The rows of each label, or the steps where each has one."""
    has_booleans: bool = False
    """Whether a label is true or false, and not the text."""
    occurrences: dict[str, list[Occurrence]] = field(default_factory=dict)
    """By id."""
    splits_of_id: dict[str, set[Split | None]] = field(default_factory=dict)
    splits_of_group: dict[str, set[Split]] = field(default_factory=dict)
    first_invalid: str = ""

    @property
    def duplicates(self) -> Duplicates:
        """The ids that occur more than once."""
        repeated = [
            RepeatedId(tuple(rows[:SHOWN_IDS]), row_id, len(rows))
            for row_id, rows in self.occurrences.items()
            if len(rows) > 1
        ]
        in_two = sum(len(self.splits_of_id[each.id]) > 1 for each in repeated)
        return Duplicates(len(repeated), in_two, tuple(sorted(repeated)[:SHOWN_IDS]))


def try_rows(chunks: Sequence[Chunk], data: DataConfig, features: FeaturesConfig) -> Trial:
    """Counts, splits and parses the rows.

    Raises:
        DataError: there are fewer than two labels.
    """
    form = row_format(features, data)
    counts = count_labels(chunks, form)
    times = read_times(chunks, form) if form.time is not None else None
    trial = Trial(new_profile(features), split_rule(counts, data, times))
    trial.labels.update({label: rows.train + rows.others for label, rows in counts.items()})
    for chunk in chunks:
        path = chunk.source.path
        for record, split, row in read_split_rows(chunk, form, trial.rule):
            if isinstance(row, InvalidRow):
                where = f"{chunk.source.location(record.number)}: {row.reason}"
                trial.first_invalid = trial.first_invalid or where
                trial.profile.add_invalid(row, path, record.number)
                continue
            trial.occurrences.setdefault(row.id, []).append(Occurrence(path, record.number))
            trial.splits_of_id.setdefault(row.id, set()).add(split)
            if row.group and split is not None:
                trial.splits_of_group.setdefault(row.group, set()).add(split)
            label = record.values["label"]
            values = label if isinstance(label, list) else [label]
            trial.answers.update(row.labels or ())
            trial.has_booleans |= any(isinstance(value, bool) for value in values)
            if split is None:
                trial.profile.add_left_out()
            else:
                trial.profile.add(split, row)
    if len(trial.labels) < 2:
        found = ", ".join(map(repr, trial.labels)) or "none"
        invalid = trial.profile.invalid_count
        why = f" The first invalid row is {trial.first_invalid}." if invalid else ""
        raise DataError(f"expected two labels or more in {data.train}, found {found}.{why}")
    return trial


def notes_of_rows(trial: Trial, data: DataConfig, features: FeaturesConfig) -> Iterator[str]:
    """What a run would refuse, and what may be wrong with the rows, labels or splits."""
    profile, rule = trial.profile, trial.rule
    parted = [group for group, splits in sorted(trial.splits_of_group.items()) if len(splits) > 1]
    for obstacle in obstacles(profile, trial.duplicates, parted, rule, data, features):
        yield f"a run refuses these rows: {obstacle}"
    if profile.invalid_count:
        total = profile.invalid_count + profile.valid_count
        allowed = data.bad_rows_allowed_fraction
        refused = (
            f" A run refuses more than bad_rows_allowed_fraction = {allowed:g} of the rows: "
            "correct them, or raise it."
            if profile.invalid_count > allowed * total
            else ""
        )
        yield (
            f"{profile.invalid_count:,} rows are invalid; the first is {trial.first_invalid}."
            f"{refused}"
        )
    if rule.rare:
        fate = {
            "drop": "left out, and the model will not know these labels",
            "train": "in the training split alone, and nothing measures them",
            "other": "in one class, other",
            "stop": "what stops a run",
        }[data.rare_labels]
        yield (
            f"{len(rule.rare):,} labels have fewer than min_label_rows = {data.min_label_rows} "
            f"rows in {Path(data.train).name}: {named_labels(rule.rare)}. Their rows are {fate} "
            f"(rare_labels: {data.rare_labels}; others are drop, train, other and stop)."
        )
    yield from _notes_of_labels(trial)
    lengths = lengths_of(profile)
    if lengths and lengths[-1] > _MANY_STEPS:
        yield (
            f"the longest row has {lengths[-1]:,} steps, and time and memory grow with them; a "
            f"recurrent network hardly uses what lies more than some {_MANY_STEPS:,} steps back. "
            "Cut such rows into parts, or take every n-th step or the mean of n steps."
        )


def _notes_of_labels(trial: Trial) -> Iterator[str]:
    if trial.has_booleans:
        yield "labels are true and false: they become the texts 'true' and 'false', in answers too."
    for labels in alike(trial.labels):
        yield (
            f"the labels {' and '.join(map(repr, labels))} differ in spaces or capitals alone: "
            "make them one if they mean the same."
        )
    rows = sum(trial.labels.values())
    if len(trial.labels) > _MANY_LABELS * rows:
        yield (
            f"{len(trial.labels):,} labels among {rows:,} rows: a label is a class that many rows "
            "share; amounts or names must be put into classes first."
        )


def alike(names: Iterable[str]) -> list[list[str]]:
    """The names that a person would take for one: they differ in spaces, capitals or how Unicode
    writes their accents alone.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        plain = unicodedata.normalize("NFKC", name).casefold()
        groups.setdefault(" ".join(plain.split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def lengths_of(profile: Profile) -> list[int]:
    """The number of steps of each row, sorted."""
    counts = counted_lengths(profile)
    return [length for length in sorted(counts) for _ in range(counts[length])]


def counted_lengths(profile: Profile) -> Counter[int]:
    """How many rows have each number of steps."""
    return sum((split.lengths for split in profile.splits.values()), Counter[int]())
