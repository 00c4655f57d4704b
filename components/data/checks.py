"""What makes a training on the rows impossible: ``init`` notes it, a run is stopped by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from components.artifacts.values import SPLITS, Split
from components.config import DataConfig
from components.data.repeats import NONE_REPEATED, Duplicates, RepeatedContents
from components.data.sources.formats import source_of
from components.data.splits.by_id import SplitRule
from components.data.statistics import Profile
from components.errors import DataError
from components.features.config import FeaturesConfig

_SHOWN = 5
"""Examples of a fault that a message names."""


def obstacles(
    profile: Profile,
    duplicates: Duplicates,
    parted_groups: Sequence[str],
    rule: SplitRule,
    data: DataConfig,
    features: FeaturesConfig,
    repeated: RepeatedContents = NONE_REPEATED,
) -> Iterator[DataError]:
    """The reasons why no model can be trained on these rows, from cause to consequence.

    They are ids that occur twice, groups and, if the config says so, contents in two splits, rare
    labels that the config does not
    allow, an empty split, a single label, and numbers too large to be scaled. What follows from one
    of them is not named.
    """
    if duplicates.count:
        yield _duplicate_ids(duplicates)
    if parted_groups:
        shown = ", ".join(map(repr, parted_groups[:_SHOWN]))
        more = len(parted_groups) - _SHOWN
        yield DataError(
            f"{len(parted_groups):,} groups of data.split.group = {data.split.group} have rows in "
            f"two splits: {shown}{f' and {more:,} more' if more > 0 else ''}. The model would be "
            "tested on groups that it knows: move their rows to one file, or give one file, and "
            "the groups decide the split."
        )
    if repeated.rows and data.repeated_content == "stop":
        contradict = " Labels of one content that differ contradict each other." * bool(
            repeated.relabelled
        )
        yield DataError(
            f"{repeated.told()}. The model would be tested on what it was trained on: remove the "
            "repeated rows, or let data.split.group keep those together that belong together; "
            f"data.repeated_content: warn goes on.{contradict}"
        )
    if error := _rare_labels(profile, rule, data):
        yield error
        return
    empty = [split for split in SPLITS if not profile.splits[split].rows]
    if empty:
        yield _empty_split(empty[0], profile, rule, data)
        return
    known = profile.splits["train"].labels
    if len(known) < 2:
        yield DataError(
            f"all rows of the training split have the label {next(iter(known))!r}: a classifier "
            f"needs at least two labels{_left_out(rule, data)}."
        )
    yield from _scales(profile, features)


def named_labels(counts: Mapping[str, int]) -> str:
    """The labels with the most rows, each with its count, and how many more there are."""
    first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    names = ", ".join(f"{label!r} ({count:,})" for label, count in first)
    more = len(counts) - len(first)
    return f"{names}{f' and {more:,} more' if more else ''}"


def _duplicate_ids(duplicates: Duplicates) -> DataError:
    shown = "; ".join(
        f"{repeated.id!r} at "
        + ", ".join(source_of(at.path).location(at.number) for at in repeated.first)
        + (f" and {more:,} more" if (more := repeated.rows - len(repeated.first)) else "")
        for repeated in duplicates.examples
    )
    in_two = duplicates.in_two_splits
    leak = f", {in_two:,} of them in two splits" if in_two else ""
    return DataError(
        f"every id may occur once, but {duplicates.count:,} occur more often{leak}: {shown}. "
        "Remove the repeated rows or give them ids of their own."
    )


def _rare_labels(profile: Profile, rule: SplitRule, data: DataConfig) -> DataError | None:
    what = f"fewer than data.min_label_rows = {data.min_label_rows:,} rows in {data.train}"
    if rule.rare and data.rare_labels == "stop":
        return DataError(
            f"{len(rule.rare):,} labels have {what}: {named_labels(rule.rare)} (rows in all "
            "files). Add rows with them or leave these rows out; or let data.rare_labels be drop, "
            "train or other, which goes on."
        )
    if rule.rare and profile.left_out == profile.valid_count:
        return DataError(
            f"all {len(rule.rare):,} labels have {what}: {named_labels(rule.rare)}. Check that "
            "'label' holds classes, which many rows share; or set data.rare_labels: train, or a "
            "lower data.min_label_rows."
        )
    return None


def _empty_split(split: Split, profile: Profile, rule: SplitRule, data: DataConfig) -> DataError:
    file = getattr(data, split)
    if file is not None and split != "train":
        what = f"data.{split} ({file}) holds no valid row"
        what += " with a label of the training split" if rule.rare else ""
    elif split == "train":
        what = "give more rows, or lower the fractions of the other splits"
    else:
        what = f"give more rows, a greater data.{split}_fraction, or a file in data.{split}"
    return DataError(
        f"the {split} split is empty, of {profile.valid_count:,} valid rows: "
        f"{what}{_left_out(rule, data)}."
    )


def _left_out(rule: SplitRule, data: DataConfig) -> str:
    """The end of a sentence: rare labels may be why."""
    if not rule.rare or data.rare_labels == "train":
        return ""
    return (
        f"; {sum(rule.rare.values()):,} rows are of rare labels, {named_labels(rule.rare)}, and "
        f"data.rare_labels is {data.rare_labels}"
    )


def _scales(profile: Profile, features: FeaturesConfig) -> Iterator[DataError]:
    for key, feature in features.by_name.items():
        name = feature.in_rows(key)
        limit = feature.largest_number
        if limit is None:
            continue
        moments = profile.splits["train"].moments[name]
        largest = max(abs(moments.minimum).max(), abs(moments.maximum).max())
        if largest > limit:
            yield DataError(
                f"{name} holds numbers as large as {largest:.3g}, too large to be scaled to a "
                f"z-score (at most {limit:g}): take a larger unit or logarithms."
            )
