"""The MLflow signature of a served model: what a row must hold, whatever its length.

A sequence is an array column, which MLflow checks without a length; a ``TensorSpec`` would fix
the number of steps. Numbers are of any kind to MLflow, because its ``double`` refuses a row whose
numbers happen to be whole; the model itself checks that they are numbers.
"""

from __future__ import annotations

from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map

from components.config import Feature, FeaturesConfig, IdFeature, NumericFeature

_ANY: AnyType = AnyType()  # type: ignore[no-untyped-call]


def model_signature(features: FeaturesConfig) -> ModelSignature:
    """Columns of a row by feature name; the answer's ``label`` and ``probabilities``."""
    inputs: list[ColSpec | TensorSpec] = [
        *(ColSpec(_sequence(feature), name) for name, feature in features.sequence.items()),
        *(ColSpec(_context(feature), name) for name, feature in features.context.items()),
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "label"),
        ColSpec(Map(DataType.double), "probabilities"),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _sequence(feature: Feature) -> Array:
    if isinstance(feature, NumericFeature) and feature.width > 1:
        return Array(Array(_ANY))
    return Array(_value(feature))


def _context(feature: Feature) -> Array | DataType | AnyType:
    if isinstance(feature, NumericFeature) and feature.width > 1:
        return Array(_ANY)
    return _value(feature)


def _value(feature: Feature) -> DataType | AnyType:
    if isinstance(feature, NumericFeature):
        return _ANY
    return DataType.long if isinstance(feature, IdFeature) else DataType.string
