"""The first pass over the rows: what is in them, and whether a model can be trained on them.

It finds the invalid rows, the ids that occur twice and the statistics, before anything is learned
from the data.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from components.artifacts.storage import write_atomically
from components.artifacts.values import SPLITS, Split
from components.config import DataConfig, PreprocessingConfig
from components.data.beam import run_pipeline
from components.data.row_parsing import InvalidRow, RowFormat
from components.data.sources.formats import source_of
from components.data.sources.source import Chunk
from components.data.splits import SplitFractions, read_split_rows
from components.data.statistics import Profile, new_profile
from components.errors import DataError, InvalidRowsError
from components.features.config import FeaturesConfig

_SHOWN = 5
"""Examples of a fault that a message names."""

_Occurrence: TypeAlias = tuple[str, int, Split]
"""Where an id occurs: path, number of the row, split. A tuple: Beam encodes one for every row."""


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
    """What the first pass found; ``duplicates`` are the ids that occur more than once."""

    profile: Profile
    invalid_rows: tuple[InvalidRowEntry, ...]
    duplicates: tuple[tuple[str, tuple[_Occurrence, ...]], ...]


def survey_rows(
    chunks: Sequence[Chunk],
    features: FeaturesConfig,
    form: RowFormat,
    fractions: SplitFractions,
    preprocessing: PreprocessingConfig,
    directory: Path,
) -> Survey:
    """Parses every row once; the workers write what they found to ``directory``."""
    # By way of a file: a Beam pipeline returns nothing, and its workers may be other processes.
    found = directory / "survey.pickle"
    with run_pipeline(preprocessing) as pipeline:
        profiles, invalid_rows, ids = (
            pipeline
            | "Chunks" >> beam.Create(chunks)
            # Without it Beam fuses the steps, and one worker reads all chunks.
            | "Spread" >> beam.Reshuffle()
            | "Survey" >> beam.FlatMap(_survey_chunk, features, form, fractions).with_outputs(
                "invalid", "ids", main="profiles"
            )
        )  # fmt: skip
        profile = profiles | "Merge" >> beam.CombineGlobally(_MergeProfiles(features))
        duplicates = (
            ids
            | "Group by id" >> beam.GroupByKey()
            | "Sort occurrences" >> beam.MapTuple(lambda key, found: (key, tuple(sorted(found))))
            | "Keep duplicates" >> beam.Filter(lambda item: len(item[1]) > 1)
        )
        (
            pipeline
            | "Once" >> beam.Create([str(found)])
            | "Write survey"
            >> beam.Map(
                _write_survey, AsSingleton(profile), AsList(invalid_rows), AsList(duplicates)
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
        DataError: no rows, ids that occur twice, an empty split, a single label, a label that the
          training split does not have, or numbers too large to be scaled.
    """
    # From cause to consequence: many invalid rows may also empty a split or remove a label.
    _check_budget(survey, data, dead_letters)
    _check_duplicates(survey.duplicates)
    _check_splits(survey.profile, data)
    _check_labels(survey.profile)
    _check_scales(survey.profile, features)


def write_invalid_rows(rows: Iterable[InvalidRowEntry], path: Path) -> None:
    """Writes one JSON line per invalid row: source, line, reason, excerpt."""
    content = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    write_atomically(path, content)


def _survey_chunk(
    chunk: Chunk, features: FeaturesConfig, form: RowFormat, fractions: SplitFractions
) -> Iterator[Profile | TaggedOutput]:
    profile = new_profile(features)
    path = chunk.source.path
    for record, split, row in read_split_rows(chunk, form, fractions):
        if isinstance(row, InvalidRow):
            profile.add_invalid(row, path, record.number)
            entry = InvalidRowEntry(path, record.number, row.reason, record.excerpt)
            yield TaggedOutput("invalid", entry)
        elif split is not None:
            profile.add(split, row)
            yield TaggedOutput("ids", (row.id, (path, record.number, split)))
    yield profile


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
    path: str, profile: Profile, invalid_rows: list[InvalidRowEntry], duplicates: list[Any]
) -> None:
    # Beam gives both in any order; messages and files must not depend on it.
    in_order = sorted(duplicates, key=lambda item: item[1])
    survey = Survey(profile, tuple(sorted(invalid_rows)), tuple(in_order))
    write_atomically(Path(path), pickle.dumps(survey))


def _check_budget(survey: Survey, data: DataConfig, dead_letters: Path) -> None:
    invalid = survey.profile.invalid_count
    total = invalid + survey.profile.valid_count
    if not total:
        layout = source_of(data.train).layout
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


def _check_duplicates(duplicates: Sequence[tuple[str, tuple[_Occurrence, ...]]]) -> None:
    if not duplicates:
        return
    shown = "; ".join(
        f"{row_id!r} at "
        + ", ".join(source_of(path).location(number) for path, number, _ in found[:_SHOWN])
        for row_id, found in duplicates[:_SHOWN]
    )
    # The same row in the training and the test split makes every metric too good.
    in_two = sum(len({split for _, _, split in found}) > 1 for _, found in duplicates)
    leak = f", {in_two:,} of them in two splits" if in_two else ""
    raise DataError(
        f"every id may occur once, but {len(duplicates):,} occur more often{leak}: {shown}. "
        "Remove the repeated rows or give them ids of their own."
    )


def _check_splits(profile: Profile, data: DataConfig) -> None:
    for split in SPLITS:
        if profile.splits[split].rows:
            continue
        file = getattr(data, split)
        if file is not None and split != "train":
            what = f"data.{split} ({file}) holds no valid row."
        elif split == "train":
            what = "give more rows, or lower the fractions of the other splits."
        else:
            what = f"give more rows, a greater data.{split}_fraction, or a file in data.{split}."
        raise DataError(
            f"the {split} split is empty, of {profile.valid_count:,} valid rows: {what}"
        )


def _check_labels(profile: Profile) -> None:
    known = profile.splits["train"].labels
    if len(known) < 2:
        raise DataError(
            f"all rows of the training split have the label {next(iter(known))!r}: a classifier "
            "needs at least two labels."
        )
    for split in ("validation", "test"):
        seen = profile.splits[split].labels
        unknown = sorted(set(seen) - set(known))
        if unknown:
            names = ", ".join(f"{label!r} ({seen[label]:,})" for label in unknown[:_SHOWN])
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise DataError(
                f"the {split} split has labels that the training split does not have: "
                f"{names}{more} (rows). Add training rows with them or leave these rows out."
            )


def _check_scales(profile: Profile, features: FeaturesConfig) -> None:
    for name, feature in features.by_name.items():
        limit = feature.largest_number
        if limit is None:
            continue
        moments = profile.splits["train"].moments[name]
        largest = max(abs(moments.minimum).max(), abs(moments.maximum).max())
        if largest > limit:
            raise DataError(
                f"{name} holds numbers as large as {largest:.3g}, too large to be scaled to a "
                f"z-score (at most {limit:g}): take a larger unit or logarithms."
            )
