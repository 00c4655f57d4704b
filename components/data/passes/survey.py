"""The first pass over the rows: what is in them, and whether a model can be trained on them.

It parses each row once, and leaves the valid ones typed in files for the second pass. It finds the
invalid rows, the ids that occur twice, the contents that are in two splits and the statistics,
before anything is learned from the data.
"""

from __future__ import annotations

import heapq
import pickle
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.pvalue import AsSingleton, TaggedOutput
from numpy.typing import NDArray

from components.artifacts.storage import open_atomically, write_atomically
from components.artifacts.values import SPLITS, Split
from components.config import DataConfig, PreprocessingConfig
from components.data.arrow import rows_of, values_of
from components.data.beam import run_pipeline
from components.data.checks import obstacles
from components.data.passes.matching import Matches, RowKeys, find_matches, merge_matches
from components.data.passes.reading import (
    NumberedChunk,
    ReadChunk,
    in_order_of_lines,
    invalid_rows_path,
    read_chunk,
)
from components.data.passes.row_sample import RowSample, key_limit, merge_samples, write_sample
from components.data.passes.typed_rows import NO_SPLIT, TypedRows
from components.data.row_parsing import Row, RowFormat, Value
from components.data.sources.formats import files_of, source_of
from components.data.sources.source import Chunk
from components.data.splits.by_id import SplitRule, hash_of_id, place_row
from components.data.splits.by_time import Times, merge_times
from components.data.splits.rule import LabelCounts, merge_counts, split_rule
from components.data.statistics import Profile, new_profile
from components.errors import DataError, InvalidRowsError
from components.features.config import FeaturesConfig
from components.labels.table import KINDS

_SAMPLED_ROWS = 64
"""Thresholds and scales need no more than a rough distribution."""
_SAMPLED_STEPS = 2_000
"""Of each row, which bounds the memory."""
_Sampled: TypeAlias = tuple[bytes, dict[str, Value]]
"""What a row is chosen by, and its numeric sequences."""


@dataclass
class Findings:
    """What the rows of some chunks have, beside the files that they are in now."""

    profile: Profile
    sample: list[_Sampled] = field(default_factory=list)
    splits_of_group: dict[str, set[Split]] = field(default_factory=dict)
    chunks: list[TypedRows] = field(default_factory=list)
    size_bytes: int = 0

    def merge(self, other: Findings) -> None:
        """Adds what other chunks have."""
        self.profile.merge(other.profile)
        self.sample = _smallest([self.sample, other.sample])
        for group, splits in other.splits_of_group.items():
            self.splits_of_group[group] = self.splits_of_group.get(group, set()) | splits
        self.chunks += other.chunks
        self.size_bytes += other.size_bytes


@dataclass(frozen=True)
class Survey:
    """What the first pass found; ``rule`` is how the rows are split."""

    findings: Findings
    rule: SplitRule
    matches: Matches
    invalid_rows: tuple[Path, ...]
    """Files with the invalid rows as JSON lines, in the order of sources and lines."""

    @property
    def profile(self) -> Profile:
        """The statistics of the rows."""
        return self.findings.profile

    @property
    def chunks(self) -> list[TypedRows]:
        """The rows, in order."""
        return sorted(self.findings.chunks, key=lambda rows: rows.number)

    @property
    def sample(self) -> tuple[Mapping[str, Value], ...]:
        """The numeric sequences of some training rows, cut to their first steps, from which the
        summaries are learned; empty if nothing is.
        """
        return tuple(values for _, values in self.findings.sample)

    @property
    def row_sample(self) -> pa.Table | None:
        """Of the training split, for comparisons with rows to come; None if it has no rows."""
        paths = (chunk.sample_path for chunk in self.chunks)
        return merge_samples(pq.read_table(path) for path in paths if path.exists())

    @property
    def parted_groups(self) -> tuple[str, ...]:
        """Those with rows in two splits or more, which files of their own can bring about."""
        found = self.findings.splits_of_group.items()
        return tuple(sorted(group for group, splits in found if len(splits) > 1))


