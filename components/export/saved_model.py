"""Raw rows through an exported model: for the champion, for prediction, and for the export's check.

Needs the SavedModel, TensorFlow and numpy, and nothing else of this project but its errors.
Shapes: N rows, K labels, T steps of the longest row of a batch. A answers are the N rows, or the
steps of all rows, where the model answers each step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.errors import BrokenModelError


class Scores(NamedTuple):
    """What a model answers to rows."""

    labels: tuple[str, ...]
    """[K]."""
    probabilities: NDArray[np.float64]
    """[A, K], in the order of the labels."""
    class_ids: NDArray[np.int64]
    """[A]: the places of the answers among the labels."""


def score_saved_model(
    saved_model_path: Path, raw_records: Iterable[bytes], batch_size: int
) -> Scores:
    """Scores raw rows, in order, through the signature ``serving_default``.

    Args:
        saved_model_path: a directory that ``export_model`` made, or a copy of it.
        raw_records: serialized raw ``tf.train.SequenceExample``s, read a batch at a time.
        batch_size: rows that are scored at once.

    Raises:
        BrokenModelError: the SavedModel cannot be loaded, or fails on a row.
    """
    with model_errors(saved_model_path):
        model = tf.saved_model.load(str(saved_model_path))
        answer, labels = model.signatures["serving_default"], _labels(model)
    found = []
    for batch in _batches(raw_records, batch_size):
        # Not around the loop: whoever gives the records has errors of its own.
        with model_errors(saved_model_path):
            found.append(_answers(answer(examples=tf.constant(batch))))
    return _joined(found, labels)


def score_raw_tensors(
    saved_model_path: Path, raw_records: Iterable[bytes], batch_size: int
) -> Scores:
    """The same through the signature ``raw``: rows are unpacked and padded here."""
    model = tf.saved_model.load(str(saved_model_path))
    answer = model.signatures["raw"]
    specs = answer.structured_input_signature[1]
    found = [
        _answers(answer(**_padded_tensors(batch, specs)))
        for batch in _batches(raw_records, batch_size)
    ]
    return _joined(found, _labels(model))


@contextlib.contextmanager
def model_errors(saved_model_path: Path) -> Iterator[None]:
    """Whatever TensorFlow raises inside is the model's fault, told in one sentence.

    Raises:
        BrokenModelError: TensorFlow could not load or run the model.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError):
        raise  # the machine's fault: another try may succeed
    # A damaged file, or an operation that is unknown here, ends in any of a dozen types.
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0][:300]
        raise BrokenModelError(
            f"the SavedModel at {saved_model_path} cannot be loaded or run with TensorFlow "
            f"{tf.__version__}: {type(error).__name__}: {first_line}"
        ) from error


def argument_name(feature: str) -> str:
    """The input of the signature ``raw`` that takes a feature.

    TensorFlow names arguments with letters, digits and underscores: all others become one, and a
    name that begins with a digit gets ``arg_`` before it.
    """
    plain = "".join(char if char.isalnum() else "_" for char in feature)
    return plain if plain[0].isalpha() else f"arg_{plain}"


def _labels(model: Any) -> tuple[str, ...]:
    return tuple(label.decode() for label in model.labels().numpy().tolist())


_Answers = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Of a batch: probabilities [A, K], class ids [A]."""


def _answers(answer: dict[str, tf.Tensor]) -> _Answers:
    probabilities = answer["probabilities"].numpy().astype(np.float64)
    ids = answer["class_ids"].numpy()
    if "lengths" not in answer:
        return probabilities, ids
    # Of each row [T, K], the real steps alone.
    is_real = np.arange(probabilities.shape[1]) < answer["lengths"].numpy()[:, None]
    return probabilities[is_real], ids[is_real]


def _joined(found: list[_Answers], labels: tuple[str, ...]) -> Scores:
    # The empty arrays first: no rows make [0, K], not an error.
    none = np.zeros((0, len(labels))), np.zeros(0, np.int64)
    probabilities, ids = zip(none, *found, strict=True)
    return Scores(labels, np.concatenate(probabilities), np.concatenate(ids))


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
        # By the arguments' names: those of the specs are in lower case.
        spec = specs[argument_name(name)]
        flat = [value for one in lists for step in one[name].feature for value in _values(step)]
        steps = tf.reshape(tf.constant(flat, spec.dtype), [-1, *spec.shape[2:]])
        tensors[argument_name(name)] = tf.RaggedTensor.from_row_lengths(steps, lengths).to_tensor()
    for name in rows[0].context.feature:
        # The id and the label are no inputs of the model.
        if spec := specs.get(argument_name(name)):
            flat = [value for row in rows for value in _values(row.context.feature[name])]
            tensors[argument_name(name)] = tf.reshape(
                tf.constant(flat, spec.dtype), [len(rows), *spec.shape[1:]]
            )
    return tensors


def _values(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []
