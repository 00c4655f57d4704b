"""One version of the model, loaded and warm: checked rows in, answers out."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.artifacts.schema import load_schema, schema_directory
from components.data.row_parsing import Expected, Row, RowFormat
from components.data.splits.values import row_format_of
from components.export.row_scoring import RowScorer, RowScores
from components.export.saved_model import model_errors
from components.serving.batching import Batcher, TooManyWaitingError
from components.serving.faults import parse_rows
from components.serving.limits import Batching, Limits

_EXAMPLE_STEPS = 3
_VALUES = {"float32": 0.5, "int64": 0, "string": "a"}


class ModelFailedError(Exception):
    """The model failed on rows that are valid; the log says how."""


class ServedModel:
    """A version that answers.

    Args:
        name: the registered model.
        version: its number.
        saved_model: the directory of its SavedModel.
        limits: of a row's steps, and of the rows that wait.
        batching: how rows become batches.
        observe: is told the rows of each batch.

    Raises:
        NotFoundError: the directory does not say what a row holds.
        BrokenModelError: TensorFlow cannot load the model, or it fails on a valid row.
    """

    def __init__(
        self,
        name: str,
        version: int,
        saved_model: Path,
        limits: Limits,
        batching: Batching,
        observe: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.name = name
        self.version = version
        schema = load_schema(schema_directory(saved_model))
        own = schema.max_row_steps
        most_steps = own if limits.max_row_steps is None else min(own, limits.max_row_steps)
        self.form = dataclasses.replace(row_format_of(schema), max_steps=most_steps)
        """What a row must hold."""
        self.answers_steps = schema.label == "per_step"
        """Whether an answer is a list with an entry for each step."""
        self.example = example_row(self.form)
        """A row that the model answers."""
        with model_errors(saved_model):
            scorer = RowScorer(saved_model)
            self.labels = scorer.labels
            # The first call is slow; it also shows whether the model answers at all.
            scorer.score(parse_rows([self.example] * 2, self.form))
        self._batcher = Batcher(scorer.score, batching, limits.max_waiting_rows, observe)
        self._users = 0
        self._is_retired = False
        self._lock = threading.Lock()

    async def score(self, rows: Sequence[Row]) -> list[RowScores]:
        """What the model says of each row.

        Raises:
            TooManyWaitingError: too many rows wait already.
            ModelFailedError: the model failed on one of the rows.
        """
        try:
            return await self._batcher.score(rows)
        except TooManyWaitingError:
            raise
        # TensorFlow raises any of a dozen types, which are the model's fault or the machine's.
        except Exception as error:
            raise ModelFailedError from error

    @property
    def waiting_rows(self) -> int:
        """Rows that are in no batch yet."""
        return self._batcher.waiting_rows

    def acquire(self) -> bool:
        """A request begins to use the model; False: another one has taken over."""
        with self._lock:
            if self._is_retired:
                return False
            self._users += 1
            return True

    def release(self) -> None:
        """A request is answered."""
        with self._lock:
            self._users -= 1
            is_over = self._is_retired and self._users == 0
        if is_over:
            self._batcher.close()

    def retire(self) -> None:
        """No further request uses it; its threads end with the last one that does."""
        with self._lock:
            self._is_retired = True
            is_over = self._users == 0
        if is_over:
            self._batcher.close()


def example_row(form: RowFormat) -> dict[str, Any]:
    """A row of a few steps that fits the format."""
    row: dict[str, Any] = {
        "id": "example-1",
        "sequence": {
            name: [_value(each)] * min(_EXAMPLE_STEPS, form.max_steps)
            for name, each in form.sequence.items()
        },
    }
    if form.context:
        row["context"] = {name: _value(each) for name, each in form.context.items()}
    return row


def _value(expected: Expected) -> Any:
    value = _VALUES[expected.dtype]
    return [value] * expected.width if expected.width > 1 else value
