"""Checked rows through an exported model, in batches that bound the memory.

A served model runs a copy of this file that lies beside it, so it imports nothing of this project
when it runs.

Shapes: N rows, B rows of a batch, T steps of its longest row, F numbers per step, K labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

if TYPE_CHECKING:
    from components.data.row_parsing import Row

BATCH_ROWS = 256
BATCH_STEPS = 50_000
"""A batch ends at so many rows, or at so many steps with the padding (B T).

Larger batches are no faster, and the memory of a batch grows with its padded steps.
"""


class RowScores(NamedTuple):
    """What the model says of a row; of a row whose steps have answers, of each of its T steps."""

    probabilities: NDArray[np.float32]
    """[K] or [T, K], in the order of the labels."""
    class_ids: Any
    """int64, a number or [T]: the answers, as places among the labels. The model decides them: it
    may have a threshold."""


class RowScorer:
    """A SavedModel that has the function ``rows``."""

    def __init__(self, saved_model: str | Path) -> None:
        self._model = tf.saved_model.load(str(saved_model))
        # Of the first trace, of which a SavedModel has one: its argument is the dictionary of rows.
        self._rows = self._model.rows.concrete_functions[0]
        ((self._specs,), _) = self._rows.structured_input_signature
        self.labels: tuple[str, ...] = tuple(
            label.decode() for label in self._model.labels().numpy().tolist()
        )

    def score(self, rows: Sequence[Row]) -> list[RowScores]:
        """What the model says of each row, in the order of the rows."""
        scores: list[Any] = [None] * len(rows)
        for batch in _batches([row.steps for row in rows]):
            found = self._score_batch([rows[index] for index in batch])
            for index, one, ids in zip(batch, *found, strict=True):
                if one.ndim == 2:
                    # Copies: a view would keep the padding of the batch.
                    steps = rows[index].steps
                    one, ids = one[:steps].copy(), ids[:steps].copy()
                scores[index] = RowScores(one, ids)
        return scores

    def _score_batch(self, rows: list[Row]) -> Any:
        splits = tf.constant(np.cumsum([0, *(row.steps for row in rows)], dtype=np.int64))
        tensors: dict[str, Any] = {}
        for name, spec in self._specs.items():
            values = [row.values[name] for row in rows]
            if spec.dtype == tf.string:
                flat = tf.constant([string for one in values for string in one], tf.string)
            else:
                flat = tf.constant(np.concatenate(values), spec.dtype)
            if isinstance(spec, tf.RaggedTensorSpec):
                # Ragged, as the graph takes it: nothing is padded here.
                tensors[name] = tf.RaggedTensor.from_row_splits(flat, splits, validate=False)
            else:
                tensors[name] = tf.reshape(flat, [len(rows), *spec.shape[1:]])
        # The trace itself: to choose one takes TensorFlow longer than a short row is computed.
        answers = self._rows(tensors)
        return answers["probabilities"].numpy(), answers["class_ids"].numpy()


class Answer(NamedTuple):
    """What is answered for a row; of a row whose steps have answers, a list of each."""

    label: Any
    """What the model answers."""
    confidence: Any
    """Its probability."""
    probabilities: Any
    """A dictionary from labels to probabilities."""


def answer_row(scores: RowScores, labels: Sequence[str], top_k: int | None = None) -> Answer:
    """The answer to a row, or to a row whose steps have answers.

    Args:
        scores: of the row.
        labels: [K].
        top_k: how many labels ``probabilities`` lists, the most probable first; all by default, in
            the order of ``labels``.
    """
    probabilities, class_ids = scores
    if probabilities.ndim == 2:
        steps = zip(probabilities, class_ids, strict=True)
        found = [answer_row(RowScores(*step), labels, top_k) for step in steps]
        return Answer(*(list(values) for values in zip(*found, strict=True)))
    best, numbers = int(class_ids), probabilities.tolist()
    order: Any = range(len(labels))
    if top_k is not None:
        # Stable, so that labels of one probability keep their order.
        order = np.argsort(-probabilities, kind="stable")[:top_k].tolist()
    return Answer(labels[best], numbers[best], {labels[index]: numbers[index] for index in order})


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The indices of the rows of each batch; rows of about one length share one, to pad little."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        # The rows come by length: this one would be the longest of the batch.
        if batch and (len(batch) == BATCH_ROWS or (len(batch) + 1) * lengths[index] > BATCH_STEPS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