class _Counted(NamedTuple):
    """What decides the splits."""

    labels: LabelCounts
    times: Times
    rows: int


class _Decided(NamedTuple):
    """What is known before the rows are surveyed."""

    rule: SplitRule
    sample_limit: bytes | None
    """Of ``RowSample``."""


def survey_rows(
    chunks: Sequence[Chunk],
    features: FeaturesConfig,
    form: RowFormat,
    data: DataConfig,
    preprocessing: PreprocessingConfig,
    directory: Path,
) -> Survey:
    """Parses every row; the workers write what they found to ``directory``.

    A row's split depends on how many rows its label has, so the labels are counted first.
    """
    # By way of a file: a Beam pipeline returns nothing, and its workers may be other processes.
    found = directory / "survey.pickle"
    with run_pipeline(preprocessing) as pipeline:
        read = (
            pipeline
            | "Chunks" >> beam.Create([NumberedChunk(*each) for each in enumerate(chunks)])
            # Without it Beam fuses the steps, and one worker reads all chunks.
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.Map(read_chunk, features, form, str(directory))
        )
        decided = (
            read
            | "Counted"
            >> beam.Map(lambda chunk: _Counted(chunk.labels, chunk.times, chunk.valid_rows))
            | "Merge counts" >> beam.CombineGlobally(_merge_counted)
            | "Decide" >> beam.Map(_decide, data, form)
        )
        findings, keys = (
            read
            | "Survey" >> beam.FlatMap(
                _survey_chunk, features, form, len(chunks), AsSingleton(decided)
            ).with_outputs("keys", main="findings")
        )  # fmt: skip
        merged = findings | "Merge" >> beam.CombineGlobally(_MergeFindings(features))
        matches = (
            keys
            | "Keys of a part" >> beam.GroupByKey()
            | "Find matches" >> beam.MapTuple(find_matches)
            | "Merge matches" >> beam.CombineGlobally(merge_matches)
        )
        (
            pipeline
            | "Once" >> beam.Create([str(found)])
            | "Write survey"
            >> beam.Map(
                _write_survey, AsSingleton(merged), AsSingleton(decided), AsSingleton(matches)
            )
        )
    every, rule_found, matches_found = cast(
        tuple[Findings, SplitRule, Matches], pickle.loads(found.read_bytes())
    )
    paths = (invalid_rows_path(str(directory), index) for index in in_order_of_lines(chunks))
    invalid = tuple(path for path in paths if path.exists())
    return Survey(every, rule_found, matches_found, invalid)


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
        survey.matches.duplicates,
        survey.parted_groups,
        survey.rule,
        data,
        features,
        survey.matches.repeated,
    ):
        raise obstacle


def write_dead_letters(survey: Survey, path: Path) -> None:
    """Writes one JSON line per invalid row: source, line, reason, excerpt."""
    with open_atomically(path, prefix=f".{path.name}.", suffix="") as file:
        for each in survey.invalid_rows:
            with each.open("rb") as lines:
                shutil.copyfileobj(lines, file)


def _merge_counted(parts: Iterable[_Counted]) -> _Counted:
    every = list(parts)
    return _Counted(
        merge_counts(part.labels for part in every),
        merge_times(part.times for part in every),
        sum(part.rows for part in every),
    )


def _decide(counted: _Counted, data: DataConfig, form: RowFormat) -> _Decided:
    times = counted.times if form.time is not None else None
    return _Decided(split_rule(counted.labels, data, times), key_limit(counted.rows))


