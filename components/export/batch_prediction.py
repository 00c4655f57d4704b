"""Rows of a source -> labels and probabilities of an exported model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts.schema import load_schema, schema_directory
from components.artifacts.values import Champion
from components.data.row_parsing import InvalidRow, Row
from components.data.sequence_examples import encode_row
from components.data.sources.source import Source
from components.errors import DataError
from components.export.saved_model import score_saved_model

_BATCH_SIZE = 256
"""Rows that are scored at once; another number changes the speed alone."""


@dataclass(frozen=True)
class Prediction:
    """The answer to one row: the most probable label and the probability of each, or an error.

    ``line`` is the number of the row in its source.
    """

    line: int
    id: str | None
    label: str | None
    probabilities: dict[str, float] | None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The content of a line of the output; keys without a value are left out."""
        values = {"line": self.line, "id": self.id, "label": self.label,
                  "probabilities": self.probabilities, "error": self.error}  # fmt: skip
        return {key: value for key, value in values.items() if value is not None}


def predict_rows(champion: Champion, source: Source) -> list[Prediction]:
    """Scores every row, in order; an invalid row gets the reason instead.

    Raises:
        NotFoundError: there is no such file.
        DataError: the source holds no valid row.
    """
    # From the SavedModel: the features that it was trained on, whatever the config says by now.
    schema = load_schema(schema_directory(Path(champion.path)))
    source.check_readable()
    rows = [
        (record.number, record.parse(schema.features, needs_label=False))
        for record in source.all_records()
    ]
    examples = [encode_row(row, schema.features) for _, row in rows if isinstance(row, Row)]
    if not rows:
        raise DataError(f"{source.path} is empty; expected {source.layout}.")
    if not examples:
        number, row = rows[0]
        reason = row.reason if isinstance(row, InvalidRow) else ""
        raise DataError(
            f"none of the {len(rows):,} rows of {source.path} is valid; "
            f"{source.location(number)}: {reason}"
        )
    labels, probabilities = score_saved_model(Path(champion.path), examples, _BATCH_SIZE)
    scores = iter(probabilities.tolist())  # of the valid rows only
    predictions = []
    for number, row in rows:
        if isinstance(row, InvalidRow):
            predictions.append(Prediction(number, None, None, None, row.reason))
            continue
        score = dict(zip(labels, next(scores), strict=True))
        predictions.append(Prediction(number, row.id, max(score, key=score.__getitem__), score))
    return predictions
