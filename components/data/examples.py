"""Raw rows become examples: the second pass, with Beam and TFT, and the directory it leaves.

    train-00000-of-00002.tfrecord …     transformed SequenceExamples; so are validation-…, test-…
    raw_test-00000-of-00002.tfrecord …  the rows of test-…, in the same order, as they came
    transform/                          the transform graph and its vocabularies
    schema.json                         ``components.artifacts.schema``
    statistics.json                     ``components.data.statistics``
    dead_letters.jsonl                  the invalid rows: source, line, reason, excerpt

The same rows and settings give the same TFRecords, byte for byte: the hash of a row's id decides
its shard and its position in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

from components.artifacts.schema import Schema, save_schema
from components.artifacts.storage import building, combined_digest, digest_of_file
from components.artifacts.values import RAW_TEST, SPLITS, Examples, Rows, Split
from components.config import DataConfig, PreprocessingConfig
from components.data.arrow import adapter_config, pass_through, to_record_batch, transformed_rows
from components.data.beam import check_runner, run_pipeline
from components.data.preprocessing import preprocessing_fn
from components.data.row_parsing import Row, Value
from components.data.sequence_examples import encode
from components.data.sources.formats import chunks_of
from components.data.sources.source import Chunk
from components.data.splits import (
    SplitFractions,
    hash_of_id,
    read_split_rows,
    shard_of,
    split_fractions,
)
from components.data.statistics import write_statistics
from components.data.survey import DEAD_LETTERS, check_survey, survey_rows, write_invalid_rows
from components.features.config import FeaturesConfig
from components.runtime.libraries import quiet_libraries

BATCH_ROWS = 1000
BATCH_STEPS = 50_000
"""A record batch ends at so many rows or steps: constants, since sums of floats depend on it."""

_Record: TypeAlias = tuple[bytes, str, bytes]
"""Hash of the id, id, serialized example."""


@dataclass(frozen=True)
class _Plan:
    """What every worker needs to know."""

    features: FeaturesConfig
    fractions: SplitFractions
    shards: int
    directory: str


def write_examples(
    rows: Rows,
    data: DataConfig,
    features: FeaturesConfig,
    preprocessing: PreprocessingConfig,
    directory: Path,
) -> Examples:
    """Validates, splits, transforms and writes the rows into ``directory``.

    Raises:
        ConfigError: the Beam runner or its options cannot be used.
        InvalidRowsError: too many invalid rows; ``<directory>.dead_letters.jsonl`` lists them.
        DataError: ids that occur twice, an empty split, a single label or an unknown one.
        StorageError: the disk is full or the directory cannot be written.
    """
    check_runner(preprocessing)
    fractions = split_fractions(data)
    # Outside of the directory, which is removed when the survey fails.
    dead_letters = directory.with_name(f"{directory.name}.{DEAD_LETTERS}")
    with building(directory) as partial, quiet_libraries():
        chunks = chunks_of(rows)
        survey = survey_rows(chunks, features, fractions, preprocessing, partial)
        check_survey(survey, data, features, dead_letters)
        plan = _Plan(features, fractions, preprocessing.shards, str(partial))
        _transform_rows(chunks, plan, preprocessing)
        sizes = _id_counts(partial / "transform", features)
        labels = tuple(sorted(survey.profile.splits["train"].labels))
        save_schema(Schema(features, labels, sizes), partial)
        write_statistics(survey.profile, sizes, partial)
        write_invalid_rows(survey.invalid_rows, partial / DEAD_LETTERS)
        digest = _digest(partial)
    dead_letters.unlink(missing_ok=True)
    return Examples(str(directory), digest)


def _transform_rows(
    chunks: Sequence[Chunk], plan: _Plan, preprocessing: PreprocessingConfig
) -> None:
    config = adapter_config(plan.features)
    scratch = Path(plan.directory) / "scratch"
    with (
        run_pipeline(preprocessing) as pipeline,
        tft_beam.Context(str(scratch), passthrough_keys=pass_through()),
    ):
        # The input is read once to learn and once to transform: keeping it would double the memory.
        train = _read(pipeline, "train", chunks) | "Train" >> beam.FlatMap(_batches, plan, "train")
        every = _read(pipeline, "all", chunks) | "All" >> beam.FlatMap(_batches, plan, None)
        transform = (train, config) | tft_beam.AnalyzeDataset(preprocessing_fn(plan.features))
        transform | tft_beam.WriteTransformFn(str(Path(plan.directory) / "transform"))
        (batches, _) = ((every, config), transform) | tft_beam.TransformDataset(
            output_record_batches=True
        )
        transformed = batches | "Encode" >> beam.FlatMap(_encode_batch, plan)
        raw = _read(pipeline, "raw", chunks) | "Raw" >> beam.FlatMap(_encode_raw_test, plan)
        _write_shards(pipeline, [transformed, raw], plan)
    shutil.rmtree(scratch, ignore_errors=True)


def _read(pipeline: beam.Pipeline, name: str, chunks: Sequence[Chunk]) -> Any:
    return (
        pipeline | f"Chunks of {name}" >> beam.Create(chunks) | f"Spread {name}" >> beam.Reshuffle()
    )


def _rows(chunk: Chunk, plan: _Plan, only: Split | None) -> Iterator[tuple[Split, Row]]:
    """The valid rows of a chunk, with their split."""
    for _, split, row in read_split_rows(chunk, plan.features, plan.fractions):
        if isinstance(row, Row) and split is not None and only in (None, split):
            yield split, row


def _batches(chunk: Chunk, plan: _Plan, only: Split | None) -> Iterator[pa.RecordBatch]:
    batch: list[tuple[Split, Row]] = []
    steps = 0
    for split, row in _rows(chunk, plan, only):
        batch.append((split, row))
        steps += row.steps
        if len(batch) == BATCH_ROWS or steps >= BATCH_STEPS:
            yield to_record_batch(batch, plan.features)
            batch, steps = [], 0
    if batch:
        yield to_record_batch(batch, plan.features)


def _encode_batch(
    item: tuple[pa.RecordBatch, Any], plan: _Plan
) -> Iterator[tuple[tuple[str, int], _Record]]:
    for split, row_id, label, values in transformed_rows(item[0], plan.features):
        yield _keyed(split, row_id, label, values, plan)


def _encode_raw_test(chunk: Chunk, plan: _Plan) -> Iterator[tuple[tuple[str, int], _Record]]:
    for _, row in _rows(chunk, plan, "test"):
        yield _keyed(RAW_TEST, row.id, (row.label or "").encode(), row.values, plan)


def _keyed(
    name: str, row_id: str, label: bytes, values: dict[str, Value], plan: _Plan
) -> tuple[tuple[str, int], _Record]:
    context: dict[str, Value] = {"id": [row_id.encode()], "label": [label]}
    context |= {name: values[name] for name in plan.features.context}
    sequence = {name: values[name] for name in plan.features.sequence}
    record = (hash_of_id(row_id), row_id, encode(context, sequence))
    return (name, shard_of(row_id, plan.shards)), record


def _write_shards(pipeline: beam.Pipeline, records: list[Any], plan: _Plan) -> None:
    # A shard that no row falls into is written too: each gets one empty record to be skipped.
    names = [(name, shard) for name in (*SPLITS, RAW_TEST) for shard in range(plan.shards)]
    empty = pipeline | "Every shard" >> beam.Create([(name, (b"", "", b"")) for name in names])
    (
        [*records, empty]
        | "All records" >> beam.Flatten()
        | "Group by shard" >> beam.GroupByKey()
        | "Write shards" >> beam.Map(_write_shard, plan)
    )


def _write_shard(group: tuple[tuple[str, int], Iterable[_Record]], plan: _Plan) -> None:
    (name, shard), records = group
    path = Path(plan.directory) / f"{name}-{shard:05}-of-{plan.shards:05}.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _, _, example in sorted(record for record in records if record[2]):
            writer.write(example)


def _id_counts(transform: Path, features: FeaturesConfig) -> dict[str, int]:
    """How many ids each feature gives out; features that give out numbers are left out."""
    output = tft.TFTransformOutput(str(transform))
    counts = {name: one.id_count(name, output) for name, one in features.by_name.items()}
    return {name: count for name, count in counts.items() if count is not None}


def _digest(directory: Path) -> str:
    """The digest of what is trained on: the records and the schema, by name."""
    paths = [*sorted(directory.glob("*.tfrecord")), directory / "schema.json"]
    return combined_digest((path.name, digest_of_file(path)) for path in paths)
