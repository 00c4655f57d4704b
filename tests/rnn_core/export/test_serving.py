"""What an export answers, in a process that has TensorFlow alone."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import export
from tests.rnn_core.export import samples
from tests.rnn_core.export.samples import read
from tests.rnn_core.samples import Data

pytestmark = pytest.mark.slow

MODES = rnn_core.ModeKeys


@pytest.fixture(scope="module")
def exported(
    trained: rnn_core.RNNClassifier, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Directories by the kind of receiver."""
    base = tmp_path_factory.mktemp("exports")
    receivers = {
        "parsing": samples.parsing_receiver,
        "raw": samples.raw_receiver,
        "alternative": samples.alternative_receiver,
        "sequences": samples.sequence_example_receiver,
    }
    return {
        name: trained.export_saved_model(base, receiver) for name, receiver in receivers.items()
    }


@pytest.mark.slow
def test_tensorflow_alone_serves_every_signature_as_predict_does(
    exported: dict[str, str], trained: rnn_core.RNNClassifier, data: Data, tmp_path: Path
) -> None:
    rows, sparse = samples.examples(data), samples.sparse_inputs(data)
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("parsing", "serving_default", {"inputs": rows}),
        ("parsing", "classification", {"inputs": rows}),
        ("parsing", "predict", {"examples": rows}),
        ("raw", "predict", sparse),
        ("alternative", "predict", {"input": rows}),
        ("alternative", "raw:predict", samples.sparse_inputs(data, sparse_category=True)),
        ("sequences", "predict", {"sequences": samples.sequence_examples(data)}),
    ]
    answers = serve(
        [(exported[kind], "serve", name, inputs) for kind, name, inputs in requests], tmp_path
    )
    expected = batch(trained.predict(data.eval_input))
    for (_, name, _), answer in zip(requests, answers, strict=True):
        if name.endswith("predict"):
            assert answer.keys() == expected.keys()
            for key, value in answer.items():
                assert_same(value, expected[key])
        else:
            assert_same(answer["scores"], expected["probabilities"])
            assert_same(answer["classes"], expected["all_classes"])


def serve(requests: list[Any], directory: Path) -> list[dict[str, Any]]:
    (directory / "requests").write_bytes(pickle.dumps(requests))
    script = Path(samples.__file__).with_name("load_and_serve.py")
    arguments = [str(script), str(directory / "requests"), str(directory / "answers")]
    done = subprocess.run(
        [sys.executable, "-I", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = pickle.loads((directory / "answers").read_bytes())
    return answers


def batch(predictions: Any) -> dict[str, Any]:
    examples = list(predictions)
    return {name: np.array([example[name] for example in examples]) for name in examples[0]}


def assert_same(value: Any, expected: Any) -> None:
    if value.dtype.kind == "f":
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    else:
        assert np.array_equal(value, expected)


@pytest.mark.slow
def test_the_loss_of_an_exported_evaluation_is_that_of_evaluate(
    data: Data, tmp_path: Path, estimator: rnn_core.RNNClassifier
) -> None:
    path = estimator.export_saved_model(
        tmp_path, samples.supervised_receiver, experimental_mode=MODES.EVAL
    )
    inputs = {**samples.sparse_inputs(data), "label": data.labels[:, np.newaxis]}
    serve_eval = tf.saved_model.load(path, tags=["eval"]).signatures["eval"]
    answer = serve_eval(**{name: tf.constant(value) for name, value in inputs.items()})
    metrics = estimator.evaluate(lambda: data.dataset().batch(len(data.labels)))
    assert float(answer["loss"]) == pytest.approx(metrics["loss"], rel=1e-5)


def test_the_graph_for_training_holds_the_step_that_train_takes(data: Data, tmp_path: Path) -> None:
    estimator = samples.untrained(tmp_path / "model")
    path = estimator.export_saved_model(
        tmp_path, samples.supervised_receiver, experimental_mode=MODES.TRAIN
    )
    (graph,) = read(path).meta_graphs
    (train_op,) = graph.collection_def["saved_model_train_op"].node_list.value
    loaded = tf.saved_model.load(path, tags=["train"])
    inputs = {**samples.sparse_inputs(data), "label": data.labels[:, np.newaxis]}
    loss = graph.signature_def["train"].outputs["loss"].name
    feeds = places(graph.signature_def["train"])
    step = loaded.prune([feeds[name] for name in inputs], [loss, train_op])
    step(*(tf.constant(value) for value in inputs.values()))
    estimator.train(lambda: data.dataset().batch(len(data.labels)), steps=1)
    stepped = {variable.name.removesuffix(":0"): variable for variable in loaded.variables}
    assert sorted(stepped) == estimator.get_variable_names()
    for name, variable in stepped.items():
        assert_same(variable.numpy(), estimator.get_variable_value(name))


def places(signature: Any) -> dict[str, str]:
    """Tensor names by the arguments of the loaded signature."""
    found = {}
    for name, info in signature.inputs.items():
        if info.WhichOneof("encoding") == "name":
            found[name] = info.name
        else:
            found[f"{name}_indices"] = info.coo_sparse.indices_tensor_name
            found[f"{name}_values"] = info.coo_sparse.values_tensor_name
            found[f"{name}_dense_shape"] = info.coo_sparse.dense_shape_tensor_name
    return found


def test_a_vocabulary_file_goes_with_the_export(tmp_path: Path) -> None:
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")
    words = tf.feature_column.sequence_categorical_column_with_vocabulary_file(
        "w", str(vocabulary), 2
    )
    columns = [tf.feature_column.indicator_column(words)]
    estimator = samples.untrained(
        tmp_path / "model", sequence_feature_columns=columns, context_feature_columns=None
    )
    receiver = export.build_raw_serving_input_receiver_fn(
        {"w": tf.RaggedTensorSpec([None, None], tf.string)}
    )
    path = estimator.export_saved_model(tmp_path / "exports", receiver)
    features = {"w": tf.ragged.constant([["a", "b"], ["b"]])}
    (expected,) = estimator.predict(
        lambda: tf.data.Dataset.from_tensors(features), yield_single_examples=False
    )
    vocabulary.unlink()
    predict = tf.saved_model.load(path).signatures["predict"]
    words_and_splits = {
        f"w_component_{index}": tensor
        for index, tensor in enumerate(tf.nest.flatten(features["w"], expand_composites=True))
    }
    assert (Path(path) / "assets" / "words.txt").read_text() == "a\nb\n"
    np.testing.assert_allclose(predict(**words_and_splits)["logits"], expected["logits"], rtol=1e-5)
