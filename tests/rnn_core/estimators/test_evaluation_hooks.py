"""Evaluations without a checkpoint, and the end that all tasks of a cluster reach."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArgumentError, InMemoryEvaluatorHook, make_stop_at_checkpoint_step_hook
from rnn_core.hooks.stopping import StopAtCheckpointStepHook
from rnn_core.storage.summaries import read_events
from tests.rnn_core.samples import Data, make_estimator

pytestmark = pytest.mark.slow


def test_it_evaluates_before_within_and_after_a_training(tmp_path: Path, data: Data) -> None:
    config = {"save_checkpoints_steps": 1, "keep_checkpoint_max": 20}
    estimator = make_estimator(tmp_path, config=config)
    hook = InMemoryEvaluatorHook(estimator, data.eval_input, name="live", every_n_iter=2)
    estimator.train(data.train_input, steps=5, hooks=[hook])
    found = read_events(estimator.eval_dir("live"))
    assert sorted(found) == [0, 2, 4, 5]
    for step, metrics in found.items():
        saved = estimator.evaluate(
            data.eval_input, checkpoint_path=str(tmp_path / f"model.ckpt-{step}"), name="saved"
        )
        del saved["global_step"]
        assert {name: metrics[name] for name in saved} == pytest.approx(saved, rel=1e-6), step


def test_periods_count_from_the_first_step_of_a_training(tmp_path: Path, data: Data) -> None:
    estimator = make_estimator(tmp_path)
    estimator.train(data.train_input, steps=3)
    hook = InMemoryEvaluatorHook(estimator, data.eval_input, steps=1, every_n_iter=2)
    for _ in range(2):
        estimator.train(data.train_input, steps=2, hooks=[hook])
    assert sorted(read_events(estimator.eval_dir())) == [3, 5, 7]


def test_a_model_fn_is_evaluated_too(tmp_path: Path) -> None:
    def model_fn(features: Any, labels: Any, mode: str) -> rnn_core.EstimatorSpec:
        weight = tf.compat.v1.get_variable("weight", [], initializer=tf.zeros_initializer())
        step = tf.compat.v1.train.get_global_step()
        with tf.control_dependencies([weight.assign_add(1.0)] if mode == "train" else []):
            train_op = step.assign_add(1) if mode == "train" else None
        return rnn_core.EstimatorSpec(mode, loss=weight, train_op=train_op)

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(({"x": [1.0]}, [0.0]))

    estimator = rnn_core.Estimator(model_fn, tmp_path)
    hook = InMemoryEvaluatorHook(estimator, input_fn, every_n_iter=1)
    estimator.train(lambda: input_fn().repeat(), steps=3, hooks=[hook])
    events = read_events(estimator.eval_dir())
    assert {step: metrics["loss"] for step, metrics in events.items()} == {0: 0, 1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize("wrong", [{"every_n_iter": 0}, {"every_n_iter": None}, {"steps": 0}])
def test_numbers_are_checked(trained: rnn_core.RNNClassifier, wrong: Any) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        InMemoryEvaluatorHook(trained, lambda: None, **wrong)


def test_several_workers_are_refused(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "TF_CONFIG",
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 0}}',
    )
    with pytest.raises(ArgumentError, match="2 workers"):
        InMemoryEvaluatorHook(make_estimator(tmp_path), data.eval_input)


def test_the_chief_stops_at_the_step(tmp_path: Path, data: Data) -> None:
    estimator = make_estimator(tmp_path)
    hook = make_stop_at_checkpoint_step_hook(estimator, last_step=3)
    estimator.train(data.train_input, hooks=[hook])
    assert estimator.get_variable_value("global_step") == 3


def test_another_task_stops_when_the_checkpoint_is_there(
    tmp_path: Path, data: Data, trained: rnn_core.RNNClassifier
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    looks: list[int] = []

    class Arrives(rnn_core.Hook):
        every_steps = 1

        def after_steps(self, context: rnn_core.HookContext) -> None:
            looks.append(context.global_step)
            if context.global_step == 5:  # a checkpoint of step 10
                shutil.copytree(trained.model_dir, elsewhere, dirs_exist_ok=True)

    hook = StopAtCheckpointStepHook(str(elsewhere), last_step=3, wait_after_file_check_secs=0)
    estimator = make_estimator(tmp_path / "own")
    estimator.train(data.train_input, hooks=[Arrives(), hook], max_steps=20)
    assert looks[-1] == 5


def test_the_hook_depends_on_the_task(trained: rnn_core.RNNClassifier) -> None:
    assert isinstance(make_stop_at_checkpoint_step_hook(trained, 3), rnn_core.StopAtStepHook)
    with pytest.raises(ArgumentError, match="last_step"):
        StopAtCheckpointStepHook("a", cast(Any, None))
