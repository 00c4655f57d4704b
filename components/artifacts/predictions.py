"""What a model answered: one row per example, as a value and as a Parquet file.

Shapes: N examples, K classes of the model.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.artifacts.storage import storage_errors
from components.errors import DataError, NotFoundError

NO_PREDICTION = -1
_CLASSES = b"rnnflow.classes"
_COLUMNS = ("id", "label", "predicted", "correct", "probabilities")


@dataclasses.dataclass(frozen=True, eq=False)
class PredictionTable:
    """The answers of one model on one set of examples.

    Raises:
        DataError: nothing was predicted, the parts do not fit each other, or an id comes twice.
    """

    ids: tuple[str, ...]
    """[N], unique."""
    labels: tuple[str, ...]
    """[N], the true labels; the model need not know them."""
    classes: tuple[str, ...]
    """[K], the labels that the model knows, in the order of the probabilities."""
    probabilities: NDArray[np.float64]
    """[N, K] float64."""

    def __post_init__(self) -> None:
        expected = (len(self.ids), len(self.classes))
        if not self.ids or not self.classes:
            raise DataError(f"predictions need examples and classes, got [N, K] = {expected}")
        if self.probabilities.shape != expected or len(self.labels) != len(self.ids):
            raise DataError(
                f"predictions do not fit: {len(self.ids)} ids and {len(self.classes)} classes, but "
                f"{len(self.labels)} labels and probabilities {list(self.probabilities.shape)}"
            )
        for name, values in (("id", self.ids), ("class", self.classes)):
            if len(set(values)) != len(values):
                twice = next(value for value in values if values.count(value) > 1)
                raise DataError(f"predictions hold the {name} {twice!r} more than once")

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def predicted_index(self) -> NDArray[np.int64]:
        """[N] int64: the most probable class, or -1 where a probability is not finite."""
        finite = np.isfinite(self.probabilities).all(axis=1)
        return np.where(finite, self.probabilities.argmax(axis=1), NO_PREDICTION)

    @functools.cached_property
    def label_index(self) -> NDArray[np.int64]:
        """[N] int64: the index of the true label in ``classes``, or -1 if the model lacks it."""
        index = {label: i for i, label in enumerate(self.classes)}
        return np.array([index.get(label, -1) for label in self.labels], dtype=np.int64)

    @functools.cached_property
    def correct(self) -> NDArray[np.bool_]:
        """[N] bool: a label that the model does not know, and no prediction, count as wrong."""
        return np.equal(self.predicted_index, self.label_index) & (self.label_index >= 0)

    @functools.cached_property
    def predicted(self) -> tuple[str, ...]:
        """[N]: the predicted labels; empty where there is no prediction."""
        return tuple(self.classes[i] if i >= 0 else "" for i in self.predicted_index.tolist())

    def take(self, order: Sequence[int] | NDArray[np.int64]) -> PredictionTable:
        """These rows, in this order."""
        rows = np.asarray(order, dtype=np.int64)
        return PredictionTable(
            ids=tuple(self.ids[i] for i in rows.tolist()),
            labels=tuple(self.labels[i] for i in rows.tolist()),
            classes=self.classes,
            probabilities=self.probabilities[rows],
        )


def write_predictions(table: PredictionTable, path: Path) -> None:
    """Writes the columns id, label, predicted, correct and probabilities (a list of K).

    Raises:
        StorageError: the disk is full or the directory cannot be written.
    """
    # A list of fixed size per row, so that any reader of Parquet gets the [N, K] numbers; the names
    # of the K columns are in the metadata.
    width = len(table.classes)
    values = pa.array(np.ascontiguousarray(table.probabilities).reshape(-1), pa.float64())
    columns = pa.table(
        {
            "id": pa.array(table.ids, pa.string()),
            "label": pa.array(table.labels, pa.string()),
            "predicted": pa.array(table.predicted, pa.string()),
            "correct": pa.array(table.correct),
            "probabilities": pa.FixedSizeListArray.from_arrays(values, width),
        }
    )
    metadata = {_CLASSES: json.dumps(table.classes).encode()}
    with storage_errors(path):
        pq.write_table(columns.replace_schema_metadata(metadata), path)


def read_predictions(path: Path) -> PredictionTable:
    """What ``write_predictions`` wrote.

    Raises:
        NotFoundError: there is no such file.
        DataError: the file does not hold predictions.
    """
    if not path.is_file():
        raise NotFoundError(f"no predictions at {path}: run the evaluation again")
    try:
        columns = pq.read_table(path)
        classes = json.loads((columns.schema.metadata or {})[_CLASSES])
        parts = {name: columns.column(name).combine_chunks() for name in _COLUMNS}
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"{path} does not hold predictions: {error}") from error
    return PredictionTable(
        ids=tuple(parts["id"].to_pylist()),
        labels=tuple(parts["label"].to_pylist()),
        classes=tuple(classes),
        probabilities=parts["probabilities"].flatten().to_numpy().reshape(-1, len(classes)),
    )
