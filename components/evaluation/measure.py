"""The candidate on the test split: the predictions that the gate's numbers are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.artifacts.predictions import PredictionTable
from components.artifacts.schema import load_schema
from components.artifacts.values import Examples, Metrics, Model
from components.evaluation import metrics_files
from components.training.datasets import read_batches, read_ids, read_labels
from components.training.estimator import load_estimator

_BATCH_SIZE = 256


def measure_model(model: Model, examples: Examples, *, directory: Path) -> Metrics:
    """Scores the model's checkpoint on the test split.

    Args:
        model: the trained model.
        examples: the examples that it was trained on; only their test split is read.
        directory: where predictions, metrics and figures are written.
    """
    labels = load_schema(examples.path).labels
    estimator = load_estimator(model)
    batches = estimator.predict(
        lambda: read_batches(examples, "test", _BATCH_SIZE).map(lambda features, label: features),
        predict_keys=["probabilities"],
        checkpoint_path=model.checkpoint,
        yield_single_examples=False,
    )
    probabilities = np.concatenate([batch["probabilities"] for batch in batches])
    table = PredictionTable(
        ids=tuple(read_ids(examples, "test")),
        labels=tuple(read_labels(examples, "test")),
        classes=labels,
        probabilities=probabilities.astype(np.float64),
    )
    return metrics_files.measure(table, labels, directory)
