"""Averages of the weights: trained beside them, and evaluated, predicted and exported in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArchitectureError, InMemoryEvaluatorHook, ModeKeys, RNNClassifier
from rnn_core.optimizers.optimizers import optimizer_spec
from rnn_core.storage.warm_start import warm_start, warm_start_settings
from tests.rnn_core.export.samples import examples, parsing_receiver, supervised_receiver
from tests.rnn_core.goldens.optimizer_cases import START, gradients
from tests.rnn_core.samples import Data, make_estimator, weights_of

KINDS = keras.optimizers
END = "/ExponentialMovingAverage"
STEPS = 4


class OwnCell(keras.layers.SimpleRNNCell):
    """Of a class that has no fast path."""


def averaging(**settings: Any) -> Any:
    return KINDS.Adam(0.1, use_ema=True, ema_momentum=0.7, **settings)


@pytest.mark.parametrize(
    "make",
    [
        averaging,
        lambda: averaging(weight_decay=0.1),
        lambda: averaging(gradient_accumulation_steps=2),
        lambda: KINDS.Lion(0.1, use_ema=True),
    ],
)
def test_weights_and_averages_are_those_of_keras(make: Any) -> None:
    theirs, expected, variable = make(), keras.Variable(START), tf.Variable(START)
    ours = optimizer_spec(make()).make({"a/v": variable})
    for step, gradient in enumerate(gradients(sparse=False)):
        theirs.apply([gradient], [expected])
        ours.apply([gradient], tf.constant(step, tf.int64))
        average = theirs._model_variables_moving_average[0]
        np.testing.assert_allclose(ours.variables[f"a/v{END}"], average, rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=5e-6)


def test_averages_begin_at_the_weights() -> None:
    """What is evaluated before the first step."""
    ours = optimizer_spec(averaging()).make({"a/v": tf.Variable(START)})
    np.testing.assert_array_equal(ours.variables[f"a/v{END}"], START)


def test_the_state_of_the_optimizer_has_the_names_that_it_has_without() -> None:
    variables = {"a/v": tf.Variable(START)}
    without = optimizer_spec(KINDS.Adam(0.1)).make(variables).variables
    found = optimizer_spec(averaging()).make(variables).variables
    assert found.keys() == {*without, f"a/v{END}"}


@pytest.fixture(scope="module")
def data() -> Data:
    return Data()


@pytest.fixture(scope="module")
def trained(data: Data, tmp_path_factory: pytest.TempPathFactory) -> RNNClassifier:
    """A model of a few steps, whose weights and averages differ."""
    directory = tmp_path_factory.mktemp("averaged")
    estimator = make_estimator(directory, optimizer=averaging)
    return estimator.train(data.train_input, max_steps=STEPS)


@pytest.fixture(scope="module")
def expected(data: Data, trained: RNNClassifier, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An estimator without averages whose weights are those averages."""
    directory = tmp_path_factory.mktemp("plain")
    values = weights_of(trained)
    renamed = {
        name: tf.constant(values.get(f"{name}{END}", value))
        for name, value in values.items()
        if not name.endswith(END)
    }
    tf.raw_ops.SaveV2(
        prefix=str(directory / f"model.ckpt-{STEPS}"),
        tensor_names=list(renamed),
        shape_and_slices=[""] * len(renamed),
        tensors=list(renamed.values()),
    )
    (directory / "checkpoint").write_text(f'model_checkpoint_path: "model.ckpt-{STEPS}"\n')
    return make_estimator(directory, optimizer=KINDS.Adam(0.1))


pytestmark = pytest.mark.slow


def test_own_cells_are_averaged_too(data: Data, tmp_path: Path) -> None:
    one = make_estimator(tmp_path, optimizer=averaging, units=[3, 2], cell_type=OwnCell)
    one.train(data.train_input, max_steps=STEPS)
    assert any("own_cell" in name and name.endswith(END) for name in one.get_variable_names())
    raw = make_estimator(tmp_path, optimizer="Adam", units=[3, 2], cell_type=OwnCell)
    assert one.evaluate(data.eval_input)["loss"] != raw.evaluate(data.eval_input)["loss"]


def probabilities(rows: Any) -> Any:
    return np.array([row["probabilities"] for row in rows])


