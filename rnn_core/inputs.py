"""From what an ``input_fn`` returns to one dataset of batches."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rnn_core.config import RunConfig
from rnn_core.errors import ArgumentError, FeatureError
from rnn_core.types import InputFn, ModeKeys

logger = logging.getLogger("rnn_core")


def call_input_fn(
    input_fn: InputFn, mode: str, params: Mapping[str, Any], config: RunConfig
) -> tf.data.Dataset:
    """Calls ``input_fn`` with what it takes of ``mode``, ``params``, ``config``, ``input_context``.

    A value that is not a dataset is one batch that is repeated for ever, as in ``tf.estimator``.

    Raises:
        ArgumentError: it is not callable.
    """
    if not callable(input_fn):
        raise ArgumentError(f"input_fn: expected a function, got {input_fn!r}.")
    accepted = inspect.signature(input_fn).parameters
    offered = {
        "mode": mode,
        "params": dict(params),
        "config": config,
        "input_context": tf.distribute.InputContext(),
    }
    given = input_fn(**{name: value for name, value in offered.items() if name in accepted})
    if isinstance(given, tf.data.Dataset):
        return given
    if mode == ModeKeys.PREDICT:
        logger.warning(
            "input_fn returned one batch and no dataset: predictions of it repeat for ever. Return "
            "tf.data.Dataset.from_tensors(...) to get them once."
        )
    return tf.data.Dataset.from_tensors(given).repeat()


def split(element: Any) -> tuple[Any, Any]:
    """Features and labels (None if there are none) of one element."""
    return element if isinstance(element, tuple) and len(element) == 2 else (element, None)


def named_features(features: Any) -> dict[str, Any]:
    """Features by name.

    Raises:
        FeatureError: they are not a dict.
    """
    if not isinstance(features, Mapping):
        raise FeatureError(
            "input_fn: expected (features, labels) or features, with features a dict from name to "
            f"tensor, got {type(features).__name__}."
        )
    return dict(features)
