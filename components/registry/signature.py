"""The MLflow signature of a served model: what a row must hold, whatever its length.

A sequence is an array column, which MLflow checks without a length; a ``TensorSpec`` would fix
the number of steps. Numbers are of any kind to MLflow, because its ``double`` refuses a row whose
numbers happen to be whole; the model itself checks that they are numbers.
"""

from __future__ import annotations

from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map

from components.features.config import FeaturesConfig
from components.features.kind import DType, ValueType

_COLUMN_TYPES: dict[DType, DataType | AnyType] = {
    "float32": AnyType(),  # type: ignore[no-untyped-call]
    "int64": DataType.long,
    "string": DataType.string,
}


def model_signature(features: FeaturesConfig) -> ModelSignature:
    """Columns of a row by feature name; the answer's ``label`` and ``probabilities``."""
    inputs: list[ColSpec | TensorSpec] = [
        *(ColSpec(Array(_step(one.raw)), name) for name, one in features.sequence.items()),
        *(ColSpec(_step(one.raw), name) for name, one in features.context.items()),
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "label"),
        ColSpec(Map(DataType.double), "probabilities"),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _step(raw: ValueType) -> Array | DataType | AnyType:
    value = _COLUMN_TYPES[raw.dtype]
    return Array(value) if raw.is_list else value
