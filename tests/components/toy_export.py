"""A toy SavedModel that takes every kind of feature, as ``export_model`` leaves one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.artifacts.schema import Schema, save_schema, schema_directory
from components.artifacts.values import Export
from components.data.row_parsing import Row, RowFormat, parse_row
from components.data.sequence_examples import encode_row
from components.export.saved_model import score_saved_model
from components.export.serving_graph import Served
from components.features.config import FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature
from components.label_tasks import TaskName
from components.runtime.libraries import quiet_libraries

FEATURES = FeaturesConfig(
    sequence={
        "motion": NumericFeature(kind="numeric", width=3),
        "pulse": NumericFeature(kind="numeric"),
        "word-1.a": VocabularyFeature(kind="token"),
        "event": IdFeature(kind="id", size=40),
    },
    context={
        "size": NumericFeature(kind="numeric", width=2),
        "age": NumericFeature(kind="numeric"),
        "colour": VocabularyFeature(kind="categorical"),
        "Läden": IdFeature(kind="id", size=9),
    },
)
MAX_ROW_STEPS = 100
FORM = RowFormat.of(FEATURES, MAX_ROW_STEPS)
LABELS = ("no", "yes", "übrig")
LENGTHS = (4, 1, 7, 2, 2)
LIMITS = {"max_request_rows": 50, "max_request_steps": 200}


class Doubling(tf.Module):
    """A transform with a variable: numbers are doubled."""

    def __init__(self) -> None:
        self._factor = tf.Variable(2.0)

    def __call__(self, raw: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value * self._factor if value.dtype == tf.float32 else value
            for name, value in raw.items()
        }


class Summing(tf.Module):
    """A predictor whose logits depend on every value of a row, and on how many there are."""

    def __init__(self, weights: tuple[float, float, float] = (0.1, 0.2, -0.3)) -> None:
        self._weights = tf.Variable(weights)

    def __call__(self, features: dict[str, Any]) -> dict[str, tf.Tensor]:
        total = tf.add_n([self._sum(value) for value in features.values()])
        logits = tf.sin(total)[:, tf.newaxis] * self._weights
        ids = tf.argmax(logits, axis=-1)[:, tf.newaxis]
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "class_ids": ids,
            "classes": tf.gather(tf.constant(LABELS), ids),
        }

    def _sum(self, value: Any) -> tf.Tensor:
        if value.dtype == tf.string:
            value = tf.strings.length(value)
        value = tf.cast(value, tf.float32) + 0.25
        while value.shape.rank > 1:
            value = tf.reduce_sum(value, axis=-1)
        return value


@dataclass(frozen=True)
class ToyExport:
    """The export, and the rows with which it was scored."""

    export: Export
    rows: list[dict[str, Any]]
    """As a client sends them: a value a feature."""
    records: list[bytes]
    """The same rows as raw examples."""
    probabilities: NDArray[np.float64]

    @property
    def saved_model(self) -> Path:
        return Path(self.export.path) / "saved_model"


def json_row(steps: int) -> dict[str, Any]:
    """A row as it lies in a JSONL file."""
    return {
        "id": f"row-{steps}",
        "label": "no",
        "sequence": {
            "motion": [[i, i / 3, -1.5] for i in range(steps)],
            "pulse": [60 + i for i in range(steps)],
            "word-1.a": ["über", "a", ""][:steps] + ["b"] * (steps - 3),
            "event": [(7 * i) % 40 for i in range(steps)],
        },
        "context": {"size": [1, 2.5], "age": steps, "colour": "blå", "Läden": steps % 9},
    }


def raw_record(row: dict[str, Any]) -> bytes:
    """The raw example of a row."""
    parsed = parse_row(row, FORM)
    assert isinstance(parsed, Row), parsed
    return encode_row(parsed, FEATURES)


class Counting(tf.Module):
    """A predictor of each step: its probabilities come from the number of the step."""

    def __call__(self, features: dict[str, Any]) -> dict[str, tf.Tensor]:
        mask = tf.sequence_mask(features["pulse"].row_lengths())
        step = tf.cumsum(tf.cast(mask, tf.float32), axis=1)[:, :, tf.newaxis]
        logits = tf.sin(step) * tf.constant([1.0, -1.0, 0.5])
        ids = tf.argmax(logits, axis=-1)[:, :, tf.newaxis]
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "class_ids": ids,
            "classes": tf.gather(tf.constant(LABELS), ids),
            "sequence_mask": mask,
        }


def save_toy(directory: Path, predictor: Summing | Counting, label: TaskName = "per_row") -> Schema:
    """Saves a SavedModel as ``export_model`` does, in ``saved_model`` below the directory."""
    sizes = {"word-1.a": 9, "event": 40, "colour": 4, "Laden": 9}
    schema = Schema(FEATURES, LABELS, sizes, MAX_ROW_STEPS, label=label)
    served = Served(schema, Doubling(), predictor)
    with quiet_libraries():
        tf.saved_model.save(served, str(directory / "saved_model"), signatures=served.signatures)
    save_schema(schema, schema_directory(directory / "saved_model"))
    return schema


def make_toy_export(directory: Path, predictor: Summing | None = None) -> ToyExport:
    """Saves the toy and scores its rows one by one, without any padding."""
    save_toy(directory, predictor or Summing())
    rows = [json_row(steps) for steps in LENGTHS]
    records = [raw_record(row) for row in rows]
    plain = [{**row["sequence"], **row["context"]} for row in rows]
    (directory / "example.json").write_text(json.dumps(plain[0]))
    (directory / "limits.json").write_text(json.dumps(LIMITS))
    _, probabilities, _ = score_saved_model(directory / "saved_model", records, batch_size=1)
    export = Export(str(directory), "toy-digest", 0.0, len(rows))
    return ToyExport(export, plain, records, probabilities)
