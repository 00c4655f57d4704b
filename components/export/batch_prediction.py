"""Rows of a source -> labels and probabilities of an exported model, a part at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts.schema import load_schema, schema_directory
from components.data.row_parsing import InvalidRow
from components.data.sources.source import Record
from components.data.splits.values import row_format_of
from components.export.row_scoring import RowScorer, RowScores, answer_row
from components.export.saved_model import model_errors


@dataclass(frozen=True)
class Prediction:
    """The answer to one row: a label and its probability, or an error.

    Where each step has a label, ``label``, ``confidence`` and ``probabilities`` are lists of T.
    ``line`` is the number of the row in its source; ``probabilities`` are those of all labels, or,
    the largest first, of as many as were asked for; ``id`` is empty if the row has none.
    """

    line: int
    id: str = ""
    label: Any = None
    confidence: Any = None
    """The probability of ``label``."""
    probabilities: Any = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The content of a line of the output; keys without a value are left out."""
        values = {"line": self.line, "id": self.id or None, "label": self.label,
                  "confidence": self.confidence, "probabilities": self.probabilities,
                  "error": self.error}  # fmt: skip
        return {key: value for key, value in values.items() if value is not None}


class Predictor:
    """An exported model that answers the rows of any source.

    Args:
        saved_model: the directory that ``export_model`` made, or a copy of it.
        top_k: how many labels an answer lists; all by default.

    Raises:
        NotFoundError: the directory does not say what a row holds.
        BrokenModelError: TensorFlow cannot load the model.
    """

    def __init__(self, saved_model: Path, top_k: int | None = None) -> None:
        # From the SavedModel: the features that it was trained on, whatever the config says by now.
        schema = load_schema(schema_directory(saved_model))
        self.form = row_format_of(schema)
        """What a row must hold."""
        self.columns = schema.columns
        """Which column of a table is what."""
        self._saved_model = saved_model
        with model_errors(saved_model):
            self._scorer = RowScorer(saved_model)
        self._top_k = top_k

    def predict(self, records: Iterable[Record]) -> Iterator[Prediction]:
        """Answers each row, in order; an invalid row gets the reason instead.

        All rows are held at once: whoever has many calls this for a part at a time.
        """
        rows = [(record.number, record.parse(self.form)) for record in records]
        valid = [row for _, row in rows if not isinstance(row, InvalidRow)]
        with model_errors(self._saved_model):
            scores = iter(self._scorer.score(valid))
        for number, row in rows:
            if isinstance(row, InvalidRow):
                yield Prediction(number, error=row.reason)
            else:
                yield self._answer(number, row.id, next(scores))

    def _answer(self, number: int, row_id: str, scores: RowScores) -> Prediction:
        answer = answer_row(scores, self._scorer.labels, self._top_k)
        return Prediction(number, row_id, answer.label, answer.confidence, answer.probabilities)
