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
    # The empty array first: no rows make [0, K], not an error.
    found = [answer["probabilities"].numpy().astype(np.float64) for answer in answers]
    return labels, np.concatenate([np.zeros((0, len(labels))), *found])


def _batches(records: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch


def _padded_tensors(batch: list[bytes], specs: dict[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    rows = [tf.train.SequenceExample.FromString(record) for record in batch]
    lists = [row.feature_lists.feature_list for row in rows]
    # All sequences of a row have one length: any feature tells it.
    lengths = [len(next(iter(one.values())).feature) for one in lists]
    tensors = {"lengths": tf.constant(lengths, tf.int64)}
    for name in lists[0]:
        spec = specs[argument_name(name)]
        flat = [value for one in lists for step in one[name].feature for value in _values(step)]
        steps = tf.reshape(tf.constant(flat, spec.dtype), [-1, *spec.shape[2:]])
        tensors[spec.name] = tf.RaggedTensor.from_row_lengths(steps, lengths).to_tensor()
    for name in rows[0].context.feature:
        # The id and the label are no inputs of the model.
        if spec := specs.get(argument_name(name)):
            flat = [value for row in rows for value in _values(row.context.feature[name])]
            tensors[spec.name] = tf.reshape(
                tf.constant(flat, spec.dtype), [len(rows), *spec.shape[1:]]
            )
    return tensors


def _values(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []
