"""The first pass over the rows: what is in them, and whether they can be used at all.

It finds the unusable rows, the ids that occur twice and the statistics, before anything is learned
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
from components.data.jsonl import Chunk, read_chunk
from components.data.row_parsing import BadRow, excerpt
from components.data.splits import Bands
from components.data.statistics import Problem, Profile, new_profile
from components.errors import BadRowBudgetError, DataError
from components.features.config import FeaturesConfig

_SHOWN = 5

Place: TypeAlias = tuple[str, int, Split]
"""Where a usable row is: source, line, split. A tuple, since Beam encodes one for every row."""


@dataclass(frozen=True, order=True)
class DeadLetter:
    """A row that cannot be used: where it is, why, and how it begins."""

    source: str
    line: int
    reason: str
    excerpt: str


@dataclass(frozen=True)
class Survey:
    """What the first pass found; ``duplicates`` are the ids that occur more than once."""

    profile: Profile
    dead_letters: tuple[DeadLetter, ...]
    duplicates: tuple[tuple[str, tuple[Place, ...]], ...]


def survey_rows(
    chunks: Sequence[Chunk],
    features: FeaturesConfig,
    bands: Bands,
    preprocessing: PreprocessingConfig,
    directory: Path,
) -> Survey:
    """Looks at every row; ``directory`` is where the workers leave what they found."""
    found = directory / "survey.pickle"
    with run_pipeline(preprocessing) as pipeline:
        profiles, letters, ids = (
            pipeline
            | "Chunks" >> beam.Create(chunks)
            | "Spread" >> beam.Reshuffle()
            | "Survey" >> beam.FlatMap(_survey_chunk, features, bands).with_outputs(
                "letters", "ids", main="profiles"
            )
        )  # fmt: skip
        profile = profiles | "Merge" >> beam.CombineGlobally(_MergeProfiles(features))
        duplicates = (
            ids
            | "Group by id" >> beam.GroupByKey()
            | "Sort places" >> beam.MapTuple(_sorted_places)
            | "Keep duplicates" >> beam.Filter(lambda item: len(item[1]) > 1)
        )
        (
            pipeline
            | "Once" >> beam.Create([str(found)])
            | "Write survey"
            >> beam.Map(_write_survey, AsSingleton(profile), AsList(letters), AsList(duplicates))
        )
    survey = cast(Survey, pickle.loads(found.read_bytes()))
    found.unlink()
    return survey


def check_survey(
    survey: Survey, data: DataConfig, features: FeaturesConfig, dead_letters: Path
) -> None:
    """Refuses rows that no model can be trained on.

    Raises:
      BadRowBudgetError: too many unusable rows; they are listed in the file ``dead_letters``.
      DataError: no rows, ids that occur twice, an empty split, a single label, a label that the
        training split does not have, or numbers too large to be scaled.
    """
    _check_budget(survey, data, dead_letters)
    _check_duplicates(survey.duplicates)
    _check_splits(survey.profile, data)
    _check_labels(survey.profile)
    _check_scales(survey.profile, features)


def write_dead_letters(letters: Iterable[DeadLetter], path: Path) -> None:
    """Writes one JSON line a dead letter: source, line, reason, excerpt."""
    content = "".join(json.dumps(asdict(letter), ensure_ascii=False) + "\n" for letter in letters)
    write_atomically(path, content)


def _survey_chunk(
    chunk: Chunk, features: FeaturesConfig, bands: Bands
) -> Iterator[Profile | TaggedOutput]:
    profile = new_profile(features)
    for number, line, split, row in read_chunk(chunk, features, bands):
        if isinstance(row, BadRow):
            profile.add_bad(row, chunk.source, number)
            letter = DeadLetter(chunk.source, number, row.reason, excerpt(line))
            yield TaggedOutput("letters", letter)
        elif split is not None:
            profile.add(split, row)
            yield TaggedOutput("ids", (row.id, (chunk.source, number, split)))
    yield profile


def _sorted_places(row_id: str, places: Iterable[Place]) -> tuple[str, tuple[Place, ...]]:
    return row_id, tuple(sorted(places))


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
    path: str, profile: Profile, letters: list[DeadLetter], duplicates: list[Any]
) -> None:
    by_place = sorted(duplicates, key=lambda item: item[1])
    survey = Survey(profile, tuple(sorted(letters)), tuple(by_place))
    write_atomically(Path(path), pickle.dumps(survey))


def _check_budget(survey: Survey, data: DataConfig, dead_letters: Path) -> None:
    bad = survey.profile.unusable
    total = bad + survey.profile.usable
    if not total:
        raise DataError(f"{data.train} holds no rows: one JSON object a line was expected.")
    if bad <= data.bad_rows_allowed_fraction * total:
        return
    write_dead_letters(survey.dead_letters, dead_letters)
    raise BadRowBudgetError(
        f"{bad:,} of {total:,} rows unusable, {100 * data.bad_rows_allowed_fraction:g} % allowed; "
        f"{_reasons(survey.profile.most_common_problems())}; see {dead_letters}"
    )


def _reasons(problems: list[tuple[str, Problem]]) -> str:
    lead = "the three most common reasons: " if len(problems) > 3 else "because: "
    return lead + ", ".join(
        f"{name} ({seen.count:,}, first at {seen.first})" for name, seen in problems[:3]
    )


def _check_duplicates(duplicates: Sequence[tuple[str, tuple[Place, ...]]]) -> None:
    if not duplicates:
        return
    shown = "; ".join(
        f"{row_id!r} at " + ", ".join(_short(place) for place in places[:_SHOWN])
        for row_id, places in duplicates[:_SHOWN]
    )
    in_two = sum(len({split for _, _, split in places}) > 1 for _, places in duplicates)
    leak = f", {in_two:,} of them in two splits" if in_two else ""
    raise DataError(
        f"every id may occur once, but {len(duplicates):,} occur more often{leak}: {shown}. "
        "Remove the repeated rows or give them ids of their own."
    )


def _short(place: Place) -> str:
    return f"{Path(place[0]).name}:{place[1]}"


def _check_splits(profile: Profile, data: DataConfig) -> None:
    for split in SPLITS:
        if profile.splits[split].rows:
            continue
        file = getattr(data, split)
        if file is not None and split != "train":
            what = f"data.{split} ({file}) holds no usable row."
        elif split == "train":
            what = "give more rows, or lower the fractions of the other splits."
        else:
            what = f"give more rows, a greater data.{split}_fraction, or a file in data.{split}."
        raise DataError(f"the {split} split is empty, of {profile.usable:,} usable rows: {what}")


def _check_labels(profile: Profile) -> None:
    known = profile.splits["train"].labels
    if len(known) < 2:
        raise DataError(
            f"all rows of the training split have the label {next(iter(known))!r}: a classifier "
            "needs two labels at least."
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
