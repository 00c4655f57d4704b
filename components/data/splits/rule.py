"""The labels of all rows, counted before any is sent to a split: which are rare, and what then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.artifacts.values import Split
from components.config import DataConfig
from components.data.row_parsing import Row, RowFormat
from components.data.sources.source import Chunk
from components.data.splits.by_id import (
    ALL_TRAIN,
    Cuts,
    SplitRule,
    cuts_of,
    position,
    split_fractions,
)
from components.data.splits.by_time import Times
from components.labels.kind import LabelKind
from components.labels.table import KINDS

OTHER = "other"
"""The class of all rare labels, where the config asks for one."""

# A third of its share is then many rows, unless a fraction is tiny, and chance never comes so low.
_MOST_POSITIONS = 1_000
"""The splits of a class with more rows end where those of the hash do: no positions are kept."""


@dataclass
class LabelRows:
    """The rows with one label: those of the training file, those of the other files, and positions.

    ``positions`` are those of the rows that the hash of the id sends to a split, and whose stratum
    the label is: of a row with several labels it is one of them.
    """

    train: int = 0
    others: int = 0
    positions: list[float] = field(default_factory=list)

    def merge(self, other: LabelRows) -> None:
        """Adds the rows of another part of the data."""
        self.train += other.train
        self.others += other.others
        self.positions = [*self.positions, *other.positions][: _MOST_POSITIONS + 1]


LabelCounts = dict[str, LabelRows]


def count_labels(chunks: Iterable[Chunk], form: RowFormat) -> LabelCounts:
    """The valid rows of each label."""
    counts: LabelCounts = {}
    kind = KINDS[form.label]
    for chunk in chunks:
        for record in chunk.records():
            row = record.parse(form)
            if isinstance(row, Row):
                count_row(counts, row, chunk.split, kind)
    return counts


def count_row(counts: LabelCounts, row: Row, split_of_file: Split | None, kind: LabelKind) -> None:
    """Adds a row of a file to the counts."""
    labels = row.labels or ()
    for label in dict.fromkeys(labels):
        seen = counts.setdefault(label, LabelRows())
        if split_of_file in (None, "train"):
            seen.train += 1
        else:
            seen.others += 1
    positions = counts[kind.stratum(labels)].positions
    if split_of_file is None and len(positions) <= _MOST_POSITIONS:
        positions.append(position(row.id))


def merge_counts(parts: Iterable[LabelCounts]) -> LabelCounts:
    """The counts of all parts of the data; changes none of them."""
    merged: LabelCounts = {}
    for part in parts:
        for label, rows in part.items():
            merged.setdefault(label, LabelRows()).merge(rows)
    return merged


def split_rule(counts: LabelCounts, data: DataConfig, times: Times | None = None) -> SplitRule:
    """How the rows are split, and what becomes of rare labels, as the config says.

    Args:
        counts: of all rows.
        data: the config.
        times: of all rows, if time decides.
    """
    rare = {label for label, rows in counts.items() if rows.train < data.min_label_rows}
    classes = _classes_of(rare, counts, data)
    fractions = split_fractions(data)
    positions: dict[str, list[float]] = {}
    for label, rows in counts.items():
        known = classes.get(label, label)
        if known is not None:
            positions.setdefault(known, []).extend(rows.positions)
    cuts: dict[str, Cuts] = {}
    of_hash = Cuts(fractions.test, fractions.test + fractions.validation)
    for known, places in positions.items():
        if known in rare and data.rare_labels == "train":
            cuts[known] = ALL_TRAIN
        # Rows of one group or time have many labels, and a boundary for each would part them.
        elif places and len(places) <= _MOST_POSITIONS and data.split.is_by_id:
            found = cuts_of(places, fractions)
            if found != of_hash:
                cuts[known] = found
    return SplitRule(
        fractions,
        dict(sorted(cuts.items())),
        dict(sorted(classes.items())),
        {label: counts[label].train + counts[label].others for label in sorted(rare)},
        times.cuts(data) if times else None,
        times.newest_of_group if times else {},
    )


def _classes_of(rare: set[str], counts: LabelCounts, data: DataConfig) -> Mapping[str, str | None]:
    if data.rare_labels == "train":
        # What no training row has cannot be learned.
        return {label: None for label in rare if not counts[label].train}
    if data.rare_labels == "other":
        has_rows = any(counts[label].train for label in {*rare, OTHER} & set(counts))
        return dict.fromkeys(rare, OTHER if has_rows else None)
    return dict.fromkeys(rare)
