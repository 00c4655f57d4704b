"""Rows of a source -> labels and probabilities of an exported model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts.schema import Schema, load_schema
from components.artifacts.values import Champion
from components.data.row_parsing import InvalidRow, Row, Value
from components.data.sequence_examples import encode
from components.data.sources.source import Source
from components.errors import DataError
from components.export.saved_model import schema_directory, score_saved_model

_BATCH_SIZE = 256


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
    schema = load_schema(schema_directory(Path(champion.path)))
    source.check_readable()
    rows = [
        (record.number, record.parse(schema.features, needs_label=False))
        for record in source.all_records()
    ]
    examples = [_example(row, schema) for _, row in rows if isinstance(row, Row)]
    if not examples:
        raise DataError(_no_valid_row(source, rows))
    labels, probabilities = score_saved_model(Path(champion.path), examples, _BATCH_SIZE)
    scores = iter(probabilities.tolist())
    return [_prediction(number, row, labels, scores) for number, row in rows]


def _example(row: Row, schema: Schema) -> bytes:
    context: dict[str, Value] = {"id": [row.id.encode()]}
    context |= {name: row.values[name] for name in schema.features.context}
    return encode(context, {name: row.values[name] for name in schema.features.sequence})


def _prediction(
    number: int, row: Row | InvalidRow, labels: tuple[str, ...], scores: Iterator[list[float]]
) -> Prediction:
    if isinstance(row, InvalidRow):
        return Prediction(number, None, None, None, row.reason)
    values = next(scores)
    best = labels[max(range(len(values)), key=values.__getitem__)]
    return Prediction(number, row.id, best, dict(zip(labels, values, strict=True)))


def _no_valid_row(source: Source, rows: list[tuple[int, Row | InvalidRow]]) -> str:
    if not rows:
        return f"{source.path} is empty; expected {source.layout}."
    number, row = rows[0]
    reason = row.reason if isinstance(row, InvalidRow) else ""
    return (
        f"none of the {len(rows):,} rows of {source.path} is valid; "
        f"{source.location(number)}: {reason}"
    )
