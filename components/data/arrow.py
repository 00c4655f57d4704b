"""Rows as Arrow record batches, the form in which TFT takes and gives them.

A column holds the values of a row one after the other: T x F numbers, T ids, T strings; T is 1 in
the context. The id, the labels and the split go beside them as text, unseen by TFT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import path_pb2, schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from components.artifacts.values import Split
from components.data.row_parsing import Row, Value
from components.features.config import AnyFeature, FeaturesConfig
from components.features.kind import DType

ID, LABEL, SPLIT = "id", "label", "split"
_TEXT = pa.large_list(pa.large_string())
_ARROW_TYPES: dict[DType, pa.DataType] = {
    "float32": pa.large_list(pa.float32()),
    "int64": pa.large_list(pa.int64()),
    "string": pa.large_list(pa.large_binary()),
}


def adapter_config(features: FeaturesConfig) -> TensorAdapterConfig:
    """How TFT reads the columns: the sequence as ragged, the context as dense tensors."""
    representations = {name: _dense(name, f) for name, f in features.context.items()}
    representations |= {name: _ragged(name, f) for name, f in features.sequence.items()}
    return TensorAdapterConfig(_arrow_schema(features), representations)


def pass_through() -> set[str]:
    """The columns that TFT passes on without reading them."""
    return {_hidden(ID), _hidden(LABEL), _hidden(SPLIT)}


def to_record_batch(rows: Sequence[tuple[Split, Row]], features: FeaturesConfig) -> pa.RecordBatch:
    """One record batch of labelled rows, each with the split it belongs to."""
    columns = [
        _column([row.values[name] for _, row in rows], _ARROW_TYPES[feature.raw.dtype])
        for name, feature in features.by_name.items()
    ]
    texts = (
        [[row.id] for _, row in rows],
        [list(row.labels or ()) for _, row in rows],
        [[split] for split, _ in rows],
    )
    columns += [pa.array(text, _TEXT) for text in texts]
    return pa.RecordBatch.from_arrays(columns, schema=_arrow_schema(features))


def transformed_rows(
    batch: pa.RecordBatch, features: FeaturesConfig
) -> Iterator[tuple[Split, Row]]:
    """Each row with its split, its values being of their kinds' types ``transformed``."""
    # Per feature the values of all rows, and where each row begins: a row is a view of both.
    columns = {}
    types = {**features.transformed_context, **features.transformed_sequence}
    for name, transformed in types.items():
        column = batch.column(name)
        steps = column.values.to_numpy(zero_copy_only=False)
        width = transformed.values_per_step
        shape = (-1, *transformed.step_shape)
        columns[name] = steps.reshape(shape), column.offsets.to_numpy() // width
    texts = [batch.column(_hidden(name)).flatten().to_pylist() for name in (SPLIT, ID)]
    texts.append(batch.column(_hidden(LABEL)).to_pylist())
    for index, (split, row_id, labels) in enumerate(zip(*texts, strict=True)):
        values: dict[str, Value] = {
            name: steps[begin[index] : begin[index + 1]] for name, (steps, begin) in columns.items()
        }
        steps = len(values[next(iter(features.sequence))])
        yield split, Row(row_id, tuple(labels), steps, values)


def _hidden(name: str) -> str:
    """A column name that no feature can have."""
    return f"_{name}"


def _arrow_schema(features: FeaturesConfig) -> pa.Schema:
    fields = [
        pa.field(name, _ARROW_TYPES[feature.raw.dtype])
        for name, feature in features.by_name.items()
    ]
    return pa.schema(fields + [pa.field(_hidden(name), _TEXT) for name in (ID, LABEL, SPLIT)])


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