def test_the_averages_are_evaluated_and_predicted(
    data: Data, trained: RNNClassifier, expected: RNNClassifier
) -> None:
    assert trained.evaluate(data.eval_input) == expected.evaluate(data.eval_input)
    found = probabilities(trained.predict(data.eval_input))
    np.testing.assert_array_equal(found, probabilities(expected.predict(data.eval_input)))


def test_weights_and_averages_are_in_the_checkpoint(trained: RNNClassifier) -> None:
    values = weights_of(trained)
    weights = {name.removesuffix(END) for name in values if name.endswith(END)}
    state = ("training/", "global_step")
    assert weights == {name for name in values if not name.startswith(state)} - {
        f"{name}{END}" for name in weights
    }
    for name in weights:
        assert values[name].tolist() != values[f"{name}{END}"].tolist()


def confidence(predictions: Any) -> dict[str, keras.metrics.Metric]:
    metric = keras.metrics.Mean(name="confidence")
    metric.update_state(tf.reduce_max(predictions["probabilities"], -1))
    return {"confidence": metric}


def test_more_metrics_are_those_of_the_averages(
    data: Data, trained: RNNClassifier, expected: RNNClassifier
) -> None:
    found, wanted = (
        rnn_core.add_metrics(one, confidence).evaluate(data.eval_input)
        for one in (trained, expected)
    )
    assert found == pytest.approx(wanted, rel=1e-6)


def test_the_averages_are_exported(
    data: Data, trained: RNNClassifier, expected: RNNClassifier, tmp_path: Path
) -> None:
    served = []
    for name, one in (("averaged", trained), ("plain", expected)):
        path = one.export_saved_model(tmp_path / name, parsing_receiver)
        signature = tf.saved_model.load(path).signatures["predict"]
        served.append(signature(tf.constant(examples(data)))["probabilities"])
    np.testing.assert_array_equal(*served)
    rows = trained.predict(data.eval_input)
    np.testing.assert_allclose(served[0], probabilities(rows), rtol=1e-5)


def test_every_mode_of_an_export_has_its_own(
    data: Data, trained: RNNClassifier, tmp_path: Path
) -> None:
    receivers = dict.fromkeys([ModeKeys.TRAIN, ModeKeys.EVAL], supervised_receiver)
    path = trained.experimental_export_all_saved_models(
        tmp_path, {**receivers, ModeKeys.PREDICT: parsing_receiver}
    )
    stored = {name for name, _ in tf.train.list_variables(f"{path}/variables/variables")}
    assert stored == {*trained.get_variable_names()}


def test_a_hook_evaluates_the_averages_during_a_training(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, optimizer=averaging)
    hook = InMemoryEvaluatorHook(estimator, data.eval_input, every_n_iter=2)
    estimator.train(data.train_input, hooks=[hook], max_steps=STEPS)
    events = sorted((tmp_path / "eval").glob("events.*"))
    losses = [
        value.simple_value
        for path in events
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "loss" and event.step == STEPS
    ]
    assert losses == [pytest.approx(estimator.evaluate(data.eval_input)["loss"], rel=1e-6)]


def test_averages_that_are_not_used_are_told(
    data: Data, trained: RNNClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_estimator(trained.model_dir, optimizer=KINDS.Adam(0.1))
    found = other.evaluate(data.eval_input)
    assert "has averages of the weights, which are not used here" in caplog.text
    assert found["loss"] != trained.evaluate(data.eval_input)["loss"]


def test_a_checkpoint_without_averages_is_refused(data: Data, expected: RNNClassifier) -> None:
    other = make_estimator(expected.model_dir, optimizer=averaging)
    for use in (other.evaluate, other.train):
        with pytest.raises(ArchitectureError, match=f"{END} .* is not in it"):
            use(data.eval_input)


def test_a_warm_start_begins_averages_at_its_weights(
    data: Data, trained: RNNClassifier, tmp_path: Path
) -> None:
    """And takes them from an export, which has the averages alone."""
    exported = trained.export_saved_model(tmp_path / "export", parsing_receiver)
    values = weights_of(trained)
    for source, end in ((trained.model_dir, ""), (exported, END)):
        model = make_estimator(tmp_path, optimizer=averaging).new_model(ModeKeys.TRAIN)
        settings = warm_start_settings(str(source))
        assert settings is not None
        warm_start(model.variables, settings)
        for name in ("rnn_model/logits/kernel", f"rnn_model/logits/kernel{END}"):
            weight = values[f"rnn_model/logits/kernel{end}"]
            np.testing.assert_array_equal(model.variables[name], weight)
