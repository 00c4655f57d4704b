"""The candidate on the test split: the predictions that the gate's numbers are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.artifacts.predictions import TABLES
from components.artifacts.schema import load_schema
from components.artifacts.values import Examples, Metrics, Model
from components.evaluation import metrics_files
from components.labels.table import KINDS
from components.training.datasets import read_batches, read_ids, read_labels
from components.training.estimator import load_estimator
from components.training.temperature import at_temperature

_BATCH_SIZE = 256


def measure_model(model: Model, examples: Examples, *, directory: Path) -> Metrics:
    """Scores the model's checkpoint on the test split.

    Args:
        model: the trained model.
        examples: the examples that it was trained on; only their test split is read.
        directory: where predictions, metrics and figures are written.
    """
    schema = load_schema(examples.path)
    kind, estimator = KINDS[schema.label], load_estimator(model)
    batches = estimator.predict(
        lambda: read_batches(examples, "test", _BATCH_SIZE).map(lambda features, label: features),
        predict_keys=list(kind.predict_keys),
        checkpoint_path=model.checkpoint,
        yield_single_examples=False,
    )
    answers = np.concatenate([kind.answers(batch) for batch in batches])
    probabilities = np.asarray(at_temperature(answers, model.temperature))
    table = TABLES[schema.label].of(
        ids=read_ids(examples, "test"),
        labels=read_labels(examples, "test"),
        classes=schema.labels,
        probabilities=probabilities.astype(np.float64),
    )
    return metrics_files.measure(table, schema.labels, directory)
