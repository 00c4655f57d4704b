"""An estimator with a model function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import Estimator, EstimatorSpec, ModeKeys, ModelFnError
from rnn_core.storage.summaries import read_events
from tests.parity.measurement import event_tags
from tests.rnn_core.samples import CLASSES, WIDTH, Data, make_estimator, weights_of

FEATURES = np.random.default_rng(3).normal(size=(40, 2)).astype(np.float32)
LABELS = FEATURES @ np.array([[2.0], [-1.0]], np.float32)
CONFIG = rnn_core.RunConfig(tf_random_seed=5, save_checkpoints_steps=20)


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((FEATURES, LABELS)).repeat().batch(7)


def once() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((FEATURES, LABELS)).batch(16)


def line_with_v1_parts(features: Any, labels: Any, mode: str, params: Any) -> EstimatorSpec:
    weights = tf.compat.v1.get_variable("line/weights", [2, 1])
    predictions = {"value": features @ weights}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean((predictions["value"] - labels) ** 2)
    error = tf.compat.v1.metrics.mean_absolute_error(labels, predictions["value"])
    optimizer = tf.compat.v1.train.AdagradOptimizer(params["rate"])
    train_op = None
    if mode == ModeKeys.TRAIN:
        train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops={"error": error})


def line_with_keras_parts(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    hidden, output = keras.layers.Dense(4), keras.layers.Dense(1)
    predicted = output(hidden(features))
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predicted)
    loss = tf.reduce_mean((predicted - labels) ** 2)
    if mode == ModeKeys.EVAL:
        error = keras.metrics.MeanAbsoluteError()
        error.update_state(labels, predicted)
        return EstimatorSpec(mode, loss=loss, eval_metric_ops={"error": error})
    variables = [*hidden.trainable_variables, *output.trainable_variables]
    gradients = tf.gradients(loss, [variable.value for variable in variables])
    keras.optimizers.Adam(0.05).apply(gradients, variables)
    return EstimatorSpec(
        mode, loss=loss, train_op=tf.compat.v1.train.get_global_step().assign_add(1)
    )


@pytest.mark.slow
@pytest.mark.parametrize("model_fn", [line_with_v1_parts, line_with_keras_parts])
def test_a_model_function_is_trained_evaluated_and_predicted_with(
    model_fn: Any, tmp_path: Path
) -> None:
    params = {"rate": 0.5} if model_fn is line_with_v1_parts else None
    estimator = Estimator(model_fn, tmp_path, CONFIG, params)
    estimator.train(input_fn, steps=150)
    metrics = estimator.evaluate(once)
    predicted = np.array(
        [next(iter(p.values())) if isinstance(p, dict) else p for p in estimator.predict(once)]
    )
    assert metrics["global_step"] == 150
    assert metrics["error"] == pytest.approx(np.abs(predicted - LABELS).mean(), rel=1e-4)
    assert metrics["error"] < 0.2
    assert estimator.evaluate(once) == metrics


@pytest.mark.slow
def test_a_second_training_goes_on_with_the_variables_of_the_first(tmp_path: Path) -> None:
    def trained(directory: Path, *steps: int) -> dict[str, Any]:
        for count in steps:
            estimator = Estimator(line_with_v1_parts, directory, CONFIG, {"rate": 0.5})
            estimator.train(lambda: once().take(1).repeat(), steps=count)
        return weights_of(estimator)

    one, two = trained(tmp_path / "one", 6), trained(tmp_path / "two", 3, 3)
    assert set(one) == {"global_step", "line/weights", "line/weights/Adagrad"}
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_the_model_function_of_a_classifier_may_be_extended(data: Data, tmp_path: Path) -> None:
    classifier = make_estimator(tmp_path)
    classifier.train(data.train_input, steps=2)

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
        spec = classifier.model_fn(features, labels, mode, config)
        if mode != ModeKeys.EVAL:
            return spec
        steps = keras.metrics.Mean()
        steps.update_state(features["numbers"].row_lengths())
        return EstimatorSpec(
            mode, loss=spec.loss, eval_metric_ops={**(spec.eval_metric_ops or {}), "steps": steps}
        )

    extended = Estimator(model_fn, tmp_path, classifier.config)
    metrics = extended.evaluate(data.eval_input)
    assert metrics.pop("steps") == pytest.approx(data.lengths.mean())
    expected = classifier.evaluate(data.eval_input)
    assert metrics == pytest.approx(expected)
    extended.train(data.train_input, steps=2)
    assert set(extended.get_variable_names()) == set(classifier.get_variable_names())
    assert extended.get_variable_value("global_step") == 4


def test_a_train_op_that_forgets_the_global_step_is_named(tmp_path: Path) -> None:
    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        return EstimatorSpec(mode, loss=tf.reduce_mean(labels), train_op=tf.no_op())

    with pytest.raises(ModelFnError, match="must add 1"):
        Estimator(model_fn, tmp_path, CONFIG).train(input_fn, steps=2)


def test_a_checkpoint_of_another_model_function_is_refused(tmp_path: Path) -> None:
    Estimator(line_with_v1_parts, tmp_path, CONFIG, {"rate": 0.5}).train(input_fn, steps=1)
    with pytest.raises(rnn_core.ArchitectureError, match="dense/kernel"):
        Estimator(line_with_keras_parts, tmp_path, CONFIG).evaluate(once)


def test_hooks_of_the_spec_are_called_in_their_mode(tmp_path: Path) -> None:
    seen: list[str] = []

    class Seen(rnn_core.Hook):
        every_steps = 1

        def __init__(self, name: str) -> None:
            self.name = name

        def after_steps(self, context: rnn_core.HookContext) -> None:
            seen.append(self.name)

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        step = tf.compat.v1.train.get_global_step()
        return EstimatorSpec(
            mode,
            predictions=features,
            loss=tf.constant(1.0),
            train_op=step.assign_add(1) if mode == ModeKeys.TRAIN else None,
            training_chief_hooks=[Seen("chief")],
            training_hooks=[Seen("training")],
            evaluation_hooks=[Seen("evaluation")],
            prediction_hooks=[Seen("prediction")],
        )

    estimator = Estimator(model_fn, tmp_path)
    estimator.train(input_fn, steps=1)
    assert seen == ["chief", "training"]
    estimator.evaluate(once, steps=1)
    next(estimator.predict(once))
    assert seen[2:] == ["evaluation", "prediction"]


def test_summaries_of_a_model_function_are_written_at_summary_steps(tmp_path: Path) -> None:
    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        step = tf.compat.v1.train.get_global_step()
        with tf.name_scope("mine"):
            tf.compat.v1.summary.scalar("step", step)
        spec = line_with_v1_parts(features, labels, mode, {"rate": 0.1})
        assert spec.loss is not None
        tf.compat.v1.summary.scalar("loss", spec.loss + 100)
        return spec

    config = CONFIG.replace(save_summary_steps=2, log_step_count_steps=None)
    Estimator(model_fn, str(tmp_path), config).train(input_fn, steps=5)
    written = read_events(str(tmp_path))
    assert list(written) == [1, 2, 4]
    assert all(sorted(values) == ["loss", "mine/step"] for values in written.values())
    assert written[1]["loss"] > 100


@pytest.mark.slow
def test_a_wrapped_classifier_writes_the_summaries_of_its_own(data: Data, tmp_path: Path) -> None:
    head = rnn_core.MultiClassHead(CLASSES, name="head")
    columns = [tf.feature_column.sequence_numeric_column("numbers", shape=(WIDTH,))]
    inner = rnn_core.RNNEstimator(head, columns, units=[2])
    config = rnn_core.RunConfig(save_summary_steps=2, log_step_count_steps=None)
    Estimator(inner.model_fn, str(tmp_path), config).train(data.train_input, steps=2)
    lengths = "rnn_model/sequence_input_layer/sequence_length"
    tags = ["loss", "loss/head", lengths]
    assert event_tags(tf, tmp_path) == {"1": tags, "2": tags}
