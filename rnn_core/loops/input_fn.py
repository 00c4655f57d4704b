"""From what an ``input_fn`` returns to one dataset of batches."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rnn_core.config.run_config import RunConfig
from rnn_core.distribution.replicas import Replicas
from rnn_core.distribution.sharding import share
from rnn_core.errors import ArgumentError
from rnn_core.types import InputFn, ModeKeys

logger = logging.getLogger("rnn_core")


def call_input_fn(
    input_fn: InputFn,
    mode: str,
    params: Mapping[str, Any],
    config: RunConfig,
    replicas: Replicas,
) -> tf.data.Dataset:
    """Calls ``input_fn`` with what it takes of ``mode``, ``params``, ``config``, ``input_context``.

    A value that is not a dataset is one batch, repeated without end, as in ``tf.estimator``. Each
    of many workers gets its shard of the dataset, unless ``input_fn`` takes ``input_context`` and
    so shards the dataset itself.

    Raises:
        ArgumentError: it is not callable, or its dataset cannot be sharded among the workers.
    """
    if not callable(input_fn):
        raise ArgumentError(f"input_fn: expected a function, got {input_fn!r}.")
    accepted = inspect.signature(input_fn).parameters
    offered = {
        "mode": mode,
        "params": dict(params),
        "config": config,
        "input_context": _context(replicas),
    }
    given = input_fn(**{name: value for name, value in offered.items() if name in accepted})
    if isinstance(given, tf.data.Dataset):
        shares = replicas.worker_count > 1 and "input_context" not in accepted
        return share(given, replicas.worker, replicas.worker_count) if shares else given
    if mode == ModeKeys.PREDICT:
        logger.warning(
            "input_fn returned one batch and no dataset: predictions of it repeat without end. "
            "Return tf.data.Dataset.from_tensors(...) to get them once."
        )
    return tf.data.Dataset.from_tensors(given).repeat()


def _context(replicas: Replicas) -> Any:
    return tf.distribute.InputContext(
        num_input_pipelines=replicas.worker_count,
        input_pipeline_id=replicas.worker,
        num_replicas_in_sync=replicas.worker_count * replicas.local_count,
    )


def split(element: Any) -> tuple[Any, Any]:
    """Features and labels (None if there are none) of one element."""
    return element if isinstance(element, tuple) and len(element) == 2 else (element, None)
