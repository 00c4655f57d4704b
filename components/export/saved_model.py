"""Raw rows through an exported model: for the champion, for prediction, and for the export's check.

Needs the SavedModel, TensorFlow and numpy, and nothing else of this project.
Shapes: N rows, K labels, T steps of the longest row of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Scores = tuple[tuple[str, ...], NDArray[np.float64]]
"""The labels, K, and the probabilities, float64 [N, K] in the order of the labels."""


def score_saved_model(
    saved_model_path: Path, raw_records: Iterable[bytes], batch_size: int
) -> Scores:
    """Scores raw rows, in order, through the signature ``serving_default``.

    Args:
      saved_model_path: a directory that ``export_model`` made, or a copy of it.
      raw_records: serialized raw ``tf.train.SequenceExample``s.
      batch_size: rows that are scored at once.
    """
    model = tf.saved_model.load(str(saved_model_path))
    answer = model.signatures["serving_default"]
    answers = (answer(examples=tf.constant(batch)) for batch in _batches(raw_records, batch_size))
    return _scores(model, answers)


def score_raw_tensors(
    saved_model_path: Path, raw_records: Iterable[bytes], batch_size: int
) -> Scores:
    """The same through the signature ``raw``: rows are unpacked and padded here."""
    model = tf.saved_model.load(str(saved_model_path))
    answer = model.signatures["raw"]
    specs = answer.structured_input_signature[1]
    answers = (
        answer(**_padded_tensors(batch, specs)) for batch in _batches(raw_records, batch_size)
    )
    return _scores(model, answers)


def argument_name(feature: str) -> str:
    """The input of the signature ``raw`` that takes a feature.

    TensorFlow names arguments with letters, digits and underscores: all others become one, and a
    name that begins with a digit gets ``arg_`` before it.
    """
    plain = "".join(char if char.isalnum() else "_" for char in feature)
    return plain if plain[0].isalpha() else f"arg_{plain}"


def _scores(model: Any, answers: Iterable[dict[str, tf.Tensor]]) -> Scores:
    labels = tuple(label.decode() for label in model.labels().numpy().tolist())
    found = [answer["probabilities"].numpy().astype(np.float64) for answer in answers]
    return labels, np.concatenate([np.zeros((0, len(labels))), *found])


def _batches(records: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch


def _padded_tensors(batch: list[bytes], specs: dict[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    rows = [tf.train.SequenceExample.FromString(record) for record in batch]
    sequences = {
        argument_name(name): [_steps(row, name) for row in rows]
        for name in rows[0].feature_lists.feature_list
    }
    context = {
        argument_name(name): [_values(row.context.feature[name]) for row in rows]
        for name in rows[0].context.feature
    }
    lengths = [len(steps) for steps in next(iter(sequences.values()))]
    tensors = {"lengths": tf.constant(lengths, tf.int64)}
    for name in set(specs) - {"lengths"}:
        spec = specs[name]
        is_sequence = name in sequences
        values = _pad(sequences[name], max(lengths), spec) if is_sequence else context[name]
        tensors[name] = tf.reshape(tf.constant(values, spec.dtype), _shape(spec, len(rows)))
    return tensors


def _steps(row: Any, name: str) -> list[list[Any]]:
    return [_values(feature) for feature in row.feature_lists.feature_list[name].feature]


def _values(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []


def _pad(rows: list[list[list[Any]]], steps: int, spec: tf.TensorSpec) -> list[list[list[Any]]]:
    empty = [b"" if spec.dtype == tf.string else 0] * len(rows[0][0])
    return [row + [empty] * (steps - len(row)) for row in rows]


def _shape(spec: tf.TensorSpec, rows: int) -> list[int]:
    """[B, T, F], [B, T], [B, F] or [B]: at most one size is left open."""
    return [rows, *(-1 if size is None else size for size in spec.shape.as_list()[1:])]


def schema_directory(saved_model: Path) -> Path:
    """The directory of ``schema.json``, inside the SavedModel, so that it goes where that goes.

    ``assets.extra`` is the SavedModel's own convention for what is not TensorFlow's; loaders pass
    it over: https://www.tensorflow.org/guide/saved_model
    """
    return saved_model / "assets.extra"
