"""What MLflow serves: rows of any length in, labels and probabilities out.

MLflow copies this file, and the two modules that it loads, beside the SavedModel and runs them
there, so none of them imports anything of this project. A row has one column per feature, or the
columns ``sequence`` and ``context`` of a row in the JSONL form. A sequence is a list, of numbers
(or of lists of F numbers), of strings or of ids; a context feature is one value (or a list of F
numbers). The answer has the columns ``label`` and ``probabilities`` (one number per label);
where each step has a label, both are lists with an entry for each step.
"""

from __future__ import annotations

import importlib.util
import sys
import uuid
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel


class SequenceClassifier(PythonModel):
    """Wraps a SavedModel that has the function ``rows``.

    The model's config in MLflow holds ``rows`` (what a row must hold), ``max_row_steps``,
    ``max_request_rows`` and ``max_request_steps``; whoever loads the model may set other limits.
    """

    def load_context(self, context: Any) -> None:
        """Loads the artifacts ``saved_model``, ``row_parsing`` and ``row_scoring``."""
        limits = context.model_config
        self._max_rows: int = limits["max_request_rows"]
        self._max_steps: int = limits["max_request_steps"]
        # By their paths and under names of their own: models of two releases may be loaded in one
        # process, and rnnflow itself as well.
        self._parsing = _load_module(context.artifacts["row_parsing"])
        scoring = _load_module(context.artifacts["row_scoring"])
        self._form = self._parsing.RowFormat.from_json(
            {**limits["rows"], "max_steps": limits["max_row_steps"], "needs_key": False}
        )
        self._scorer = scoring.RowScorer(context.artifacts["saved_model"])
        self._answer = scoring.answer_row

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answers each row, in order.

        Raises:
            MlflowException: a row is invalid, or the request is larger than the limits allow.
        """
        del context, params
        if len(model_input) > self._max_rows:
            raise _refusal(
                f"the request has {len(model_input):,} rows, and max_request_rows = "
                f"{self._max_rows:,} allows no more: send it in parts"
            )
        rows, steps = [], 0
        model_input = self._with_whole_ids(model_input)
        for number, values in enumerate(model_input.to_dict("records")):
            row = self._parsing.parse_row(self._row(values), self._form)
            if isinstance(row, self._parsing.InvalidRow):
                raise _refusal(f"row {number}: {row.reason}")
            rows.append(row)
            steps += row.steps
            if steps > self._max_steps:
                raise _refusal(
                    f"the rows up to row {number} have {steps:,} steps together, and "
                    f"max_request_steps = {self._max_steps:,} allows no more: send it in parts"
                )
        found = [self._answer(one, self._scorer.labels) for one in self._scorer.score(rows)]
        return pd.DataFrame(
            {
                "label": [answer.label for answer in found],
                "probabilities": [answer.probabilities for answer in found],
            }
        )

    def _with_whole_ids(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Ids are whole numbers again: where a row lacks its id, pandas makes floats of all."""
        for name, expected in self._form.context.items():
            if expected.dtype == "int64" and name in frame and frame[name].dtype.kind == "f":
                known = frame[name].dropna()
                if len(known) < len(frame) and (known % 1 == 0).all():
                    frame = frame.astype({name: "Int64"})
        return frame

    def _row(self, columns: dict[Any, Any]) -> dict[str, Any]:
        """The cells of a row of the frame as a row in the JSONL form."""
        plain = {name: _plain(value) for name, value in columns.items()}
        # A feature may be called `sequence` too, but none is an object.
        if isinstance(plain.get("sequence"), dict):
            return plain
        parts = {"sequence": self._form.sequence, "context": self._form.context}
        return {
            part: {name: plain.get(name) for name in features} for part, features in parts.items()
        }


def _plain(value: Any) -> Any:
    """A cell as JSON holds it; in a frame of numpy's types, or NaN where it is absent."""
    if isinstance(value, float) and np.isnan(value):
        return None
    return _plain_items(value)


def _plain_items(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        # The usual case: a list of plain values needs no copy.
        if set(map(type, value)) <= {int, float, str, bool, type(None)}:
            return list(value)
        return [_plain_items(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain_items(item) for name, item in value.items()}
    return None if value is pd.NA else value


def _load_module(path: str) -> Any:
    name = f"rnnflow_served_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a Python file at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def _refusal(message: str) -> MlflowException:
    return MlflowException.invalid_parameter_value(message)


mlflow.models.set_model(SequenceClassifier())
