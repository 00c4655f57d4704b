"""What is trained, evaluated and predicted with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rnn_core import ArchitectureError, LabelError
from rnn_core.estimators.arguments import network_spec
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.heads import BinaryClassHead, Head, MultiClassHead, MultiLabelHead, RegressionHead
from rnn_core.models.recurrent_model import RecurrentModel
from rnn_core.optimizers.optimizers import optimizer_spec
from rnn_core.storage import checkpoints
from tests.rnn_core.samples import CLASSES, Data, context_columns, sequence_columns


def model(optimizer: Any, head: Head | None = None) -> RecurrentModel:
    columns = sequence_columns(), context_columns()
    head = head or MultiClassHead(CLASSES)
    spec = network_spec(*columns, [3], "gru", None, head.logits_dimension, "sequence_mask")
    chosen = None if optimizer is None else optimizer_spec(optimizer)
    return RecurrentModel(spec, head, 7, chosen)


def test_only_a_model_with_an_optimizer_has_slots() -> None:
    slots = set(model("SGD").variables) - set(model(None).variables)
    assert slots == {"training/SGD/decay", "training/SGD/learning_rate", "training/SGD/momentum"}


@pytest.mark.parametrize(
    ("head", "labels"),
    [
        (MultiClassHead(CLASSES), lambda ids: ids),
        (BinaryClassHead(), lambda ids: ids % 2),
        (MultiLabelHead(CLASSES), lambda ids: tf.one_hot(ids, CLASSES)),
        (RegressionHead(2), lambda ids: tf.cast(tf.stack([ids, -ids], 1), tf.float32)),
    ],
)
def test_a_step_lowers_the_loss_of_its_batch_and_counts(
    data: Data, head: Head, labels: Any
) -> None:
    trained, step = model("SGD", head), tf.Variable(0, dtype=tf.int64)
    batch = data.features(), labels(tf.constant(data.labels))
    first, second = (trained.train_step(*batch, step) for _ in range(2))
    assert second < first
    assert step.numpy() == 2


@pytest.mark.parametrize("name", [None, "head"])
def test_a_step_leaves_its_loss_and_lengths_for_a_summary(data: Data, name: str | None) -> None:
    trained, step = model("SGD", MultiClassHead(CLASSES, name=name)), tf.Variable(0, tf.int64)
    trained.keep_summaries()
    trained.train_step(data.features(), tf.constant(data.labels), step)
    *losses, lengths = trained.summary(0.5).value
    tags = ["loss", "loss/head"] if name else ["loss"]
    assert [(one.tag, one.simple_value) for one in losses] == [(tag, 0.5) for tag in tags]
    assert lengths.tag == "rnn_model/sequence_input_layer/sequence_length"
    assert (lengths.histo.num, lengths.histo.sum) == (len(data.lengths), data.lengths.sum())


def test_a_batch_that_weighs_nothing_is_measured_but_stops_a_training(data: Data) -> None:
    weighed, step = model("SGD", MultiClassHead(CLASSES, "w")), tf.Variable(0, dtype=tf.int64)
    batch = {**data.features(), "w": tf.zeros_like(data.labels)}, tf.constant(data.labels)
    sums = {name: value.numpy() for name, value in weighed.evaluate(*batch).items()}
    assert weighed.metrics(sums) == {"accuracy": 0, "average_loss": 0, "loss": 0}
    before = weighed.variables["rnn_model/logits/kernel"].numpy()
    run = tf.function(lambda: weighed.train_step(*batch, step), autograph=False)
    with pytest.raises(LabelError, match="Weights: expected at least one"), named_errors():
        run()
    assert step.numpy() == 0
    assert weighed.variables["rnn_model/logits/kernel"].numpy().tolist() == before.tolist()


def test_a_model_without_an_optimizer_is_not_trained(data: Data) -> None:
    with pytest.raises(RuntimeError, match="without an optimizer"):
        model(None).train_step(data.features(), data.labels, tf.Variable(0, dtype=tf.int64))


def saved_without(trained: RecurrentModel, directory: Path, part: str) -> str:
    """A checkpoint of ``trained`` without the variables with ``part`` in their names."""
    kept = {name: value for name, value in trained.variables.items() if part not in name}
    prefix = str(directory / "model.ckpt-0")
    checkpoints.write({"global_step": tf.constant(0, tf.int64), **kept}, prefix)
    return prefix


def test_slots_of_a_variable_that_never_was_trained_start_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = model("Adagrad")
    slot = "embedding_weights/accumulator"
    trained.restore(saved_without(trained, tmp_path, slot))
    assert slot in caplog.text


@pytest.mark.parametrize("part", ["accumulator", "logits/kernel"])
def test_a_checkpoint_without_any_slots_or_without_a_weight_is_refused(
    tmp_path: Path, part: str
) -> None:
    trained = model("Adagrad")
    with pytest.raises(ArchitectureError, match=part):
        trained.restore(saved_without(trained, tmp_path, part))
