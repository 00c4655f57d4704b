"""From what an ``input_fn`` returns to one dataset of batches."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Mapping
from typing import Any, Final

import tensorflow as tf

from rnn_core import callables
from rnn_core.config.run_config import RunConfig
from rnn_core.distribution.replicas import Replicas
from rnn_core.distribution.sharding import share
from rnn_core.errors import ArgumentError
from rnn_core.loops import live_input
from rnn_core.types import InputFn, ModeKeys

logger = logging.getLogger("rnn_core")

INPUT_FN_ARGUMENTS: Final = ("mode", "params", "config", "input_context")
"""What an ``input_fn`` may take, by name."""


def call_input_fn(
    input_fn: InputFn,
    mode: str,
    params: Mapping[str, Any],
    config: RunConfig,
    replicas: Replicas,
) -> tf.data.Dataset:
    """Calls ``input_fn`` with what it takes of ``mode``, ``params``, ``config``, ``input_context``.

    Tensors in place of a dataset are evaluated again for each batch, as in ``tf.estimator``: until
    their iterator or queue ends, or without end. Each of many workers gets its shard of the
    dataset, unless ``input_fn`` takes ``input_context``, or has it bound, and so shards the dataset
    itself.

    Raises:
        ArgumentError: it is not callable, needs other arguments, returns something else than
            features or (features, labels), or its dataset cannot be sharded among the workers, or
            its tensors cannot be evaluated again.
    """
    arguments = callables.check("input_fn", input_fn, INPUT_FN_ARGUMENTS)
    values = (mode, params, config, _context(replicas))
    offered = dict(zip(INPUT_FN_ARGUMENTS, values, strict=True))
    call = functools.partial(callables.call, input_fn, offered)
    given = live_input.value_of(call)
    if inspect.isgenerator(given):
        raise ArgumentError(
            "input_fn: expected a Dataset, got a generator. Return "
            "tf.data.Dataset.from_generator(function, output_signature=...) of the function."
        )
    if isinstance(given, tf.data.Dataset):
        has_context = (
            "input_context" in arguments.names or arguments.bound.get("input_context") is not None
        )
        shares = replicas.worker_count > 1 and not has_context
        return share(given, replicas.worker, replicas.worker_count) if shares else given
    changing = live_input.changing_batches(call, given, config.tf_random_seed)
    if changing is not None:
        split(changing.element_spec)
        return changing
    if mode == ModeKeys.PREDICT:
        logger.warning(
            "input_fn returned one batch and no dataset: predictions of it repeat without end. "
            "Return tf.data.Dataset.from_tensors(...) to get them once."
        )
    # tf.data would make one tensor of a list: [features, labels] is as good as a tuple.
    batch = tuple(given) if isinstance(given, list) else given
    split(batch)
    return tf.data.Dataset.from_tensors(batch).repeat()


def _context(replicas: Replicas) -> Any:
    return tf.distribute.InputContext(
        num_input_pipelines=replicas.worker_count,
        input_pipeline_id=replicas.worker,
        num_replicas_in_sync=replicas.worker_count * replicas.local_count,
    )


def split(element: Any) -> tuple[Any, Any]:
    """Features and labels (None if there are none) of one element.

    Raises:
        ArgumentError: it is a tuple of another length than 2.
    """
    if not isinstance(element, tuple):
        return element, None
    if len(element) != 2:
        raise ArgumentError(
            "input_fn: expected features, or (features, labels), got a tuple of length "
            f"{len(element)}. Put several features into one dict by name, and weights with them."
        )
    return element[0], element[1]
