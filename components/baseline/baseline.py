"""A cheap model beside the candidate, on the same rows.

A recurrent model that a random forest equals is not worth its training and its serving, and its
accuracy alone does not tell.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from components.artifacts.predictions import TABLES
from components.artifacts.values import BaselineMetrics, Examples, Metrics
from components.baseline.inputs import Inputs, read_inputs
from components.baseline.models import BASELINES, Baseline, Classifier
from components.evaluation import metrics_files

MOST_ROWS: Final = 10_000
"""Of the training split, and of each other: some ten seconds, whatever the size of the data."""


def measure_baseline(
    examples: Examples, metrics: Metrics, *, directory: Path, most_rows: int = MOST_ROWS
) -> BaselineMetrics:
    """Trains the cheap models, lets the validation split choose one, and scores that on the test.

    The one that is chosen is trained on the rows of both splits.

    Args:
        examples: the examples of all three splits.
        metrics: what the candidate reached on the test split.
        directory: where predictions and metrics of the baseline are written.
        most_rows: of a larger split every n-th row is taken.

    Raises:
        NotFoundError: the examples or the candidate's predictions are gone.
        StorageError: the disk is full or the directory cannot be written.
    """
    train, validation, test = (
        read_inputs(examples, split, most_rows) for split in ("train", "validation", "test")
    )
    baseline = _chosen(train, validation)
    # As a refit of the candidate it is trained on the validation rows, too, once these have chosen.
    known = train.joined(validation)
    model = baseline.fit(known)
    table = TABLES[metrics.task].of(
        test.ids, test.labels_of_rows, model.classes, model.probabilities(test)
    )
    names, counts = np.unique(known.labels, return_counts=True)
    majority = names[counts.argmax()]
    return BaselineMetrics(
        key=baseline.key,
        label=baseline.label_of_steps if table.task.in_clusters else baseline.label,
        metrics=metrics_files.measure(table, metrics.labels, directory, metrics.settings),
        pairs=metrics_files.pair(metrics, table),
        train_rows=len(known.ids),
        majority_label=str(majority),
        majority_accuracy=float(np.mean(test.labels == majority)),
    )


def _chosen(train: Inputs, validation: Inputs) -> Baseline:
    """The best on the validation split; of equals the first."""
    # A regression needs two labels, which a sample of very uneven ones may lack.
    kinds = BASELINES if len(set(train.labels.tolist())) > 1 else BASELINES[:1]
    right = [_accuracy(baseline.fit(train), validation) for baseline in kinds]
    return kinds[int(np.argmax(right))]


def _accuracy(model: Classifier, inputs: Inputs) -> float:
    answers = np.array(model.classes)[model.probabilities(inputs).argmax(axis=1)]
    return float(np.mean(answers == inputs.labels))
