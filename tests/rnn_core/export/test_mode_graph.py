"""The graph of one mode, for the model of a recurrent estimator and of a model function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import export
from rnn_core.export import mode_graph
from tests.rnn_core.export import samples
from tests.rnn_core.samples import Data

MODES = rnn_core.ModeKeys
v1 = tf.compat.v1
X = np.arange(12, dtype=np.float32).reshape(6, 2) / 10
LABELS = np.array([0, 1, 2, 2, 1, 0])
WORDS = np.array(["a", "b", "?", "b", "a", "b"])
WEIGHTS = np.array([1, 2, 0.5, 1, 3, 0], np.float32)


def model_fn(features: Any, labels: Any, mode: str) -> rnn_core.EstimatorSpec:
    """A layer, a table, a metric and a step, as a user writes them for 2.15."""
    words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([1.0, 2.0]))
    shift = tf.lookup.StaticHashTable(words, 0.0).lookup(features["word"])[:, tf.newaxis]
    logits = keras.layers.Dense(3, name="logits")(features["x"]) + shift * tf.constant([1.0, 0, 0])
    predictions = {"logits": logits}
    if mode == MODES.PREDICT:
        return rnn_core.EstimatorSpec(mode, predictions)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    if mode == MODES.EVAL:
        right = tf.compat.v1.metrics.accuracy(labels, tf.argmax(logits, 1))
        return rnn_core.EstimatorSpec(mode, predictions, loss, eval_metric_ops={"accuracy": right})
    weights = tf.compat.v1.trainable_variables()
    gradients = tf.gradients(loss, weights)
    updates = [w.assign_sub(0.1 * g) for w, g in zip(weights, gradients, strict=True)]
    with tf.control_dependencies(updates):
        step = tf.compat.v1.train.get_global_step().assign_add(1)
    return rnn_core.EstimatorSpec(mode, predictions, loss, step)


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> rnn_core.Estimator:
    made = rnn_core.Estimator(model_fn, str(tmp_path_factory.mktemp("model")))
    return made.train(lambda: dataset().repeat(), steps=1)


def dataset() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(({"x": X, "word": WORDS}, LABELS)).batch(6)


RECEIVER = export.build_raw_serving_input_receiver_fn({"x": X, "word": WORDS})
SUPERVISED = rnn_core.build_raw_supervised_input_receiver_fn({"x": X, "word": WORDS}, LABELS)


def load(estimator: rnn_core.Estimator, directory: Path, mode: str, receiver: Any) -> Any:
    path = estimator.export_saved_model(directory, receiver, experimental_mode=mode)
    return tf.saved_model.load(path)


def test_a_model_function_is_served_with_its_tables(
    estimator: rnn_core.Estimator, tmp_path: Path
) -> None:
    served = load(estimator, tmp_path, MODES.PREDICT, RECEIVER).signatures["serving_default"]
    expected = [row["logits"] for row in estimator.predict(dataset)]
    found = served(x=tf.constant(X), word=tf.constant(WORDS))["logits"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
def test_the_model_function_of_a_classifier_is_served_with_its_embeddings(
    data: Data, tmp_path: Path
) -> None:
    classifier = samples.untrained(tmp_path / "model")
    wrapped = rnn_core.Estimator(classifier.model_fn, classifier.model_dir)
    serialized = tf.constant(samples.examples(data))
    found, expected = (
        load(one, tmp_path / name, MODES.PREDICT, samples.parsing_receiver).signatures["predict"](
            serialized
        )["logits"]
        for name, one in (("wrapped", wrapped), ("classifier", classifier))
    )
    np.testing.assert_array_equal(found, expected)


def test_the_metrics_of_a_model_function_add_up(
    estimator: rnn_core.Estimator, tmp_path: Path
) -> None:
    evaluate = load(estimator, tmp_path, MODES.EVAL, SUPERVISED).signatures["eval"]
    batch = {"x": tf.constant(X), "word": tf.constant(WORDS), "label": tf.constant(LABELS)}
    wrong = {**batch, "label": (batch["label"] + 1) % 3}
    metrics = estimator.evaluate(dataset)
    first = evaluate(**batch)
    assert float(first["loss"]) == pytest.approx(metrics["loss"], rel=1e-5)
    assert float(first["metrics/accuracy/update_op"]) == pytest.approx(metrics["accuracy"])
    second = float(evaluate(**wrong)["metrics/accuracy/update_op"])
    right = np.argmax(first["predictions/logits"], 1)
    assert second == pytest.approx(np.mean([right == LABELS, right == (LABELS + 1) % 3]))


HEADS: dict[str, tuple[rnn_core.Head, np.ndarray]] = {
    "binary": (rnn_core.BinaryClassHead("w", [0.3], name="named"), LABELS[:, np.newaxis] % 2),
    "classes": (rnn_core.MultiClassHead(3, "w"), LABELS[:, np.newaxis]),
    "labels": (
        rnn_core.MultiLabelHead(3, "w", classes_for_class_based_metrics=[1]),
        np.eye(3, dtype=np.int64)[LABELS],
    ),
    "numbers": (rnn_core.RegressionHead(2, loss_reduction="sum"), X[::-1] * 2),
}


@pytest.fixture(scope="module", params=[*HEADS, "steps"])
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The export for evaluation of a head, its batches, and what ``evaluate`` says of them."""
    features: dict[str, Any] = {"x": tf.constant(X), "w": WEIGHTS}
    head: rnn_core.Head | rnn_core.SequentialHeadWrapper
    if request.param in HEADS:
        head, labels = HEADS[request.param]
    else:
        labels = LABELS[:, np.newaxis] + [[0, 1]]
        features["w"] = tf.stack([WEIGHTS, 2 * WEIGHTS], 1)
        steps = rnn_core.MultiClassHead(4, "w")
        head = rnn_core.SequentialHeadWrapper(steps, feature_columns="w")
    model_dir = str(tmp_path_factory.mktemp("model"))
    estimator = rnn_core.RNNEstimator(
        head,
        [tf.feature_column.sequence_numeric_column("x")],
        units=[2],
        return_sequences=request.param == "steps",
        model_dir=model_dir,
    )
    batches = tf.data.Dataset.from_tensor_slices((features, labels)).batch(4)
    estimator.train(lambda: batches, steps=1)
    receiver = rnn_core.build_raw_supervised_input_receiver_fn(features, labels)
    path = estimator.export_saved_model(f"{model_dir}/export", receiver, experimental_mode="eval")
    fed = [{**features, "label": labels} for features, labels in batches.as_numpy_iterator()]
    return path, fed, estimator.evaluate(lambda: batches)


