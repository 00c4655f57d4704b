"""Rows as Arrow record batches, the form in which they are stored, and TFT takes and gives them.

A column holds the values of a row one after the other: T x F numbers, T ids, T strings; T is 1 in
the context. What stands beside the features has a name with an underscore, as no feature has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import path_pb2, schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from components.data.row_parsing import Row, Value
from components.features.config import AnyFeature, FeaturesConfig
from components.features.kind import DType, ValueType

ID, LABELS, SPLIT, GROUP, SECONDS = "_id", "_labels", "_split", "_group", "_seconds"
_TEXTS = pa.large_list(pa.large_string())
_ARROW_TYPES: Mapping[DType, pa.DataType] = {
    "float32": pa.large_list(pa.float32()),
    "int64": pa.large_list(pa.int64()),
    "string": pa.large_list(pa.large_binary()),
}
# TFT passes on what it does not read if it is a column of lists.
_PASSED_ON = {
    ID: _TEXTS, LABELS: _TEXTS, SPLIT: pa.large_list(pa.int8()),
}  # fmt: skip


def adapter_config(features: FeaturesConfig) -> TensorAdapterConfig:
    """How TFT reads the columns: the sequence as ragged, the context as dense tensors."""
    representations = {name: _dense(name, f) for name, f in features.context.items()}
    representations |= {name: _ragged(name, f) for name, f in features.sequence.items()}
    fields = [
        pa.field(name, _ARROW_TYPES[feature.raw.dtype])
        for name, feature in features.by_name.items()
    ]
    hidden = [pa.field(name, kind) for name, kind in _PASSED_ON.items()]
    return TensorAdapterConfig(pa.schema(fields + hidden), representations)


def pass_through() -> set[str]:
    """The columns that TFT passes on without reading them."""
    return set(_PASSED_ON)


def to_record_batch(rows: Sequence[Row], features: FeaturesConfig) -> pa.RecordBatch:
    """Rows as they were read: their features, ids, labels, groups and times."""
    columns = {
        name: _column([row.values[name] for row in rows], _ARROW_TYPES[feature.raw.dtype])
        for name, feature in features.by_name.items()
    }
    columns[ID] = pa.array([row.id for row in rows], pa.large_string())
    columns[LABELS] = text_column([row.labels or () for row in rows])
    columns[GROUP] = pa.array([row.group for row in rows], pa.large_string())
    columns[SECONDS] = pa.array([row.seconds for row in rows], pa.float64())
    return pa.RecordBatch.from_pydict(columns)


def rows_of(batch: pa.RecordBatch, features: FeaturesConfig) -> list[Row]:
    """The rows that ``to_record_batch`` made a batch of; their numbers are views of its columns."""
    columns = {name: values_of(batch, name, one.raw) for name, one in features.by_name.items()}
    lengths = np.diff(columns[next(iter(features.sequence))].begins).tolist()
    texts = (batch.column(name).to_pylist() for name in (ID, LABELS, GROUP, SECONDS))
    rows = []
    for index, (row_id, labels, group, seconds) in enumerate(zip(*texts, strict=True)):
        values = {name: column.of_row(index) for name, column in columns.items()}
        row = Row(row_id, tuple(labels), lengths[index], values, group=group, seconds=seconds)
        rows.append(row)
    return rows


def for_transform(
    batch: pa.RecordBatch,
    splits: NDArray[np.int8],
    labels: pa.Array,
    chosen: NDArray[np.bool_],
    features: FeaturesConfig,
) -> pa.RecordBatch:
    """The chosen rows of a batch as TFT takes them, with their splits and classes beside them.

    Args:
        batch: of ``to_record_batch``.
        splits: int8 [rows], the place of each row's split among ``SPLITS``.
        labels: the classes of each row, as a column.
        chosen: bool [rows].
        features: of the rows.
    """
    ids, places = batch.column(ID), pa.array(splits)
    columns = {name: batch.column(name) for name in features.by_name} | {LABELS: labels}
    if not chosen.all():
        columns = {name: chosen_lists(column, chosen) for name, column in columns.items()}
        ids, places = ids.filter(pa.array(chosen)), places.filter(pa.array(chosen))
    # One list of one value for each row.
    ends = pa.array(np.arange(len(ids) + 1), pa.int64())
    columns[ID] = pa.LargeListArray.from_arrays(ends, ids)
    columns[SPLIT] = pa.LargeListArray.from_arrays(ends, places)
    schema = adapter_config(features).arrow_schema
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def chosen_lists(column: pa.LargeListArray, chosen: NDArray[np.bool_]) -> pa.LargeListArray:
    """The lists of the chosen rows, bool [rows]: as arrow's ``filter``, at a fifth of its time."""
    offsets = column.offsets.to_numpy()
    sizes = np.diff(offsets)
    values = column.values.slice(offsets[0], offsets[-1] - offsets[0])
    of_values = np.repeat(chosen, sizes)
    if pa.types.is_floating(values.type):
        kept = pa.array(values.to_numpy()[of_values])
    else:
        kept = values.filter(pa.array(of_values))
    ends = np.concatenate([[0], np.cumsum(sizes[chosen])])
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), kept)


