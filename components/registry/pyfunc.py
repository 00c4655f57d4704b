"""What MLflow serves: rows of any length in, labels and probabilities out.

MLflow copies this file beside the SavedModel and runs it there, so it imports nothing of this
project. A row has one column per feature. A sequence is a list, of numbers (or of lists of F
numbers), of strings or of ids; a context feature is one value (or a list of F numbers). The answer
has the columns ``label`` and ``probabilities`` (one number per label).

Shapes: B rows, T steps of a row, F numbers per step, K labels.
"""

from __future__ import annotations

from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
import tensorflow as tf
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel

BATCH_ROWS = 256
"""Rows that are answered at once: a request of any size takes bounded memory."""


class SequenceClassifier(PythonModel):
    """Wraps a SavedModel that has the function ``rows``."""

    def load_context(self, context: Any) -> None:
        """Loads the artifact ``saved_model``."""
        self._saved = tf.saved_model.load(context.artifacts["saved_model"])
        # Of the first trace, of which a SavedModel has one: its argument is the dictionary of rows.
        ((specs,), _) = self._saved.rows.concrete_functions[0].structured_input_signature
        self._specs: dict[str, Any] = specs
        self._labels = [label.decode() for label in self._saved.labels().numpy().tolist()]

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answers each row, in order.

        Raises:
            MlflowException: a column is missing, or a row's sequences are empty, of different
              lengths or of another width.
        """
        del context, params
        missing = sorted(set(self._specs) - set(model_input.columns))
        if missing:
            raise _refusal(f"expected the columns {sorted(self._specs)}; {missing} are missing")
        parts = [
            self._predict_batch(model_input.iloc[start : start + BATCH_ROWS], start)
            for start in range(0, len(model_input), BATCH_ROWS)
        ]
        return pd.concat(parts, ignore_index=True) if parts else _answers([], [], self._labels)

    def _predict_batch(self, rows: pd.DataFrame, first: int) -> pd.DataFrame:
        sequences = {
            name: [_steps(value, spec, name, first + i) for i, value in enumerate(rows[name])]
            for name, spec in self._specs.items()
            if isinstance(spec, tf.RaggedTensorSpec)
        }
        lengths = _lengths(sequences, first)
        tensors: dict[str, Any] = {}
        for name, spec in self._specs.items():
            if name in sequences:
                # Ragged, as the graph takes it: nothing is padded here.
                steps = tf.constant(np.concatenate(sequences[name]), spec.dtype)
                tensors[name] = tf.RaggedTensor.from_row_lengths(steps, lengths, validate=False)
            elif spec.dtype.is_floating:
                width = spec.shape[-1]
                numbers = [
                    _numbers(value, width, name, first + i) for i, value in enumerate(rows[name])
                ]
                tensors[name] = tf.constant(np.stack(numbers), spec.dtype)
            else:
                kind = object if spec.dtype == tf.string else np.int64
                column = rows[name].to_numpy(dtype=kind)
                tensors[name] = tf.constant(column[:, np.newaxis], spec.dtype)
        answer = self._saved.rows(tensors)
        labels = [label.decode() for label in answer["classes"].numpy().tolist()]
        return _answers(labels, answer["probabilities"].numpy().tolist(), self._labels)


def _steps(value: Any, spec: tf.TensorSpec, name: str, row: int) -> np.ndarray[Any, Any]:
    """One row's sequence: float32 [T, F], int64 [T] or object [T]."""
    if spec.dtype.is_floating:
        expected = f"steps of {spec.shape[-1]} numbers each"
    else:
        expected = "a list of strings" if spec.dtype == tf.string else "a list of whole numbers"
    try:
        if not spec.dtype.is_floating:
            array = np.asarray(value, dtype=object if spec.dtype == tf.string else np.int64)
            fits = array.ndim == 1
        else:
            array = np.asarray([np.asarray(step, np.float32) for step in value])
            # Steps of one number may be plain numbers.
            array = array[:, np.newaxis] if array.ndim == 1 else array
            fits = array.shape[1:] == spec.shape[2:]
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal(f"row {row}, {name}: expected {expected}; {error}") from error
    _check_finite(array, name, row)
    if not fits or not len(array):
        raise _refusal(f"row {row}, {name}: expected {expected}, got shape {list(array.shape)}")
    return array


def _lengths(sequences: dict[str, list[np.ndarray[Any, Any]]], first: int) -> Any:
    """Steps per row, int64 [B]; every sequence of a row must agree."""
    found = np.array([[len(value) for value in values] for values in sequences.values()])
    for i in np.flatnonzero((found != found[0]).any(axis=0)):
        counts = dict(zip(sequences, found[:, i].tolist(), strict=True))
        raise _refusal(f"row {first + i}: its sequences differ in length: {counts}")
    return found[0]


def _numbers(value: Any, width: int, name: str, row: int) -> np.ndarray[Any, Any]:
    """One row's numeric context feature, float32 [F]."""
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float32))
    except (TypeError, ValueError) as error:
        raise _refusal(f"row {row}, {name}: expected {width} numbers; {error}") from error
    if numbers.shape != (width,):
        raise _refusal(
            f"row {row}, {name}: expected {width} numbers, got shape {list(numbers.shape)}"
        )
    _check_finite(numbers, name, row)
    return numbers


def _check_finite(array: np.ndarray[Any, Any], name: str, row: int) -> None:
    if array.dtype == np.float32 and not np.isfinite(array).all():
        raise _refusal(f"row {row}, {name}: expected finite numbers, got NaN or infinity")


def _answers(labels: list[str], probabilities: list[list[float]], names: list[str]) -> pd.DataFrame:
    named = [dict(zip(names, row, strict=True)) for row in probabilities]
    return pd.DataFrame({"label": labels, "probabilities": named})


def _refusal(message: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(message)


mlflow.models.set_model(SequenceClassifier())
