"""Raw rows become examples: the second pass, with Beam and TFT, and the directory it leaves.

    train-00000-of-00002.tfrecord …     transformed SequenceExamples; so are validation-…, test-…
    raw_test-00000-of-00002.tfrecord …  the rows of test-…, in the same order, as they came, and
                                        when they were, if the config says where that stands
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
from components.data.row_parsing import Row, RowFormat
from components.data.sequence_examples import encode_row
from components.data.sources.formats import chunks_of
from components.data.sources.source import Chunk
from components.data.splits.by_id import (
    SplitRule,
    hash_of_id,
    read_split_rows,
    shard_of,
)
from components.data.splits.values import row_format
from components.data.statistics import DEAD_LETTERS, rare_labels, write_statistics
from components.data.survey import check_survey, survey_rows, write_invalid_rows
from components.features.config import FeaturesConfig
from components.runtime.libraries import quiet_libraries
from components.summaries.summarizer import Sample

BATCH_ROWS = 1000
BATCH_STEPS = 50_000
"""A record batch ends at so many rows or steps, which bounds its memory.

Not settings: TFT adds up the moments batch by batch, so another size would give other last digits.
"""

_Record: TypeAlias = tuple[bytes, bytes]
"""Hash of the id, by which the records of a shard are sorted, and the serialized example."""
_Shard: TypeAlias = tuple[str, int]
"""Name and number of a file of records."""


_NO_RECORD: _Record = (b"", b"")


@dataclass(frozen=True)
class _Plan:
    """What every worker needs to know."""

    features: FeaturesConfig
    form: RowFormat
    rule: SplitRule
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
        DataError: no model can be trained on the rows; see ``components.data.checks``.
        StorageError: the disk is full or the directory cannot be written.
    """
    check_runner(preprocessing)
    form = row_format(features, data)
    # Outside of the directory, which is removed when the survey fails.
    dead_letters = directory.with_name(f"{directory.name}.{DEAD_LETTERS}")
    with building(directory) as partial, quiet_libraries():
        chunks = chunks_of(rows)
        survey = survey_rows(chunks, features, form, data, preprocessing, partial)
        check_survey(survey, data, features, dead_letters)
        plan = _Plan(features, form, survey.rule, preprocessing.shards, str(partial))
        _transform_rows(chunks, plan, survey.sample, preprocessing)
        transform = tft.TFTransformOutput(str(partial / "transform"))
        sizes = {
            name: size
            for name, feature in features.by_name.items()
            if (size := feature.id_count(name, transform)) is not None
        }
        # Those of the training split are all: rows with any other are left out.
        labels = tuple(sorted(survey.profile.splits["train"].labels))
        schema = Schema(features, labels, sizes, data.max_row_steps, data.columns, data.label)
        save_schema(schema, partial)
        shown = {features.by_name[name].in_rows(name): size for name, size in sizes.items()}
        rare = rare_labels(survey.rule, data)
        write_statistics(survey.profile, shown, partial, rare, survey.repeated)
        write_invalid_rows(survey.invalid_rows, partial / DEAD_LETTERS)
        # Of what is trained on: other statistics or dead letters make no other examples.
        trained_on = [*sorted(partial.glob("*.tfrecord")), partial / "schema.json"]
        digest = combined_digest((path.name, digest_of_file(path)) for path in trained_on)
    # Of an earlier run that had too many invalid rows.
    dead_letters.unlink(missing_ok=True)
    return Examples(str(directory), digest)


def _transform_rows(
    chunks: Sequence[Chunk], plan: _Plan, sample: Sample, preprocessing: PreprocessingConfig
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
        preprocess = preprocessing_fn(plan.features, sample)
        transform = (train, config) | tft_beam.AnalyzeDataset(preprocess)
        transform | tft_beam.WriteTransformFn(str(Path(plan.directory) / "transform"))
        (batches, _) = ((every, config), transform) | tft_beam.TransformDataset(
            output_record_batches=True
        )
        transformed = batches | "Encode" >> beam.FlatMap(_encode_transformed, plan)
        raw = _read(pipeline, "raw", chunks) | "Raw" >> beam.FlatMap(_encode_raw_test, plan)
        # A shard that no row falls into is written too: each gets one empty record to be skipped.
        shards = [(name, shard) for name in (*SPLITS, RAW_TEST) for shard in range(plan.shards)]
        empty = pipeline | "Every shard" >> beam.Create([(shard, _NO_RECORD) for shard in shards])
        (
            [transformed, raw, empty]
            | "All records" >> beam.Flatten()
            | "Group by shard" >> beam.GroupByKey()
            | "Write shards" >> beam.Map(_write_shard, plan)
        )
    shutil.rmtree(scratch, ignore_errors=True)


def _read(pipeline: beam.Pipeline, name: str, chunks: Sequence[Chunk]) -> Any:
    # Without the reshuffle a runner would fuse all steps, and one worker would read every chunk.
    return (
        pipeline | f"Chunks of {name}" >> beam.Create(chunks) | f"Spread {name}" >> beam.Reshuffle()
    )


def _rows(chunk: Chunk, plan: _Plan, only: Split | None) -> Iterator[tuple[Split, Row]]:
    """The valid rows of a chunk, with their split."""
    for _, split, row in read_split_rows(chunk, plan.form, plan.rule):
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


def _encode_transformed(
    item: tuple[pa.RecordBatch, Any], plan: _Plan
) -> Iterator[tuple[_Shard, _Record]]:
    for split, row in transformed_rows(item[0], plan.features):
        yield _encoded(split, row, plan)


def _encode_raw_test(chunk: Chunk, plan: _Plan) -> Iterator[tuple[_Shard, _Record]]:
    for _, row in _rows(chunk, plan, "test"):
        yield _encoded(RAW_TEST, row, plan, with_time=plan.form.time is not None)


def _encoded(
    name: str, row: Row, plan: _Plan, *, with_time: bool = False
) -> tuple[_Shard, _Record]:
    record = (hash_of_id(row.id), encode_row(row, plan.features, with_time=with_time))
    return (name, shard_of(row.id, plan.shards)), record


def _write_shard(group: tuple[_Shard, Iterable[_Record]], plan: _Plan) -> None:
    (name, shard), records = group
    path = Path(plan.directory) / f"{name}-{shard:05}-of-{plan.shards:05}.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        # Sorted: Beam gives the records of a group in any order.
        for _, example in sorted(record for record in records if record != _NO_RECORD):
            writer.write(example)