class Values(NamedTuple):
    """The values of a column, and where those of each row begin."""

    steps: Value
    """[N, F] numbers, [N] ids or N strings, of all rows."""
    begins: NDArray[np.int64]
    """[rows + 1]."""

    def of_row(self, index: int) -> Value:
        """The values of one row; of numbers a view."""
        view: Value = self.steps[self.begins[index] : self.begins[index + 1]]
        return view


def values_of(batch: pa.RecordBatch, name: str, kind: ValueType) -> Values:
    """The values of a feature, which are of this type."""
    column = batch.column(name)
    begins = column.offsets.to_numpy() // kind.values_per_step
    # All that the column is a part of, as its offsets count from there.
    if kind.dtype == "string":
        return Values(column.values.to_pylist(), begins)
    return Values(column.values.to_numpy().reshape(-1, *kind.step_shape), begins)


def text_column(texts: Sequence[Sequence[str]]) -> pa.LargeListArray:
    """A column with any number of texts in each row."""
    flat = pa.array([text for row in texts for text in row], pa.large_string())
    ends = pa.array(np.cumsum([0, *map(len, texts)]), pa.int64())
    return pa.LargeListArray.from_arrays(ends, flat)


def _column(values: Sequence[Value], kind: pa.DataType) -> pa.LargeListArray:
    # Arrow's form of ragged lists: all values one after the other, and where each row begins.
    sizes = [value.size if isinstance(value, np.ndarray) else len(value) for value in values]
    offsets = pa.array(np.cumsum([0, *sizes]), pa.int64())
    if pa.types.is_large_binary(kind.value_type):
        flat = pa.array([string for value in values for string in value], pa.large_binary())
    else:
        flat = pa.array(np.concatenate([np.ravel(value) for value in values]), kind.value_type)
    return pa.LargeListArray.from_arrays(offsets, flat)


def _ragged(name: str, feature: AnyFeature) -> schema_pb2.TensorRepresentation:
    # Only the steps are ragged: the F numbers of a step are a partition of uniform length.
    partition = schema_pb2.TensorRepresentation.RaggedTensor.Partition
    partitions = [partition(uniform_row_length=size) for size in feature.raw.step_shape]
    return schema_pb2.TensorRepresentation(
        ragged_tensor=schema_pb2.TensorRepresentation.RaggedTensor(
            feature_path=path_pb2.Path(step=[name]),
            row_partition_dtype=schema_pb2.TensorRepresentation.RowPartitionDType.INT64,
            partition=partitions,
        )
    )


def _dense(name: str, feature: AnyFeature) -> schema_pb2.TensorRepresentation:
    width = feature.raw.values_per_step
    return schema_pb2.TensorRepresentation(
        dense_tensor=schema_pb2.TensorRepresentation.DenseTensor(
            column_name=name,
            shape=schema_pb2.FixedShape(dim=[schema_pb2.FixedShape.Dim(size=width)]),
        )
    )