@pytest.mark.slow
def test_the_metrics_of_a_head_add_up_to_those_of_evaluate(measured: Any) -> None:
    path, batches, metrics = measured
    evaluate = tf.saved_model.load(path).signatures["eval"]
    for batch in batches:
        outputs = evaluate(**{name: tf.constant(value) for name, value in batch.items()})
    assert metric_values(outputs) != near(metrics)
    outputs = evaluate(**{name: tf.constant(value) for name, value in batches[0].items()})
    assert metric_values(outputs) == near(metrics)


@pytest.mark.slow
def test_a_session_adds_batches_by_one_output_and_reads_metrics_without_a_batch(
    measured: Any,
) -> None:
    path, batches, metrics = measured
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.load(session, ["eval"], path).signature_def["eval"]
        outputs = {name: info.name for name, info in signature.outputs.items()}
        update = next(name for name in outputs if name.endswith("/update_op"))
        for batch in batches:
            fed = {signature.inputs[name].name: value for name, value in batch.items()}
            assert session.run(outputs[update], fed).shape == (0,)
        values = {name: one for name, one in outputs.items() if name.endswith("/value")}
        found = metric_values(session.run(values))
    assert found == near(metrics)


def near(metrics: dict[str, float]) -> Any:
    # Predictions of either sign nearly cancel in their mean: what is left has fewer digits.
    return pytest.approx(summed(metrics), rel=1e-6, abs=1e-7)


def metric_values(outputs: dict[str, Any]) -> dict[str, float]:
    named = {name.removeprefix("metrics/"): value for name, value in outputs.items()}
    return {
        name.removesuffix("/value"): float(value)
        for name, value in named.items()
        if name.endswith("/value")
    }


def summed(metrics: dict[str, float]) -> dict[str, float]:
    """The loss is not streamed: the graph has that of the batch."""
    return {k: v for k, v in metrics.items() if k not in ("loss", "global_step")}


@pytest.mark.slow
def test_the_graph_holds_no_values_of_variables(tmp_path: Path) -> None:
    estimator = samples.untrained(tmp_path / "model", units=[20])
    graph = mode_graph.build(estimator, MODES.PREDICT, samples.raw_receiver, True)
    nodes = graph.message.graph_def.node
    constants = [node.attr["value"].tensor.ByteSize() for node in nodes if node.op == "Const"]
    largest = max(variable.shape.num_elements() for variable in graph.variables.values())
    assert max(constants) < largest


def test_a_foreign_cell_is_exported_with_the_variables_of_its_checkpoint(tmp_path: Path) -> None:
    estimator = samples.untrained(tmp_path / "model", cell_type=keras.layers.GRUCell)
    graph = mode_graph.build(estimator, MODES.PREDICT, samples.parsing_receiver, True)
    assert sorted(graph.message.signature_def) == ["classification", "predict", "serving_default"]
    assert sorted(graph.variables) == [
        name for name in estimator.get_variable_names() if not name.startswith("training/")
    ]


def test_a_receiver_that_lacks_a_feature_is_named(tmp_path: Path) -> None:
    estimator = samples.untrained(tmp_path / "model")
    receiver = export.build_raw_serving_input_receiver_fn({"context": tf.ones([1, 2])})
    with pytest.raises(rnn_core.MissingFeatureError, match="numbers"):
        mode_graph.build(estimator, MODES.PREDICT, receiver, True)


def test_a_model_without_export_outputs_is_refused(tmp_path: Path) -> None:
    class Silent(rnn_core.MultiClassHead):
        def export_outputs(self, predictions: Any) -> dict[str, Any]:
            return {}

    estimator = rnn_core.RNNEstimator(
        Silent(3), [tf.feature_column.sequence_numeric_column("x")], units=[2], cell_type="gru"
    )
    receiver = export.build_raw_serving_input_receiver_fn(
        {"x": tf.RaggedTensorSpec([None, None], tf.float32)}
    )
    with pytest.raises(ValueError, match="no export_outputs"):
        mode_graph.build(estimator, MODES.PREDICT, receiver, True)