def _survey_chunk(
    chunk: ReadChunk, features: FeaturesConfig, form: RowFormat, chunks: int, decided: _Decided
) -> Iterator[Findings | TaggedOutput]:
    """Decides where each row belongs, and writes it down beside the rows."""
    findings = Findings(new_profile(features), chunks=[chunk.rows], size_bytes=chunk.size_bytes)
    profile = findings.profile
    profile.merge(chunk.profile)
    keys = RowKeys(chunk.rows, chunk.source)
    row_sample = RowSample(limit=decided.sample_limit)
    kind = KINDS[form.label]
    sampled = features.numeric_sequences if features.summaries.learns else ()

    def places() -> Iterator[tuple[NDArray[np.int8], list[tuple[str, ...]]]]:
        for batch in chunk.rows.batches():
            splits: list[int] = []
            classes: list[tuple[str, ...]] = []
            for row in rows_of(batch, features):
                split, labels = place_row(row, chunk.split, decided.rule, kind)
                keys.add(row, split, labels)
                splits.append(NO_SPLIT if split is None else SPLITS.index(split))
                classes.append(labels)
                if split is None:
                    profile.add_left_out()
                    continue
                profile.splits[split].add(row, labels)
                if row.group:
                    findings.splits_of_group.setdefault(row.group, set()).add(split)
                if split == "train":
                    row_sample.add(row, labels, features)
                    if sampled:
                        findings.sample.append(_sampled(row, sampled))
            findings.sample = _smallest([findings.sample])
            placed = np.array(splits, np.int8)
            _add_numbers(profile, batch, placed, features)
            yield placed, classes

    chunk.rows.write_places(places())
    if row_sample.rows:
        # As a file: rows do not pass through Beam.
        write_sample(row_sample.table(), chunk.rows.sample_path)
    for part, each in keys.write(chunks):
        yield TaggedOutput("keys", (part, each))
    yield findings


def _add_numbers(
    profile: Profile, batch: Any, places: NDArray[np.int8], features: FeaturesConfig
) -> None:
    for name, key in sorted(profile.numeric.items()):
        numbers = values_of(batch, key, features.by_name[key].raw)
        of_steps = np.repeat(places, np.diff(numbers.begins))
        for place, split in enumerate(SPLITS):
            profile.splits[split].add_numbers(name, numbers.steps[of_steps == place])


def _sampled(row: Row, names: Iterable[str]) -> _Sampled:
    # By the end of the hash: its beginning decides the split. A copy: a view keeps the whole batch.
    values: dict[str, Value] = {name: np.array(row.values[name][:_SAMPLED_STEPS]) for name in names}
    return hash_of_id(row.id)[::-1], values


def _smallest(parts: Iterable[list[_Sampled]]) -> list[_Sampled]:
    """The rows with the smallest hashes of all parts, whatever the parts are."""
    return heapq.nsmallest(_SAMPLED_ROWS, chain.from_iterable(parts), key=itemgetter(0))


class _MergeFindings(beam.CombineFn):
    def __init__(self, features: FeaturesConfig) -> None:
        self._features = features

    def create_accumulator(self) -> Findings:
        return Findings(new_profile(self._features))

    def add_input(self, accumulator: Findings, element: Findings) -> Findings:
        accumulator.merge(element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Findings]) -> Findings:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Findings) -> Findings:
        return accumulator


def _write_survey(path: str, findings: Findings, decided: _Decided, matches: Matches) -> None:
    write_atomically(Path(path), pickle.dumps((findings, decided.rule, matches)))


def _check_budget(survey: Survey, data: DataConfig, dead_letters: Path) -> None:
    invalid = survey.profile.invalid_count
    total = invalid + survey.profile.valid_count
    if not total:
        layout = source_of(files_of(data.train)[0]).layout
        raise DataError(f"{data.train} holds no rows; expected {layout}.")
    if invalid <= data.bad_rows_allowed_fraction * total:
        return
    write_dead_letters(survey, dead_letters)
    causes = survey.profile.most_common_causes()
    lead = "the three most common causes: " if len(causes) > 3 else "because: "
    shown = ", ".join(
        f"{cause} ({rows.count:,}, first at {rows.first})" for cause, rows in causes[:3]
    )
    raise InvalidRowsError(
        f"{invalid:,} of {total:,} rows are invalid, {100 * data.bad_rows_allowed_fraction:g} % "
        f"allowed; {lead}{shown}; see {dead_letters}"
    )
