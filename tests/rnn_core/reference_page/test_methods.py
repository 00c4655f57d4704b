"""Properties, ``train``, ``evaluate`` and ``predict``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import EstimatorSpec, Hook, HookContext, ModeKeys, RNNClassifier
from tests.rnn_core.samples import Data, make_estimator, weights_of

pytestmark = pytest.mark.slow


@pytest.fixture
def estimator(tmp_path: Path) -> RNNClassifier:
    return make_estimator(tmp_path)


def step_of(estimator: RNNClassifier) -> int:
    return int(estimator.get_variable_value("global_step"))


# Properties.


def test_config_and_model_dir_are_those_of_the_constructor(tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, config={"save_summary_steps": 17})
    assert estimator.config.save_summary_steps == 17
    assert estimator.model_dir == estimator.config.model_dir == str(tmp_path)


def test_params_are_empty(estimator: RNNClassifier) -> None:
    assert estimator.params == {}


def test_model_fn_takes_features_labels_mode_and_config(
    data: Data, estimator: RNNClassifier
) -> None:
    model_fn = estimator.model_fn
    assert list(inspect.signature(model_fn).parameters) == ["features", "labels", "mode", "config"]
    spec = model_fn(data.features(), None, ModeKeys.PREDICT, estimator.config)
    assert isinstance(spec, EstimatorSpec)
    assert isinstance(spec.predictions, Mapping)
    assert spec.predictions["probabilities"].shape == (24, 3)


def test_eval_dir_is_below_model_dir_and_has_the_name_of_the_evaluation(
    estimator: RNNClassifier,
) -> None:
    assert estimator.eval_dir() == str(Path(estimator.model_dir) / "eval")
    assert estimator.eval_dir("test") == str(Path(estimator.model_dir) / "eval_test")


# Variables and checkpoints.


def test_variable_names_are_listed_and_their_values_are_arrays(trained: RNNClassifier) -> None:
    names = trained.get_variable_names()
    assert isinstance(names, list)
    assert all(
        isinstance(trained.get_variable_value(name), np.ndarray | np.generic) for name in names
    )


@pytest.mark.parametrize("read", ["get_variable_names", "get_variable_value"])
def test_variables_before_any_checkpoint_are_a_value_error(
    estimator: RNNClassifier, read: str
) -> None:
    with pytest.raises(ValueError, match="No checkpoint"):
        getattr(estimator, read)(*(["global_step"] if read == "get_variable_value" else []))


def test_latest_checkpoint_is_a_full_path_or_none(
    trained: RNNClassifier, estimator: RNNClassifier
) -> None:
    assert trained.latest_checkpoint() == str(Path(trained.model_dir) / "model.ckpt-10")
    assert estimator.latest_checkpoint() is None


# Training.


def test_train_returns_the_estimator(data: Data, estimator: RNNClassifier) -> None:
    assert estimator.train(data.train_input, steps=1) is estimator


def test_steps_add_up_and_max_steps_do_not(data: Data, estimator: RNNClassifier) -> None:
    estimator.train(data.train_input, steps=2).train(data.train_input, steps=2)
    assert step_of(estimator) == 4
    estimator.train(data.train_input, max_steps=5).train(data.train_input, max_steps=5)
    assert step_of(estimator) == 5


def test_training_ends_with_the_input_before_its_steps(
    data: Data, estimator: RNNClassifier
) -> None:
    estimator.train(lambda: data.dataset().batch(12), steps=9)
    assert step_of(estimator) == 2
    estimator.train(lambda: data.dataset().batch(12))
    assert step_of(estimator) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 1, "max_steps": 1}, "got both"),
        ({"steps": 0}, "steps: expected a whole number >= 1"),
        ({"max_steps": -1}, "max_steps: expected a whole number >= 1"),
    ],
)
def test_steps_that_make_no_sense_are_a_value_error(
    data: Data, estimator: RNNClassifier, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        estimator.train(data.train_input, **arguments)


class Seen(tf.compat.v1.train.SessionRunHook):
    """Counts the batches that it was called for."""

    batches = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.batches += 1


def test_hooks_are_called_inside_training_evaluation_and_prediction(
    data: Data, estimator: RNNClassifier
) -> None:
    hooks = [Seen(), Seen(), Seen()]
    estimator.train(data.train_input, hooks=[hooks[0]], steps=3)
    estimator.evaluate(data.eval_input, hooks=[hooks[1]])
    list(estimator.predict(data.eval_input, hooks=[hooks[2]]))
    assert [hook.batches for hook in hooks] == [3, 4, 4]


def test_saving_listeners_are_called_before_and_after_each_checkpoint(
    data: Data, estimator: RNNClassifier
) -> None:
    calls: list[tuple[str, int]] = []

    class Listener(tf.compat.v1.train.CheckpointSaverListener):
        def before_save(self, session: Any, global_step_value: int) -> None:
            calls.append(("before", int(global_step_value)))

        def after_save(self, session: Any, global_step_value: int) -> None:
            calls.append(("after", int(global_step_value)))

    estimator.train(data.train_input, steps=5, saving_listeners=[Listener()])
    assert calls == [(when, step) for step in (0, 4, 5) for when in ("before", "after")]


def test_an_input_fn_may_return_a_dataset_or_features_and_labels(
    data: Data, tmp_path: Path
) -> None:
    inputs = {
        "dataset": lambda: tf.data.Dataset.from_tensors((data.features(), data.labels)).repeat(),
        "tuple": lambda: (data.features(), tf.constant(data.labels)),
    }
    weights = [
        weights_of(make_estimator(tmp_path / name).train(input_fn, steps=2))
        for name, input_fn in inputs.items()
    ]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_features_may_be_a_tensor_and_labels_a_dict_if_the_model_function_takes_them(
    tmp_path: Path,
) -> None:
    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        loss = tf.reduce_sum(features * labels["sign"])
        step = tf.compat.v1.train.get_global_step().assign_add(1)
        return EstimatorSpec(mode, loss=loss, train_op=step)

    pair = (tf.constant([1.0, 2.0]), {"sign": tf.constant([1.0, -1.0])})
    estimator = rnn_core.Estimator(model_fn, tmp_path)
    for input_fn in (lambda: pair, lambda: tf.data.Dataset.from_tensors(pair).repeat()):
        estimator.train(input_fn, steps=1)
        assert estimator.evaluate(input_fn, steps=1)["loss"] == -1
    assert estimator.get_variable_value("global_step") == 2


# Evaluation.


def test_evaluation_ends_after_its_steps_or_with_the_input(
    data: Data, trained: RNNClassifier, words_input: Any
) -> None:
    batches: list[int] = []

    class Count(Hook):
        every_steps = 1

        def after_steps(self, context: HookContext) -> None:
            batches.append(1)

    trained.evaluate(words_input, steps=2, hooks=[Count()], name="hooks")
    assert len(batches) == 2
    trained.evaluate(words_input, hooks=[Count()], name="hooks")
    assert len(batches) == 6


@pytest.mark.parametrize("steps", [0, -1])
def test_an_evaluation_of_no_steps_is_a_value_error(
    trained: RNNClassifier, words_input: Any, steps: int
) -> None:
    with pytest.raises(ValueError, match="steps"):
        trained.evaluate(words_input, steps=steps)


def test_metrics_have_loss_average_loss_accuracy_and_the_global_step(
    trained: RNNClassifier, words_input: Any
) -> None:
    metrics = trained.evaluate(words_input)
    assert set(metrics) == {"loss", "average_loss", "accuracy", "global_step"}
    assert metrics["global_step"] == 10


def test_loss_is_the_mean_over_batches_and_average_loss_over_examples(
    trained: RNNClassifier, words_input: Any
) -> None:
    probabilities = [row["probabilities"] for row in trained.predict(words_input)]
    labels = np.concatenate([words for _, words in words_input().as_numpy_iterator()])
    ids = [trained_words.index(word.decode()) for word in labels]
    losses = -np.log([row[label] for row, label in zip(probabilities, ids, strict=True)])
    metrics = trained.evaluate(words_input)
    batches = [losses[start : start + 7].mean() for start in range(0, 24, 7)]
    assert metrics["average_loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert metrics["loss"] == pytest.approx(np.mean(batches), rel=1e-5)


trained_words = ["class-0", "class-1", "class-2"]


def test_a_checkpoint_path_is_evaluated_and_predicted_instead_of_the_newest(
    trained: RNNClassifier, words_input: Any
) -> None:
    older = str(Path(trained.model_dir) / "model.ckpt-4")
    now, then = (
        trained.evaluate(words_input),
        trained.evaluate(words_input, checkpoint_path=older, name="older"),
    )
    assert (now["global_step"], then["global_step"]) == (10, 4)
    assert now["loss"] != then["loss"]
    first = next(trained.predict(words_input, checkpoint_path=older))
    assert not np.array_equal(first["logits"], next(trained.predict(words_input))["logits"])


def test_without_a_checkpoint_first_values_are_evaluated_and_predicted(
    data: Data, estimator: RNNClassifier
) -> None:
    assert estimator.evaluate(data.eval_input)["global_step"] == 0
    assert len(list(estimator.predict(data.eval_input))) == 24
    assert estimator.latest_checkpoint() is None


def test_evaluations_of_different_names_are_in_folders_of_their_own(
    trained: RNNClassifier, words_input: Any
) -> None:
    for name in ("one", "other"):
        trained.evaluate(words_input, name=name)
        assert list(Path(trained.eval_dir(name)).glob("events.out.tfevents.*"))


# Prediction.


def test_predictions_are_yielded_one_by_one_until_the_input_ends(
    trained: RNNClassifier, words_input: Any
) -> None:
    predictions = trained.predict(words_input)
    assert isinstance(predictions, Iterator)
    assert next(predictions)["probabilities"].shape == (3,)
    assert len(list(predictions)) == 23


def test_features_may_come_without_labels_in_a_dataset_or_a_dict(
    data: Data, trained: RNNClassifier
) -> None:
    alone = trained.predict(lambda: tf.data.Dataset.from_tensors(data.features()))
    in_a_dict = trained.predict(data.features)
    with_labels = trained.predict(
        lambda: tf.data.Dataset.from_tensors((data.features(), data.labels))
    )
    rows = [next(rows)["logits"] for rows in (alone, in_a_dict, with_labels)]
    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[0], rows[2])


def test_predict_keys_choose_predictions(trained: RNNClassifier, words_input: Any) -> None:
    row = next(trained.predict(words_input, predict_keys=["class_ids", "classes"]))
    assert set(row) == {"class_ids", "classes"}


def test_predict_keys_that_are_no_predictions_are_a_value_error(
    trained: RNNClassifier, words_input: Any
) -> None:
    with pytest.raises(ValueError, match="predict_keys"):
        next(trained.predict(words_input, predict_keys=["nothing"]))


def test_whole_batches_are_yielded_on_request(trained: RNNClassifier, words_input: Any) -> None:
    sizes = [
        len(batch["logits"]) for batch in trained.predict(words_input, yield_single_examples=False)
    ]
    assert sizes == [7, 7, 7, 3]


def test_predictions_of_different_lengths_cannot_be_yielded_one_by_one(tmp_path: Path) -> None:
    def model_fn(features: Any, mode: str) -> EstimatorSpec:
        return EstimatorSpec(mode, predictions={"a": features, "b": features[:1]})

    estimator = rnn_core.Estimator(model_fn, tmp_path)
    batch = lambda: tf.data.Dataset.from_tensors(tf.ones([2]))  # noqa: E731
    with pytest.raises(ValueError, match="same number of rows"):
        list(estimator.predict(batch))
    (whole,) = estimator.predict(batch, yield_single_examples=False)
    assert [len(whole[name]) for name in "ab"] == [2, 1]


def test_predict_keys_need_predictions_in_a_dict(tmp_path: Path) -> None:
    def model_fn(features: Any, mode: str) -> EstimatorSpec:
        return EstimatorSpec(mode, predictions=features * 2)

    estimator = rnn_core.Estimator(model_fn, tmp_path)
    batch = lambda: tf.data.Dataset.from_tensors(tf.constant([1.0, 2.0]))  # noqa: E731
    predictions: list[Any] = list(estimator.predict(batch))
    assert predictions == [2, 4]
    with pytest.raises(ValueError, match="predict_keys"):
        next(estimator.predict(batch, predict_keys=["output"]))


def test_two_predictions_may_interleave(trained: RNNClassifier, words_input: Any) -> None:
    expected = [row["logits"] for row in trained.predict(words_input)]
    pairs = zip(trained.predict(words_input), trained.predict(words_input), strict=True)
    for row, (one, other) in zip(expected, pairs, strict=True):
        assert np.array_equal(row, one["logits"])
        assert np.array_equal(row, other["logits"])
