"""The second pass: TFT learns from the training rows and transforms all of them into shards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_transform.beam as tft_beam

from components.artifacts.values import RAW_TEST, SPLITS
from components.config import PreprocessingConfig
from components.data.arrow import (
    ID,
    LABELS,
    SECONDS,
    SPLIT,
    adapter_config,
    chosen_lists,
    for_transform,
    pass_through,
)
from components.data.beam import run_pipeline
from components.data.passes.encoding import encode_batch
from components.data.passes.progress import note_transformed
from components.data.passes.shards import Record, Run, Shard, shard_name, write_runs, write_shard
from components.data.passes.typed_rows import NO_SPLIT, TypedRows
from components.data.preprocessing import preprocessing_fn
from components.data.sequence_examples import beside_features
from components.data.splits.by_id import hash_of_id, shard_of
from components.features.config import FeaturesConfig
from components.summaries.summarizer import Sample


@dataclass(frozen=True)
class _Plan:
    """What every worker needs to know."""

    features: FeaturesConfig
    with_time: bool
    shards: int
    directory: str
    scratch: str


def transform_rows(
    chunks: Sequence[TypedRows],
    features: FeaturesConfig,
    sample: Sample,
    preprocessing: PreprocessingConfig,
    directory: Path,
    *,
    shards: int,
    with_time: bool,
) -> None:
    """Writes the transform graph and the shards of all splits into ``directory``.

    Args:
        chunks: the rows, each with its split.
        features: of the rows.
        sample: rows of the training split, from which the summaries are learned.
        preprocessing: how Beam runs.
        directory: that of the examples; files for the time being go to its ``scratch``.
        shards: how many each split has.
        with_time: whether raw rows say when they were.
    """
    scratch = directory / "scratch"
    plan = _Plan(features, with_time, shards, str(directory), str(scratch))
    config = adapter_config(features)
    with (
        run_pipeline(preprocessing) as pipeline,
        tft_beam.Context(str(scratch / "tft"), passthrough_keys=pass_through()),
    ):
        # The rows are read once to learn and once to transform: keeping them would take memory.
        train = _read(pipeline, "train", chunks) | "Train" >> beam.FlatMap(_train_batches, plan)
        every = _read(pipeline, "all", chunks) | "All" >> beam.FlatMap(_all_batches, plan)
        preprocess = preprocessing_fn(features, sample)
        transform = (train, config) | tft_beam.AnalyzeDataset(preprocess)
        transform | tft_beam.WriteTransformFn(str(directory / "transform"))
        (batches, _) = ((every, config), transform) | tft_beam.TransformDataset(
            output_record_batches=True
        )
        transformed = batches | "Encode" >> beam.FlatMap(_encode_transformed, plan)
        raw = _read(pipeline, "raw", chunks) | "Raw" >> beam.FlatMap(_encode_raw_test, plan)
        (
            [transformed, raw]
            | "All runs" >> beam.Flatten()
            | "Runs of a shard" >> beam.GroupByKey()
            | "Write shards" >> beam.Map(write_shard, directory)
        )
    for name in (*SPLITS, RAW_TEST):
        for number in range(shards):
            shard = shard_name(name, number, shards)
            if not (directory / shard).exists():  # no row falls into it
                write_shard((shard, []), directory)


def _read(pipeline: beam.Pipeline, name: str, chunks: Sequence[TypedRows]) -> Any:
    # Without the reshuffle a runner would fuse all steps, and one worker would read every chunk.
    return (
        pipeline | f"Chunks of {name}" >> beam.Create(chunks) | f"Spread {name}" >> beam.Reshuffle()
    )


def _train_batches(chunk: TypedRows, plan: _Plan) -> Iterator[pa.RecordBatch]:
    for batch in chunk.placed_batches():
        if (chosen := batch.of("train")).any():
            yield for_transform(batch.rows, batch.splits, batch.labels, chosen, plan.features)


def _all_batches(chunk: TypedRows, plan: _Plan) -> Iterator[pa.RecordBatch]:
    for batch in chunk.placed_batches():
        if (chosen := batch.splits != NO_SPLIT).any():
            yield for_transform(batch.rows, batch.splits, batch.labels, chosen, plan.features)


def _encode_transformed(
    item: tuple[pa.RecordBatch, Any], plan: _Plan
) -> Iterator[tuple[Shard, Run]]:
    batch, features = item[0], plan.features
    ids = batch.column(ID).flatten().to_pylist()
    labels = batch.column(LABELS).to_pylist()
    names = [SPLITS[place] for place in batch.column(SPLIT).flatten().to_pylist()]
    encoded = encode_batch(
        batch,
        features.transformed_context,
        features.transformed_sequence,
        [beside_features(*each) for each in zip(ids, labels, strict=True)],
    )
    yield from _runs(names, ids, encoded, plan)
    note_transformed(plan.scratch, len(ids))


def _encode_raw_test(chunk: TypedRows, plan: _Plan) -> Iterator[tuple[Shard, Run]]:
    features = plan.features
    context = {name: each.raw for name, each in features.context.items()}
    sequence = {name: each.raw for name, each in features.sequence.items()}
    for batch in chunk.placed_batches():
        test = batch.of("test")
        columns = {name: chosen_lists(batch.rows.column(name), test) for name in features.by_name}
        rows = pa.RecordBatch.from_pydict(columns)
        chosen = pa.array(test)
        labels = chosen_lists(batch.labels, test).to_pylist()
        ids = batch.rows.column(ID).filter(chosen).to_pylist()
        times = batch.rows.column(SECONDS).filter(chosen).to_pylist()
        seconds = times if plan.with_time else [None] * len(ids)
        beside = [beside_features(*each) for each in zip(ids, labels, seconds, strict=True)]
        encoded = encode_batch(rows, context, sequence, beside)
        yield from _runs([RAW_TEST] * len(ids), ids, encoded, plan)


def _runs(
    names: Sequence[str], ids: Sequence[str], encoded: Iterator[bytes], plan: _Plan
) -> Iterator[tuple[Shard, Run]]:
    records: dict[Shard, list[Record]] = defaultdict(list)
    for name, row_id, example in zip(names, ids, encoded, strict=True):
        hashed = hash_of_id(row_id)
        shard = shard_name(name, shard_of(hashed, plan.shards), plan.shards)
        records[shard].append((hashed, example))
    if records:
        yield from write_runs(records, Path(plan.scratch))
