"""Rows as Arrow record batches, the form in which TFT takes and gives them.

A column holds the values of a row one after the other: T x F numbers, T ids, T strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import path_pb2, schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from components.artifacts.values import Split
from components.data.row_parsing import Row, Value
from components.features.config import AnyFeature, FeaturesConfig
from components.features.kind import DType

ID, LABEL, SPLIT = "id", "label", "split"
_STRING = pa.large_list(pa.large_binary())
_ARROW_TYPES: dict[DType, pa.DataType] = {
    "float32": pa.large_list(pa.float32()),
    "int64": pa.large_list(pa.int64()),
    "string": _STRING,
}


def adapter_config(features: FeaturesConfig) -> TensorAdapterConfig:
    """How TFT reads the columns: the sequence as ragged, the context as dense tensors."""
    representations = {name: _dense(name, f) for name, f in features.context.items()}
    representations |= {name: _ragged(name, f) for name, f in features.sequence.items()}
    return TensorAdapterConfig(_arrow_schema(features), representations)


def pass_through() -> set[str]:
    """The columns that TFT hands on unseen."""
    return {_hidden(ID), _hidden(LABEL), _hidden(SPLIT)}


def to_record_batch(rows: Sequence[tuple[Split, Row]], features: FeaturesConfig) -> pa.RecordBatch:
    """One record batch of labelled rows, each with the split it belongs to."""
    values: dict[str, list[Value]] = {
        _hidden(ID): [[row.id.encode()] for _, row in rows],
        _hidden(LABEL): [[(row.label or "").encode()] for _, row in rows],
        _hidden(SPLIT): [[split.encode()] for split, _ in rows],
    }
    for name in features.by_name:
        values[name] = [row.values[name] for _, row in rows]
    schema = _arrow_schema(features)
    columns = [_column(values[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def transformed_rows(
    batch: pa.RecordBatch, features: FeaturesConfig
) -> Iterator[tuple[Split, str, bytes, dict[str, Value]]]:
    """The split, id, label in UTF-8 and transformed values (as in ``Row.values``) of each row."""
    columns = {name: _values(batch.column(name)) for name in features.by_name}
    keys = [batch.column(_hidden(name)).flatten().to_pylist() for name in (SPLIT, ID, LABEL)]
    for index, (split, row_id, label) in enumerate(zip(*keys, strict=True)):
        values = {
            name: flat[offsets[index] : offsets[index + 1]]
            for name, (flat, offsets) in columns.items()
        }
        for name, feature in features.sequence.items():
            values[name] = values[name].reshape(-1, *feature.transformed.step_shape)
        yield split.decode(), row_id.decode(), label, values


def _hidden(name: str) -> str:
    """A column name that no feature can have."""
    return f"_{name}"


def _arrow_schema(features: FeaturesConfig) -> pa.Schema:
    fields = [
        pa.field(name, _ARROW_TYPES[feature.raw.dtype])
        for name, feature in features.by_name.items()
    ]
    return pa.schema(fields + [pa.field(_hidden(name), _STRING) for name in (ID, LABEL, SPLIT)])


def _column(values: Sequence[Value], kind: pa.DataType) -> pa.LargeListArray:
    sizes = [value.size if isinstance(value, np.ndarray) else len(value) for value in values]
    offsets = pa.array(np.cumsum([0, *sizes]), pa.int64())
    if kind == _STRING:
        flat = pa.array([string for value in values for string in value], pa.large_binary())
    else:
        flat = pa.array(np.concatenate([np.ravel(value) for value in values]), kind.value_type)
    return pa.LargeListArray.from_arrays(offsets, flat)


def _values(column: pa.LargeListArray) -> tuple[Any, Any]:
    return column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy()


def _ragged(name: str, feature: AnyFeature) -> schema_pb2.TensorRepresentation:
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
