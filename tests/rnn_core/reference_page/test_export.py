"""``export_saved_model``, ``export_savedmodel`` and ``experimental_export_all_saved_models``."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import rnn_core
from rnn_core import Estimator, EstimatorSpec, ModeKeys, RNNClassifier
from rnn_core.export import ServingInputReceiver
from tests.rnn_core.export.samples import (
    parsing_receiver,
    raw_receiver,
    supervised_receiver,
    untrained,
)

pytestmark = pytest.mark.slow

PREDICT_ONLY = {ModeKeys.PREDICT: raw_receiver}


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> RNNClassifier:
    return untrained(tmp_path_factory.mktemp("export") / "model")


def graphs_of(directory: str) -> list[Any]:
    return list(
        SavedModel.FromString((Path(directory) / "saved_model.pb").read_bytes()).meta_graphs
    )


def test_arguments_have_the_order_and_the_defaults_of_the_page() -> None:
    def arguments(method: Any) -> dict[str, Any]:
        parameters = inspect.signature(method).parameters
        return {name: one.default for name, one in parameters.items() if name != "self"}

    common = {"assets_extra": None, "as_text": False, "checkpoint_path": None}
    empty = inspect.Parameter.empty
    one = {"export_dir_base": empty, "serving_input_receiver_fn": empty, **common}
    modes = {"export_dir_base": empty, "input_receiver_fn_map": empty, **common}
    found = [
        list(arguments(method).items())
        for method in (
            Estimator.export_saved_model,
            Estimator.export_savedmodel,
            Estimator.experimental_export_all_saved_models,
        )
    ]
    assert found == [
        list({**one, "experimental_mode": ModeKeys.PREDICT}.items()),
        list({**one, "strip_default_attrs": False}.items()),
        list(modes.items()),
    ]


def test_the_result_is_the_path_of_a_timestamped_directory(
    estimator: RNNClassifier, tmp_path: Path
) -> None:
    before = int(time.time())
    path = estimator.export_saved_model(str(tmp_path), raw_receiver)
    assert isinstance(path, str)
    assert Path(path).parent == tmp_path
    assert before <= int(Path(path).name) <= time.time()


def test_one_graph_has_a_signature_for_each_export_output_and_a_default(
    estimator: RNNClassifier, tmp_path: Path
) -> None:
    (graph,) = graphs_of(estimator.export_saved_model(tmp_path, parsing_receiver))
    assert set(graph.signature_def) == {"serving_default", "classification", "predict"}
    default = graph.signature_def["serving_default"]
    assert default == graph.signature_def["classification"]
    assert [one.dtype for one in default.inputs.values()] == [tf.string.as_datatype_enum]


def test_the_checkpoint_that_is_named_is_exported_else_the_newest(
    trained: RNNClassifier, tmp_path: Path
) -> None:
    older = str(Path(trained.model_dir) / "model.ckpt-4")
    steps = [
        int(
            tf.train.load_checkpoint(
                str(Path(trained.export_saved_model(tmp_path, raw_receiver, checkpoint_path=path)))
                + "/variables/variables"
            ).get_tensor("global_step")
        )
        for path in (older, None)
    ]
    assert steps == [4, 10]


def test_extra_assets_get_the_names_that_they_are_given(
    estimator: RNNClassifier, tmp_path: Path
) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("notes")
    names = {"notes.txt": str(source), "more/renamed.txt": str(source)}
    path = Path(estimator.export_saved_model(tmp_path / "base", raw_receiver, assets_extra=names))
    assert all((path / "assets.extra" / name).read_text() == "notes" for name in names)


def test_an_export_may_be_text(estimator: RNNClassifier, tmp_path: Path) -> None:
    path = Path(estimator.export_saved_model(tmp_path, raw_receiver, as_text=True))
    assert (path / "saved_model.pbtxt").read_text().startswith("saved_model_schema_version: 1")


def test_another_mode_may_be_exported_alone(estimator: RNNClassifier, tmp_path: Path) -> None:
    (graph,) = graphs_of(
        estimator.export_saved_model(tmp_path, supervised_receiver, experimental_mode=ModeKeys.EVAL)
    )
    assert list(graph.meta_info_def.tags) == ["eval"]


def test_the_old_name_is_deprecated_and_does_the_same(
    estimator: RNNClassifier, tmp_path: Path
) -> None:
    with pytest.warns(DeprecationWarning, match="export_saved_model"):
        (old,) = graphs_of(estimator.export_savedmodel(tmp_path, raw_receiver))
    (new,) = graphs_of(estimator.export_saved_model(tmp_path, raw_receiver))
    assert set(old.signature_def) == set(new.signature_def)


def test_up_to_three_graphs_share_the_variables_of_training(
    estimator: RNNClassifier, tmp_path: Path
) -> None:
    path = estimator.experimental_export_all_saved_models(
        tmp_path,
        {
            ModeKeys.TRAIN: supervised_receiver,
            ModeKeys.EVAL: supervised_receiver,
            ModeKeys.PREDICT: raw_receiver,
        },
    )
    assert sorted(tag for graph in graphs_of(path) for tag in graph.meta_info_def.tags) == [
        "eval",
        "serve",
        "train",
    ]
    saved = tf.train.load_checkpoint(f"{path}/variables/variables").get_variable_to_shape_map()
    assert set(saved) == set(estimator.get_variable_names())


def test_loss_metrics_and_predictions_of_training_and_evaluation_have_a_signature(
    estimator: RNNClassifier, tmp_path: Path
) -> None:
    fns = {ModeKeys.TRAIN: supervised_receiver, ModeKeys.EVAL: supervised_receiver}
    graphs = graphs_of(estimator.experimental_export_all_saved_models(tmp_path, fns))
    for graph in graphs:
        (mode,) = graph.meta_info_def.tags
        outputs = set(graph.signature_def[mode].outputs)
        assert {"loss", "predictions/probabilities"} <= outputs
    train, evaluation = graphs
    assert "saved_model_train_op" in train.collection_def
    outputs = set(evaluation.signature_def["eval"].outputs)
    assert {"metrics/accuracy/value", "metrics/accuracy/update_op"} <= outputs


@pytest.mark.parametrize("receiver_fn", [None, {ModeKeys.PREDICT: None}])
def test_without_a_receiver_function_it_is_a_value_error(
    estimator: RNNClassifier, tmp_path: Path, receiver_fn: Any
) -> None:
    export = (
        estimator.export_saved_model
        if receiver_fn is None
        else estimator.experimental_export_all_saved_models
    )
    with pytest.raises(ValueError, match="receiver"):
        export(tmp_path / "base", receiver_fn)
    assert not (tmp_path / "base").exists()


def test_without_a_checkpoint_it_is_a_value_error(tmp_path: Path) -> None:
    estimator = Estimator(line, tmp_path / "model")
    with pytest.raises(ValueError, match="No checkpoint"):
        estimator.export_saved_model(tmp_path, receiver_of_a_line)


# A model function of one's own.


def line(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    weight = tf.Variable(3.0, name="weight")
    predictions = {"value": features * weight}
    step = tf.compat.v1.train.get_global_step()
    loss = None if labels is None else tf.reduce_sum((predictions["value"] - labels) ** 2)
    train_op = tf.group(weight.assign_add(1.0), step.assign_add(1))
    return EstimatorSpec(mode, predictions, loss, train_op)


def receiver_of_a_line() -> ServingInputReceiver:
    given = tf.compat.v1.placeholder(tf.float32, [None])
    return rnn_core.export.TensorServingInputReceiver(given, {"x": given})


def test_a_model_function_is_called_to_build_the_graph(tmp_path: Path) -> None:
    estimator = Estimator(line, tmp_path / "model")
    batch = tf.data.Dataset.from_tensors((tf.constant([1.0]), tf.constant([0.0])))
    estimator.train(lambda: batch.repeat(), steps=2)
    path = estimator.export_saved_model(tmp_path, receiver_of_a_line)
    served = tf.saved_model.load(path).signatures["serving_default"]
    assert np.allclose(served(tf.constant([1.0, 2.0]))["value"], [5, 10])
