"""From what an ``input_fn`` returns to one dataset of batches."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rnn_core.config import RunConfig
from rnn_core.errors import ArgumentError
from rnn_core.types import InputFn


def call_input_fn(
    input_fn: InputFn, mode: str, params: Mapping[str, Any], config: RunConfig
) -> tf.data.Dataset:
    """Calls ``input_fn`` with those of ``mode``, ``params`` and ``config`` that it takes.

    A value that is not a dataset is one batch that is repeated for ever, as in ``tf.estimator``.

    Raises:
        ArgumentError: it is not callable.
    """
    if not callable(input_fn):
        raise ArgumentError(f"input_fn: expected a function, got {input_fn!r}.")
    accepted = inspect.signature(input_fn).parameters
    offered = {"mode": mode, "params": dict(params), "config": config}
    given = input_fn(**{name: value for name, value in offered.items() if name in accepted})
    if isinstance(given, tf.data.Dataset):
        return given
    return tf.data.Dataset.from_tensors(given).repeat()


def split(element: Any) -> tuple[dict[str, Any], Any]:
    """Features and labels (None if there are none) of one element.

    Raises:
        ArgumentError: the features are not a dict.
    """
    features, labels = element if isinstance(element, tuple) else (element, None)
    if not isinstance(features, Mapping):
        raise ArgumentError(
            "input_fn: expected (features, labels) or features, with features a dict from name to "
            f"tensor, got {type(features).__name__}."
        )
    return dict(features), labels
