"""What a model answered: one row per example, as a value and as a Parquet file.

Shapes: N examples, A answers, K classes of the model. A is N where a row has one label.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.artifacts.storage import storage_errors
from components.errors import DataError, NotFoundError
from components.label_tasks import PER_ROW, PER_STEP, LabelTask

NO_PREDICTION = -1
VALIDATION = "validation.parquet"
"""In the directory of a model of two labels that was held against a validation split: its answers
to that split, at its temperature."""
_CLASSES = b"rnnflow.classes"
_TASK = b"rnnflow.label"
_ANSWER_COLUMNS = ("label", "predicted", "correct", "probabilities")


@dataclasses.dataclass(frozen=True, eq=False)
class PredictionTable:
    """The answers of one model on one set of examples, each of which has one label.

    Raises:
        DataError: nothing was predicted, the parts do not fit each other, or an id comes twice.
    """

    ids: tuple[str, ...]
    """[N], unique."""
    labels: tuple[str, ...]
    """[A], the true labels; the model need not know them."""
    classes: tuple[str, ...]
    """[K], the labels that the model knows, in the order of the probabilities."""
    probabilities: NDArray[np.float64]
    """[A, K] float64."""
    class_ids: NDArray[np.int64] | None = dataclasses.field(default=None, kw_only=True)
    """[A] int64: the class that is the answer; without it the most probable one."""

    task: ClassVar[LabelTask] = PER_ROW

    def __post_init__(self) -> None:
        answers = int(self.row_lengths.sum())
        if not self.ids or not self.classes:
            found = [len(self.ids), len(self.classes)]
            raise DataError(f"predictions need examples and classes, got [N, K] = {found}")
        if self.probabilities.shape != (answers, len(self.classes)) or len(self.labels) != answers:
            raise DataError(
                f"predictions do not fit: {len(self.ids)} ids and {len(self.classes)} classes, but "
                f"{len(self.labels)} labels and probabilities {list(self.probabilities.shape)}"
            )
        for name, values in (("id", self.ids), ("class", self.classes)):
            if len(set(values)) != len(values):
                twice = next(value for value in values if values.count(value) > 1)
                raise DataError(f"predictions hold the {name} {twice!r} more than once")

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        labels: Sequence[tuple[str, ...]],
        classes: tuple[str, ...],
        probabilities: NDArray[np.float64],
        class_ids: NDArray[np.int64] | None = None,
    ) -> Self:
        """From the labels of each row, [N]."""
        flat = tuple(chain.from_iterable(labels))
        return cls(tuple(ids), flat, classes, probabilities, class_ids=class_ids)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def row_lengths(self) -> NDArray[np.int64]:
        """[N] int64: how many answers each row has."""
        return np.ones(len(self.ids), np.int64)

    @functools.cached_property
    def row_of_answer(self) -> NDArray[np.int64]:
        """[A] int64: the row that each answer belongs to."""
        return np.repeat(np.arange(len(self)), self.row_lengths)

    def row_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """[N, S]: the sums over the answers of each row, of [A, S]."""
        return values

    @functools.cached_property
    def predicted_index(self) -> NDArray[np.int64]:
        """[A] int64: the class that is the answer, or -1 where a probability is not finite."""
        finite = np.isfinite(self.probabilities).all(axis=1)
        answers = self.probabilities.argmax(axis=1) if self.class_ids is None else self.class_ids
        return np.where(finite, answers, NO_PREDICTION)

    @functools.cached_property
    def confidence(self) -> NDArray[np.float64]:
        """[A]: the probability of the answer, which need not be the largest; NaN without one."""
        there = self.predicted_index >= 0
        of_answer = np.take_along_axis(self.probabilities, self.predicted_index[:, None], axis=1)
        return np.where(there, of_answer[:, 0], np.nan)

    @functools.cached_property
    def label_index(self) -> NDArray[np.int64]:
        """[A] int64: the index of the true label in ``classes``, or -1 if the model lacks it."""
        index = {label: i for i, label in enumerate(self.classes)}
        return np.array([index.get(label, -1) for label in self.labels], dtype=np.int64)

    @functools.cached_property
    def correct(self) -> NDArray[np.bool_]:
        """[A] bool: a label that the model does not know, and no prediction, count as wrong."""
        return np.equal(self.predicted_index, self.label_index) & (self.label_index >= 0)

    @functools.cached_property
    def predicted(self) -> tuple[str, ...]:
        """[A]: the predicted labels; empty where there is no prediction."""
        return tuple(self.classes[i] if i >= 0 else "" for i in self.predicted_index.tolist())

    def take(self, order: Sequence[int] | NDArray[np.int64]) -> Self:
        """These rows, in this order."""
        rows = np.asarray(order, dtype=np.int64)
        return dataclasses.replace(
            self,
            ids=tuple(self.ids[i] for i in rows.tolist()),
            labels=tuple(self.labels[i] for i in rows.tolist()),
            probabilities=self.probabilities[rows],
            class_ids=None if self.class_ids is None else self.class_ids[rows],
        )

    def of_ids(self, ids: Iterable[str]) -> Self:
        """The rows with these ids, which are among those of the table, in this order."""
        row_of = {row_id: row for row, row_id in enumerate(self.ids)}
        return self.take([row_of[row_id] for row_id in ids])

    def column(self, answers: pa.Array) -> pa.Array:
        """A column of the file, with one entry for each row, from [A]."""
        return answers

    @classmethod
    def from_columns(cls, classes: tuple[str, ...], columns: Mapping[str, pa.Array]) -> Self:
        """From the columns of the file."""
        values = columns["probabilities"].flatten()
        return cls(
            ids=tuple(columns["id"].to_pylist()),
            labels=tuple(columns["label"].to_pylist()),
            classes=classes,
            probabilities=values.to_numpy().reshape(-1, len(classes)),
            class_ids=_places(columns["predicted"], classes),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class StepPredictions(PredictionTable):
    """The answers to rows that have a label at each step: those of a row stand together.

    N rows have T_1 … T_N steps, A of them together. In the file a row has a list of each.
    """

    steps: tuple[int, ...]
    """[N]: T of each row."""

    task: ClassVar[LabelTask] = PER_STEP

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        labels: Sequence[tuple[str, ...]],
        classes: tuple[str, ...],
        probabilities: NDArray[np.float64],
        class_ids: NDArray[np.int64] | None = None,
    ) -> Self:
        """From the labels of each row, [N]."""
        flat, steps = tuple(chain.from_iterable(labels)), tuple(map(len, labels))
        return cls(tuple(ids), flat, classes, probabilities, steps, class_ids=class_ids)

    @property
    def row_lengths(self) -> NDArray[np.int64]:
        """[N] int64: the steps of each row."""
        return np.array(self.steps, np.int64)

    @functools.cached_property
    def _ends(self) -> NDArray[np.int64]:
        """[N + 1]: where each row begins, and the end."""
        return np.concatenate([[0], np.cumsum(self.row_lengths)])

    def row_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """[N, S]: the sums over the steps of each row, of [A, S]."""
        # Each row has a step at least, without which reduceat would give that of the next row.
        return np.add.reduceat(values, self._ends[:-1], axis=0)

    def take(self, order: Sequence[int] | NDArray[np.int64]) -> Self:
        """These rows, in this order."""
        rows = np.asarray(order, dtype=np.int64).tolist()
        steps = [np.arange(self._ends[row], self._ends[row + 1]) for row in rows]
        answers = np.concatenate([np.empty(0, np.int64), *steps])
        return dataclasses.replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            labels=tuple(self.labels[i] for i in answers.tolist()),
            probabilities=self.probabilities[answers],
            class_ids=None if self.class_ids is None else self.class_ids[answers],
            steps=tuple(self.steps[row] for row in rows),
        )

    def segments(self) -> Iterator[tuple[list[int], list[int]]]:
        """The true and the predicted segments of each row: its classes, each run of one as one.

        A label that the model does not know is -1, and so is no prediction, which is -2 here: no
        two segments of them match.
        """
        predicted = np.where(self.predicted_index < 0, -2, self.predicted_index)
        for begin, end in itertools.pairwise(self._ends.tolist()):
            yield _runs(self.label_index[begin:end]), _runs(predicted[begin:end])

    def column(self, answers: pa.Array) -> pa.Array:
        """A list for each row."""
        return pa.ListArray.from_arrays(pa.array(self._ends, pa.int32()), answers)

    @classmethod
    def from_columns(cls, classes: tuple[str, ...], columns: Mapping[str, pa.Array]) -> Self:
        """From the columns of the file."""
        values = columns["probabilities"].flatten().flatten()
        labels = columns["label"]
        return cls(
            ids=tuple(columns["id"].to_pylist()),
            labels=tuple(labels.flatten().to_pylist()),
            classes=classes,
            probabilities=values.to_numpy().reshape(-1, len(classes)),
            class_ids=_places(columns["predicted"].flatten(), classes),
            steps=tuple(pc.list_value_length(labels).to_pylist()),
        )


TABLES: Mapping[str, type[PredictionTable]] = {
    table.task.name: table for table in (PredictionTable, StepPredictions)
}
"""By the name of the task."""


def write_predictions(table: PredictionTable, path: Path) -> None:
    """Writes the columns id, label, predicted, correct and probabilities (a list of K).

    Raises:
        StorageError: the disk is full or the directory cannot be written.
    """
    # A list of fixed size per row, so that any reader of Parquet gets the [A, K] numbers; the names
    # of the K columns are in the metadata.
    width = len(table.classes)
    values = pa.array(np.ascontiguousarray(table.probabilities).reshape(-1), pa.float64())
    answers = {
        "label": pa.array(table.labels, pa.string()),
        "predicted": pa.array(table.predicted, pa.string()),
        "correct": pa.array(table.correct),
        "probabilities": pa.FixedSizeListArray.from_arrays(values, width),
    }
    columns = {name: table.column(column) for name, column in answers.items()}
    metadata = {_CLASSES: json.dumps(table.classes).encode(), _TASK: table.task.name.encode()}
    written = pa.table({"id": pa.array(table.ids, pa.string()), **columns})
    with storage_errors(path):
        pq.write_table(written.replace_schema_metadata(metadata), path)


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
        metadata = columns.schema.metadata or {}
        classes = tuple(json.loads(metadata[_CLASSES]))
        # Files of releases without it have one label a row.
        table = TABLES[metadata.get(_TASK, PER_ROW.name.encode()).decode()]
        parts = {name: columns.column(name).combine_chunks() for name in ("id", *_ANSWER_COLUMNS)}
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"{path} does not hold predictions: {error}") from error
    return table.from_columns(classes, parts)


def _places(predicted: pa.Array, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """[A]: the places of the predicted labels among the classes; -1 for no prediction."""
    found = pc.index_in(predicted, value_set=pa.array(classes, pa.string())).fill_null(-1)
    places: NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def _runs(classes: NDArray[np.int64]) -> list[int]:
    """[T] without the entries that are equal to the one before."""
    return [key for key, _ in itertools.groupby(classes.tolist())]
