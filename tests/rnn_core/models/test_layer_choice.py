"""Native layers where they may run, stock operations in what is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rnn_core
from rnn_core.models import layer_choice
from rnn_core.models.cells import KINDS, CellWeights
from tests.rnn_core.samples import WIDTH, Data, make_estimator


def operation_types() -> set[str]:
    """Of a graph with an LSTM and its gradients."""
    weights = CellWeights(*(tf.Variable(tf.zeros(shape)) for shape in ([2, 12], [3, 12], [12])))

    @tf.function(autograph=False)
    def gradients() -> Any:
        values, mask = tf.zeros([4, 5, 2]), tf.ones([4, 5], tf.bool)
        with tf.GradientTape() as tape:
            output = layer_choice.run_layers([(KINDS["lstm"], weights)], values, mask, "last")
        return tape.gradient(output, [weights.kernel])

    graph = gradients.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return {node.op for node in nodes}


NATIVE = {"RnnCoreLayer", "RnnCoreLayerGradient"}


def test_layers_are_native_where_the_library_is(native: Any) -> None:
    assert operation_types() >= NATIVE


def test_layers_are_stock_while_something_is_exported(native: Any) -> None:
    with layer_choice.stock_operations():
        assert not operation_types() & NATIVE
    assert operation_types() >= NATIVE


def test_layers_are_stock_where_they_are_switched_off(
    native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNN_CORE_KERNELS", "off")
    assert not operation_types() & NATIVE


def test_layers_are_stock_where_there_is_a_gpu(
    native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    assert not operation_types() & NATIVE


@pytest.mark.slow
def test_exports_of_a_native_training_hold_stock_operations_only(
    native: Any, data: Data, tmp_path: Path
) -> None:
    estimator = make_estimator(tmp_path / "model", cell_type="lstm", units=[3, 2])
    estimator.train(data.train_input, steps=2)
    example = {name: value[:2] for name, value in data.features().items()}
    receiver_fns = {
        rnn_core.ModeKeys.TRAIN: _supervised(example),
        rnn_core.ModeKeys.EVAL: _supervised(example),
    }
    estimator.experimental_export_all_saved_models(str(tmp_path / "saved"), receiver_fns)
    predictor = rnn_core.load_predictor(estimator)
    predictor.serve = tf.function(predictor.__call__, autograph=False)
    predictor.serve.get_concrete_function(example)
    tf.saved_model.save(predictor, str(tmp_path / "saved" / "predictor"))
    graphs = sorted(tmp_path.glob("saved/*/saved_model.pb"))
    assert len(graphs) == 2
    assert not any(b"RnnCoreLayer" in graph.read_bytes() for graph in graphs)


@pytest.mark.slow
def test_exports_of_a_model_function_hold_stock_operations_only(
    native: Any, data: Data, tmp_path: Path
) -> None:
    numbers = [tf.feature_column.sequence_numeric_column("numbers", shape=(WIDTH,))]
    classifier = make_estimator(
        tmp_path / "model", sequence_feature_columns=numbers, context_feature_columns=None
    )
    estimator = rnn_core.Estimator(classifier.model_fn, str(tmp_path / "model"))
    estimator.train(data.train_input, steps=2)
    example = {name: value[:2] for name, value in data.features().items()}
    receiver_fns = {rnn_core.ModeKeys.EVAL: _supervised(example)}
    saved = estimator.experimental_export_all_saved_models(str(tmp_path / "saved"), receiver_fns)
    assert b"RnnCoreLayer" not in (Path(saved) / "saved_model.pb").read_bytes()


def _supervised(example: Any) -> Any:
    features = {
        name: value.to_sparse() if isinstance(value, tf.RaggedTensor) else value
        for name, value in example.items()
    }
    return rnn_core.build_raw_supervised_input_receiver_fn(features, tf.constant([0, 1]))
