"""Networks with every extension, and the batches that they read."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from rnn_core import NetworkConfig
from rnn_core.estimators.arguments import network_spec
from rnn_core.heads import MultiClassHead
from rnn_core.models.network import Network
from rnn_core.models.recurrent_model import RecurrentModel
from rnn_core.optimizers.optimizers import optimizer_spec
from tests.rnn_core.samples import CLASSES, context_columns, sequence_columns

ROW_LENGTHS = (5, 1, 3, 2)
F, C = 3, 2

NUMBERS = tf.feature_column.sequence_numeric_column("x", shape=(F,))
CONTEXT = tf.feature_column.numeric_column("c", shape=(C,))


def network(
    config: NetworkConfig | None = None,
    units: Any = (4,),
    cell_type: Any = "gru",
    context: bool = True,
    sequences: bool = False,
    **more: Any,
) -> Network:
    """Of 3 numbers a step and 2 beside, with 3 logits; its weights are none of them zero."""
    spec = network_spec(
        [NUMBERS],
        [CONTEXT] if context else None,
        units,
        cell_type,
        more.pop("rnn_cell_fn", None),
        CLASSES,
        "mask",
        sequences,
        config,
    )
    made = Network(spec, 7)
    randomize(made.variables)
    return made


def randomize(variables: dict[str, tf.Variable]) -> None:
    """Gives each float variable values of its own, so that no bias is zero."""
    for index, name in enumerate(sorted(variables)):
        random = np.random.default_rng(index)
        shape = variables[name].shape
        variables[name].assign(random.normal(size=shape) * 0.5)


def batch(lengths: Any = ROW_LENGTHS, extra: int = 0, seed: int = 1) -> dict[str, Any]:
    """Rows of these lengths, with noise in the padding and ``extra`` steps of it at the end."""
    random = np.random.default_rng(seed)
    time = max(lengths)
    values = random.normal(size=(len(lengths), time, F))
    context = random.normal(size=(len(lengths), C))
    noise = np.full((len(lengths), extra, F), 7.0)
    mask = np.arange(time + extra) < np.array(lengths)[:, np.newaxis]
    return {
        "x": tf.constant(np.concatenate([values, noise], 1), tf.float32),
        "c": tf.constant(context, tf.float32),
        "mask": tf.constant(mask),
    }


def model(config: NetworkConfig, **settings: Any) -> RecurrentModel:
    """A model of ``Data`` that can be trained."""
    spec = network_spec(
        # Without embeddings, of which gradient sums hold which rows a batch has read.
        sequence_columns()[:1],
        context_columns(),
        settings.pop("units", [3]),
        settings.pop("cell_type", "gru"),
        settings.pop("rnn_cell_fn", None),
        CLASSES,
        "sequence_mask",
        False,
        config,
    )
    return RecurrentModel(spec, MultiClassHead(CLASSES), 7, optimizer_spec("SGD"))
