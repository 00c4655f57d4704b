"""Rows of a JSONL file -> labels and probabilities of an exported model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts.schema import Schema, load_schema
from components.artifacts.values import Champion
from components.data.row_parsing import BadRow, Row, Value, parse_row
from components.data.sequence_examples import encode
from components.errors import DataError, NotFoundError
from components.export.saved_model import schema_directory, score_saved_model

_BATCH_SIZE = 256


@dataclass(frozen=True)
class Prediction:
    """The answer to one line: a label with the probability of each, or why there is none."""

    line: int
    id: str | None
    label: str | None
    probabilities: dict[str, float] | None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What a line of the output holds: keys without a value are left out."""
        values = {"line": self.line, "id": self.id, "label": self.label,
                  "probabilities": self.probabilities, "error": self.error}  # fmt: skip
        return {key: value for key, value in values.items() if value is not None}


def predict_rows(champion: Champion, data: Path) -> list[Prediction]:
    """Scores every row of a file, in order; a row that cannot be used gets the reason.

    Raises:
      NotFoundError: there is no such file.
      DataError: the file holds no usable row.
    """
    schema = load_schema(schema_directory(Path(champion.path)))
    parsed = list(_parsed(data, schema))
    records = [_record(row, schema) for _, row in parsed if isinstance(row, Row)]
    if not records:
        raise DataError(_nothing_usable(data, parsed))
    labels, probabilities = score_saved_model(Path(champion.path), records, _BATCH_SIZE)
    scores = iter(probabilities.tolist())
    return [_prediction(line, row, labels, scores) for line, row in parsed]


def _parsed(data: Path, schema: Schema) -> Iterator[tuple[int, Row | BadRow]]:
    try:
        with data.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, parse_row(line, schema.features, needs_label=False)
    except (FileNotFoundError, IsADirectoryError):
        raise NotFoundError(f"expected a JSONL file of rows, but {data} is none.") from None


def _record(row: Row, schema: Schema) -> bytes:
    context: dict[str, Value] = {"id": [row.id.encode()]}
    context |= {name: row.values[name] for name in schema.features.context}
    return encode(context, {name: row.values[name] for name in schema.features.sequence})


def _prediction(
    line: int, row: Row | BadRow, labels: tuple[str, ...], scores: Iterator[list[float]]
) -> Prediction:
    if isinstance(row, BadRow):
        return Prediction(line, None, None, None, row.reason)
    values = next(scores)
    best = labels[max(range(len(values)), key=values.__getitem__)]
    return Prediction(line, row.id, best, dict(zip(labels, values, strict=True)))


def _nothing_usable(data: Path, parsed: list[tuple[int, Row | BadRow]]) -> str:
    if not parsed:
        return f"{data} is empty; one JSON row a line was expected."
    line, row = parsed[0]
    reason = row.reason if isinstance(row, BadRow) else ""
    return f"none of the {len(parsed):,} rows of {data} can be used; line {line}: {reason}"
