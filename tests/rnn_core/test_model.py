"""What is trained, evaluated and predicted with."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core.arguments import network_spec
from rnn_core.heads import MultiClassHead
from rnn_core.model import RecurrentModel
from rnn_core.optimizers import optimizer_spec
from tests.rnn_core.samples import CLASSES, Data, context_columns, sequence_columns


def model(optimizer: str | None) -> RecurrentModel:
    columns = sequence_columns(), context_columns()
    spec = network_spec(*columns, [3], "gru", None, CLASSES, "sequence_mask")
    chosen = None if optimizer is None else optimizer_spec(optimizer)
    return RecurrentModel(spec, MultiClassHead(CLASSES), 7, chosen)


def test_only_a_model_with_an_optimizer_has_slots() -> None:
    slots = set(model("SGD").variables) - set(model(None).variables)
    assert slots == {"training/SGD/decay", "training/SGD/learning_rate", "training/SGD/momentum"}


def test_a_step_lowers_the_loss_of_its_batch_and_counts(data: Data) -> None:
    trained, step = model("SGD"), tf.Variable(0, dtype=tf.int64)
    features, labels = data.features(), tf.constant(data.labels)
    first, second = (trained.train_step(features, labels, step) for _ in range(2))
    assert second < first
    assert step.numpy() == 2


def test_a_model_without_an_optimizer_is_not_trained(data: Data) -> None:
    with pytest.raises(RuntimeError, match="without an optimizer"):
        model(None).train_step(data.features(), data.labels, tf.Variable(0, dtype=tf.int64))
