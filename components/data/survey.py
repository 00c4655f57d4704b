"""The first pass over the rows: what is in them, and whether a model can be trained on them.

It finds the invalid rows, the ids that occur twice, the contents that are in two splits and the
statistics, before anything is learned from the data.
"""

from __future__ import annotations

import heapq
import json
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias, cast

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from components.artifacts.storage import write_atomically
from components.config import DataConfig, PreprocessingConfig
from components.data.beam import run_pipeline
from components.data.checks import Duplicates, Occurrence, obstacles
from components.data.contents import (
    NONE_REPEATED,
    Contents,
    RepeatedContents,
    find_repeated,
    merge_repeated,
)
from components.data.row_parsing import InvalidRow, Row, RowFormat, Value
from components.data.sources.formats import files_of, source_of
from components.data.sources.source import Chunk
from components.data.splits.by_id import SplitRule, hash_of_id, read_split_rows
from components.data.splits.by_time import merge_times, read_times
from components.data.splits.rule import count_labels, merge_counts, split_rule
from components.data.statistics import Profile, new_profile
from components.errors import DataError, InvalidRowsError
from components.features.config import FeaturesConfig

_SAMPLED_ROWS = 64
"""Thresholds and scales need no more than a rough distribution."""
_SAMPLED_STEPS = 2_000
"""Of each row, which bounds the memory."""
_Sampled: TypeAlias = tuple[bytes, dict[str, Value]]
"""What a row is chosen by, and its numeric sequences."""


@dataclass(frozen=True, order=True)
class InvalidRowEntry:
    """What ``dead_letters.jsonl`` says of an invalid row: where it is, why, and how it begins.

    ``line`` is its number in the source.
    """

    source: str
    line: int
    reason: str
    excerpt: str


@dataclass(frozen=True)
class Survey:
    """What the first pass found; ``rule`` is how the rows are split.

    ``sample`` has the numeric sequences of some training rows, cut to their first steps, from which
    the summaries are learned; it is empty if there are none.
    """

    profile: Profile
    invalid_rows: tuple[InvalidRowEntry, ...]
    duplicates: Duplicates
    rule: SplitRule
    sample: tuple[Mapping[str, Value], ...]
    parted_groups: tuple[str, ...] = ()
    """Those with rows in two splits or more, which files of their own can bring about."""
    repeated: RepeatedContents = NONE_REPEATED
    """What the validation and test rows have in common with the splits before theirs."""


def survey_rows(
    chunks: Sequence[Chunk],
    features: FeaturesConfig,
    form: RowFormat,
    data: DataConfig,
    preprocessing: PreprocessingConfig,
    directory: Path,
) -> Survey:
    """Parses every row twice; the workers write what they found to ``directory``.

    A row's split depends on how many rows its label has, so the labels are counted first.
    """
    # By way of a file: a Beam pipeline returns nothing, and its workers may be other processes.
    found = directory / "survey.pickle"
    with run_pipeline(preprocessing) as pipeline:
        spread = (
            pipeline
            | "Chunks" >> beam.Create(chunks)
            # Without it Beam fuses the steps, and one worker reads all chunks.
            | "Spread" >> beam.Reshuffle()
        )
        times = []
        if form.time is not None:
            known = (
                spread
                | "Read times" >> beam.Map(lambda chunk: read_times([chunk], form))
                | "Merge times" >> beam.CombineGlobally(merge_times)
            )
            times.append(AsSingleton(known))
        rule = (
            spread
            | "Count labels" >> beam.Map(lambda chunk: count_labels([chunk], form))
            | "Merge counts" >> beam.CombineGlobally(merge_counts)
            | "Rule" >> beam.Map(split_rule, data, *times)
        )
        profiles, invalid_rows, ids, sampled, groups, contents = (
            spread
            | "Survey" >> beam.FlatMap(
                _survey_chunk, features, form, AsSingleton(rule), len(chunks)
            ).with_outputs("invalid", "ids", "sample", "groups", "contents", main="profiles")
        )  # fmt: skip
        profile = profiles | "Merge" >> beam.CombineGlobally(_MergeProfiles(features))
        duplicates = (
            ids
            | "Group by id" >> beam.GroupByKey()
            | "Sort occurrences" >> beam.MapTuple(_in_order)
            | "Keep duplicates" >> beam.Filter(lambda item: len(item[1]) > 1)
        )
        parted = (
            groups
            | "Once a group and split" >> beam.Distinct()
            | "Splits of groups" >> beam.combiners.Count.PerKey()
            | "Keep parted" >> beam.Filter(lambda item: item[1] > 1)
            | "Their names" >> beam.Keys()
        )
        repeated = (
            contents
            | "Group contents" >> beam.GroupByKey()
            | "Repeated contents" >> beam.Map(find_repeated)
            | "Merge contents" >> beam.CombineGlobally(merge_repeated)
        )
        sample = sampled | "Sample" >> beam.CombineGlobally(_smallest)
        (
            pipeline
            | "Once" >> beam.Create([str(found)])
            | "Write survey"
            >> beam.Map(
                _write_survey,
                AsSingleton(profile),
                AsList(invalid_rows),
                AsList(duplicates),
                AsSingleton(rule),
                AsSingleton(sample),
                AsList(parted),
                AsSingleton(repeated),
            )
        )
    survey = cast(Survey, pickle.loads(found.read_bytes()))
    found.unlink()
    return survey


