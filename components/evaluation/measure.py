"""The candidate on the test split: the predictions that the gate's numbers are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.artifacts.predictions import TABLES
from components.artifacts.schema import load_schema
from components.artifacts.values import Examples, Metrics, Model
from components.evaluation import metrics_files
from components.metrics_config import MetricsConfig
from components.training.answers import class_ids
from components.training.datasets import read_ids, read_labels
from components.training.estimator import load_estimator, predict_probabilities
from components.training.temperature import at_temperature

_DEFAULTS = MetricsConfig()


def measure_model(
    model: Model, examples: Examples, settings: MetricsConfig = _DEFAULTS, *, directory: Path
) -> Metrics:
    """Scores the model's checkpoint on the test split.

    Args:
        model: the trained model.
        examples: the examples that it was trained on; only their test split is read.
        settings: what the config says of the metrics.
        directory: where predictions, metrics and figures are written.
    """
    schema = load_schema(examples.path)
    answers = predict_probabilities(load_estimator(model), examples, "test", model.checkpoints)
    probabilities = at_temperature(answers, model.temperature)
    table = TABLES[schema.label].of(
        ids=read_ids(examples, "test"),
        labels=read_labels(examples, "test"),
        classes=schema.labels,
        probabilities=np.asarray(probabilities).astype(np.float64),
        class_ids=np.asarray(class_ids(probabilities, schema.labels, model.threshold)),
    )
    return metrics_files.measure(table, schema.labels, directory, settings)
