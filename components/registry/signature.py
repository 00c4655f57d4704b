"""The MLflow signature of a served model: the columns of a row, whatever its length.

Every column is optional and of any type to MLflow, because the model itself checks the rows, as
those of the training are checked and in the same words. MLflow would refuse a number that happens
to be whole, take null for a string, and require columns that a row in the JSONL form does not have.
"""

from __future__ import annotations

from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map

from components.features.config import FeaturesConfig
from components.label_tasks import TASKS, TaskName

_PARTS = ("sequence", "context")
"""The columns of a row in the JSONL form."""


def model_signature(features: FeaturesConfig, task: TaskName) -> ModelSignature:
    """Columns of a row, named as the rows name them; the answer's two columns."""
    # A feature may have the name of a part.
    of_features = (
        feature.in_rows(key) for key, feature in {**features.sequence, **features.context}.items()
    )
    names = dict.fromkeys([*of_features, *_PARTS])
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(AnyType(), name, required=False)  # type: ignore[no-untyped-call]
        for name in names
    ]
    label, probabilities = DataType.string, Map(DataType.double)
    outputs: list[ColSpec | TensorSpec] = (
        [ColSpec(Array(label), "label"), ColSpec(Array(probabilities), "probabilities")]
        if TASKS[task].in_clusters
        else [ColSpec(label, "label"), ColSpec(probabilities, "probabilities")]
    )
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))