def check_survey(
    survey: Survey, data: DataConfig, features: FeaturesConfig, dead_letters: Path
) -> None:
    """Checks that a model can be trained on the rows.

    Raises:
        InvalidRowsError: too many invalid rows; they are listed in the file ``dead_letters``.
        DataError: no rows, or the first of the ``components.data.checks.obstacles``.
    """
    # From cause to consequence: many invalid rows may also empty a split or remove a label.
    _check_budget(survey, data, dead_letters)
    for obstacle in obstacles(
        survey.profile,
        survey.duplicates,
        survey.parted_groups,
        survey.rule,
        data,
        features,
        survey.repeated,
    ):
        raise obstacle


def write_invalid_rows(rows: Iterable[InvalidRowEntry], path: Path) -> None:
    """Writes one JSON line per invalid row: source, line, reason, excerpt."""
    content = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    write_atomically(path, content)


def _survey_chunk(
    chunk: Chunk, features: FeaturesConfig, form: RowFormat, rule: SplitRule, chunks: int
) -> Iterator[Profile | TaggedOutput]:
    profile = new_profile(features)
    path = chunk.source.path
    sampled: list[_Sampled] = []
    contents = Contents(parts=chunks)
    numeric = features.numeric_sequences if features.summaries.learns else ()
    for record, split, row in read_split_rows(chunk, form, rule):
        if isinstance(row, InvalidRow):
            profile.add_invalid(row, path, record.number)
            entry = InvalidRowEntry(path, record.number, row.reason, record.excerpt)
            yield TaggedOutput("invalid", entry)
            continue
        if split is None:
            profile.add_left_out()
        else:
            profile.add(split, row)
            contents.add(split, row)
        if split == "train" and numeric:
            sampled.append(_sampled(row, numeric))
            if len(sampled) > 4 * _SAMPLED_ROWS:
                sampled = _smallest([sampled])
        yield TaggedOutput("ids", (row.id, (path, record.number, split)))
        if row.group and split is not None:
            yield TaggedOutput("groups", (row.group, split))
    for part in contents.parts():
        yield TaggedOutput("contents", part)
    yield TaggedOutput("sample", sampled)
    yield profile


def _sampled(row: Row, names: Iterable[str]) -> _Sampled:
    # By the end of the hash: its beginning decides the split.
    values = {name: row.values[name][:_SAMPLED_STEPS] for name in names}
    return hash_of_id(row.id)[::-1], values


def _smallest(parts: Iterable[list[_Sampled]]) -> list[_Sampled]:
    """The rows with the smallest hashes of all parts, whatever the parts are."""
    return heapq.nsmallest(_SAMPLED_ROWS, chain.from_iterable(parts), key=itemgetter(0))


def _in_order(row_id: str, found: Iterable[Occurrence]) -> tuple[str, tuple[Occurrence, ...]]:
    # By path and number, which no other row has: a split may be None.
    return row_id, tuple(sorted(found, key=lambda occurrence: occurrence[:2]))


class _MergeProfiles(beam.CombineFn):
    def __init__(self, features: FeaturesConfig) -> None:
        self._features = features

    def create_accumulator(self) -> Profile:
        return new_profile(self._features)

    def add_input(self, accumulator: Profile, element: Profile) -> Profile:
        accumulator.merge(element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Profile]) -> Profile:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Profile) -> Profile:
        return accumulator


def _write_survey(
    path: str,
    profile: Profile,
    invalid_rows: list[InvalidRowEntry],
    duplicates: list[Any],
    rule: SplitRule,
    sample: list[_Sampled],
    parted_groups: list[str],
    repeated: RepeatedContents,
) -> None:
    # Beam gives both in any order; messages and files must not depend on it.
    in_order = sorted(duplicates, key=lambda item: item[1][0][:2])
    rows = tuple(values for _, values in sample)
    survey = Survey(
        profile,
        tuple(sorted(invalid_rows)),
        tuple(in_order),
        rule,
        rows,
        tuple(sorted(parted_groups)),
        repeated,
    )
    write_atomically(Path(path), pickle.dumps(survey))


def _check_budget(survey: Survey, data: DataConfig, dead_letters: Path) -> None:
    invalid = survey.profile.invalid_count
    total = invalid + survey.profile.valid_count
    if not total:
        layout = source_of(files_of(data.train)[0]).layout
        raise DataError(f"{data.train} holds no rows; expected {layout}.")
    if invalid <= data.bad_rows_allowed_fraction * total:
        return
    write_invalid_rows(survey.invalid_rows, dead_letters)
    causes = survey.profile.most_common_causes()
    lead = "the three most common causes: " if len(causes) > 3 else "because: "
    shown = ", ".join(
        f"{cause} ({rows.count:,}, first at {rows.first})" for cause, rows in causes[:3]
    )
    raise InvalidRowsError(
        f"{invalid:,} of {total:,} rows are invalid, {100 * data.bad_rows_allowed_fraction:g} % "
        f"allowed; {lead}{shown}; see {dead_letters}"
    )
