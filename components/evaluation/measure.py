"""Models on the test split: the predictions that the gate's numbers are made of."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from components.artifacts.predictions import PredictionTable
from components.artifacts.schema import load_schema
from components.artifacts.values import Champion, ChampionMetrics, Examples, Metrics, Model
from components.evaluation import metrics_files
from components.export.saved_model import score_saved_model
from components.training.datasets import read_batches, read_ids, read_labels, read_raw_records
from components.training.estimator import load_estimator

_BATCH_SIZE = 256


def measure_model(model: Model, examples: Examples, *, directory: Path) -> Metrics:
    """Scores the best checkpoint on the test split.

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


def measure_champion(
    champion: Champion, model: Model, examples: Examples, metrics: Metrics, *, directory: Path
) -> ChampionMetrics:
    """Scores the serving model on the raw test rows and pairs it with the candidate.

    Args:
        champion: the version that serves, with its SavedModel.
        model: the candidate.
        examples: the examples whose test split the candidate was scored on.
        metrics: what the candidate reached.
        directory: where predictions and metrics of the champion are written.
    """
    # The champion may have other features and another vocabulary than this run's config: its own
    # SavedModel takes the raw rows.
    classes, probabilities = score_saved_model(
        Path(champion.path), read_raw_records(examples), _BATCH_SIZE
    )
    table = PredictionTable(
        ids=tuple(read_ids(examples, "test")),
        labels=tuple(read_labels(examples, "test")),
        classes=classes,
        probabilities=probabilities,
    )
    compared = metrics_files.compare(
        metrics, table, champion.version, champion.model_digest == model.digest, directory
    )
    rolled_back = model.digest in champion.rolled_back_digests
    return dataclasses.replace(compared, rolled_back=rolled_back)
