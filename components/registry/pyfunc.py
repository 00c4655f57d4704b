"""What MLflow serves: rows of any length in, labels and probabilities out.

MLflow copies this file beside the SavedModel and runs it there, so it imports nothing of this
project. A row has a column a feature. A sequence is a list, of numbers (or of lists of F numbers),
of strings or of ids; a context feature is one value (or a list of F numbers). The answer has the
columns ``label`` and ``probabilities`` (a number a label).

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

ROWS_A_BATCH = 256


class SequenceClassifier(PythonModel):
    """Wraps a SavedModel that has the function ``rows``."""

    def load_context(self, context: Any) -> None:
        """Loads the artifact ``saved_model``."""
        self._saved = tf.saved_model.load(context.artifacts["saved_model"])
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
            self._predict_batch(model_input.iloc[start : start + ROWS_A_BATCH], start)
            for start in range(0, len(model_input), ROWS_A_BATCH)
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
                steps = tf.constant(np.concatenate(sequences[name]), spec.dtype)
                tensors[name] = tf.RaggedTensor.from_row_lengths(steps, lengths, validate=False)
            else:
                tensors[name] = tf.constant(_context(rows[name], spec, name, first), spec.dtype)
        answer = self._saved.rows(tensors)
        labels = [label.decode() for label in answer["classes"].numpy().tolist()]
        return _answers(labels, answer["probabilities"].numpy().tolist(), self._labels)


def _steps(value: Any, spec: tf.TensorSpec, name: str, row: int) -> np.ndarray[Any, Any]:
    """One row's sequence: float32 [T, F], int64 [T] or object [T]."""
    expected = _expected(spec)
    try:
        if not spec.dtype.is_floating:
            array = np.asarray(value, dtype=object if spec.dtype == tf.string else np.int64)
            fits = array.ndim == 1
        else:
            array = np.asarray([np.asarray(step, np.float32) for step in value])
            array = array[:, np.newaxis] if array.ndim == 1 else array
            fits = array.shape[1:] == spec.shape[2:]
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal(f"row {row}, {name}: expected {expected}; {error}") from error
    _check_finite(array, name, row)
    if not fits or not len(array):
        raise _refusal(f"row {row}, {name}: expected {expected}, got shape {list(array.shape)}")
    return array


def _expected(spec: tf.TensorSpec) -> str:
    if spec.dtype.is_floating:
        return f"steps of {spec.shape[-1]} numbers each"
    return "a list of strings" if spec.dtype == tf.string else "a list of whole numbers"


def _lengths(sequences: dict[str, list[np.ndarray[Any, Any]]], first: int) -> Any:
    """Steps a row, int64 [B]; every sequence of a row must agree."""
    found = np.array([[len(value) for value in values] for values in sequences.values()])
    for i in np.flatnonzero((found != found[0]).any(axis=0)):
        counts = dict(zip(sequences, found[:, i].tolist(), strict=True))
        raise _refusal(f"row {first + i}: its sequences differ in length: {counts}")
    return found[0]


def _context(column: pd.Series[Any], spec: tf.TensorSpec, name: str, first: int) -> Any:
    """float32 [B, F], int64 [B, 1] or object [B, 1]."""
    if not spec.dtype.is_floating:
        values = column.to_numpy(dtype=object if spec.dtype == tf.string else np.int64)
        return values[:, np.newaxis]
    rows = [_numbers(value, spec.shape[-1], name, first + i) for i, value in enumerate(column)]
    return np.stack(rows)


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
