"""Hooks and listeners written for TensorFlow 2.15 run without a session."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core.storage.summaries import read_events
from tests.rnn_core.samples import Data, make_estimator

train = tf.compat.v1.train
KERNEL = "rnn_model/logits/kernel"


class Watch(tf.compat.v1.train.SessionRunHook):
    """Fetches what a hook of 2.15 may, and remembers the values."""

    def __init__(self, fetches: Any = None, stop_at: int | None = None) -> None:
        self.fetches, self.stop_at = fetches, stop_at
        self.seen: list[Any] = []

    def begin(self) -> None:
        self.step = train.get_global_step()
        variables = tf.compat.v1.trainable_variables()
        self.kernel = next(one for one in variables if one.op.name == KERNEL)
        self.size = tf.reduce_sum(tf.abs(self.kernel))
        self.scaled = 2.0 * tf.compat.v1.get_default_graph().get_tensor_by_name("loss:0")
        self.assign = tf.compat.v1.assign(self.kernel, tf.zeros_like(self.kernel))
        self.number = tf.compat.v1.placeholder(tf.float32, [], name="number")
        self.sum = self.number + self.size
        self.counter = tf.compat.v1.get_variable("counter", [], initializer=tf.ones_initializer())
        self.count = tf.compat.v1.assign_add(self.counter, 1.0)
        self.seen.append("begin")

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.seen.append(("created", int(session.run(self.step)), coord.should_stop()))

    def before_run(self, run_context: Any) -> Any:
        if self.fetches is None:
            return None
        return train.SessionRunArgs(self.fetches(self))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.seen.append(run_values.results)
        if self.stop_at == run_context.session.run(self.step):
            run_context.request_stop()

    def end(self, session: Any) -> None:
        self.seen.append(("end", int(session.run("global_step"))))


class Listener(tf.compat.v1.train.CheckpointSaverListener):
    """Remembers its calls; asks for the end at a step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.seen: list[Any] = []

    def begin(self) -> None:
        self.seen.append("begin")

    def before_save(self, session: Any, global_step_value: int) -> None:
        self.seen.append(("before", global_step_value))

    def after_save(self, session: Any, global_step_value: int) -> bool:
        self.seen.append(("after", global_step_value, int(session.run(train.get_global_step()))))
        return global_step_value == self.stop_at

    def end(self, session: Any, global_step_value: int) -> None:
        self.seen.append(("end", global_step_value))


def fetches_of_all_kinds(hook: Watch) -> Any:
    return {
        "step": hook.step,
        "names": ["loss", "loss:0", "global_step:0", "head/losses/weighted_loss/value:0"],
        "kernel": (hook.kernel, KERNEL, f"{KERNEL}:0"),
        "computed": (hook.size, hook.scaled),
        "counter": hook.count,
    }


@pytest.fixture(scope="module")
def watched(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Six steps with a hook, a listener, and each of TensorFlow's own hooks that can run."""
    directory = tmp_path_factory.mktemp("watched")
    hook, listener = Watch(fetches_of_all_kinds), Listener()
    own = [
        train.LoggingTensorHook(["loss", "global_step"], every_n_iter=2, at_end=True),
        train.LoggingTensorHook({"logits": KERNEL}, every_n_iter=100),
        train.NanTensorHook("loss"),
        train.StepCounterHook(every_n_steps=2, output_dir=str(directory / "own")),
        train.StopAtStepHook(num_steps=6),
        train.FinalOpsHook({"step": "global_step"}),
        train.SessionRunHook(),
    ]
    estimator = make_estimator(directory)
    estimator.train(
        data.train_input, hooks=[hook, *own], max_steps=100, saving_listeners=[listener]
    )
    return estimator, hook, listener, own


@pytest.mark.slow
def test_a_session_hook_is_called_in_the_order_of_2_15(watched: Any) -> None:
    seen = watched[1].seen
    assert seen[0] == "begin"
    assert seen[1] == ("created", 0, False)
    assert all(isinstance(results, dict) for results in seen[2:-1])
    assert len(seen[2:-1]) == 6
    assert seen[-1] == ("end", 6)


def test_what_a_hook_fetches_has_the_values_before_the_step_and_the_loss_of_it(
    watched: Any,
) -> None:
    estimator, hook, _, _ = watched
    results = hook.seen[2:-1]
    assert [int(one["step"]) for one in results] == list(range(6))
    events = read_events(estimator.model_dir)
    for step, one in enumerate(results, start=1):
        loss, again, counted, alias = one["names"]
        assert loss == again == alias
        assert int(counted) == step - 1
        if step in events:
            assert loss == np.float32(events[step]["loss"])
        assert len({kernel.tobytes() for kernel in one["kernel"]}) == 1
        assert one["computed"][0] == pytest.approx(np.abs(one["kernel"][0]).sum(), rel=1e-6)
        assert one["computed"][1] == 2 * loss
        assert one["counter"] == step + 1
    saved = tf.train.load_checkpoint(str(Path(estimator.model_dir) / "model.ckpt-4"))
    np.testing.assert_array_equal(results[4]["kernel"][0], saved.get_tensor(KERNEL))


def test_a_variable_of_a_hook_is_not_saved(watched: Any) -> None:
    assert "counter" not in watched[0].get_variable_names()


def test_a_listener_is_called_around_each_checkpoint(watched: Any) -> None:
    saves = [call for step in (0, 4, 6) for call in (("before", step), ("after", step, step))]
    assert watched[2].seen == ["begin", *saves, ("end", 6)]


def test_hooks_of_tensorflow_run(watched: Any) -> None:
    estimator, _, _, own = watched
    assert own[5].final_ops_values == {"step": 6}
    rates = read_events(str(Path(estimator.model_dir) / "own"))
    assert [list(values) for values in rates.values()] == [["global_step/sec"]] * len(rates)
    assert list(rates) == [3, 5]


@pytest.mark.slow
def test_session_hooks_change_nothing(watched: Any, data: Data, tmp_path: Path) -> None:
    alone = make_estimator(tmp_path)
    alone.train(data.train_input, max_steps=6)
    kernel = alone.get_variable_value(KERNEL)
    np.testing.assert_array_equal(kernel, watched[0].get_variable_value(KERNEL))


@pytest.mark.slow
def test_a_hook_ends_the_training_and_may_assign_and_feed(data: Data, tmp_path: Path) -> None:
    class Zero(Watch):
        def after_run(self, run_context: Any, run_values: Any) -> None:
            super().after_run(run_context, run_values)
            assert run_context.session.run(self.assign.op) is None
            fed = run_context.session.run([self.sum, self.size], {self.number: 3.0})
            assert fed == [3.0, 0.0]

    estimator = make_estimator(tmp_path)
    estimator.train(data.train_input, hooks=[Zero(stop_at=2)], max_steps=100)
    assert estimator.get_variable_value("global_step") == 2
    assert np.all(estimator.get_variable_value(KERNEL) == 0)


@pytest.mark.slow
def test_a_resumed_training_tells_a_listener_of_the_checkpoint_it_starts_from(
    data: Data, tmp_path: Path
) -> None:
    estimator = make_estimator(tmp_path)
    estimator.train(data.train_input, max_steps=1)
    listener = Listener(stop_at=4)
    estimator.train(data.train_input, max_steps=8, saving_listeners=[listener])
    steps = [1, 4]
    saves = [call for step in steps for call in (("before", step), ("after", step, step))]
    assert listener.seen == ["begin", *saves, ("end", 4)]


@pytest.mark.slow
def test_a_listener_may_evaluate(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)

    class Evaluate(tf.compat.v1.train.CheckpointSaverListener):
        def after_save(self, session: Any, global_step_value: int) -> None:
            found = estimator.evaluate(data.eval_input, steps=1)
            assert found["global_step"] == global_step_value

    estimator.train(data.train_input, max_steps=1, saving_listeners=[Evaluate()])
    assert list(read_events(estimator.eval_dir())) == [0, 1]


def test_session_hooks_run_in_evaluate(trained: rnn_core.RNNClassifier, words_input: Any) -> None:
    hook = Watch(lambda hook: {"step": hook.step, "loss": "loss:0"})
    whole = trained.evaluate(words_input, hooks=[hook], name="watched")
    assert hook.seen[:2] == ["begin", ("created", 10, False)]
    results = hook.seen[2:-1]
    assert [int(one["step"]) for one in results] == [10] * 4
    assert np.mean([one["loss"] for one in results]) == pytest.approx(whole["loss"], rel=1e-5)
    assert hook.seen[-1] == ("end", 10)


def test_session_hooks_run_in_predict(trained: rnn_core.RNNClassifier, words_input: Any) -> None:
    hook = Watch(lambda hook: KERNEL)
    rows = trained.predict(words_input, hooks=[hook])
    assert hook.seen == []
    next(rows)
    assert len(hook.seen) == 3
    np.testing.assert_array_equal(hook.seen[2], trained.get_variable_value(KERNEL))
    assert len(list(rows)) == 23
    assert hook.seen[-1] == ("end", 10)
    assert len(hook.seen) == 7


def test_a_hook_ends_an_evaluation_and_a_prediction(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    part = trained.evaluate(words_input, hooks=[Watch(stop_at=10)], name="part")
    assert part == trained.evaluate(words_input, steps=1, name="part")
    assert len(list(trained.predict(words_input, hooks=[Watch(stop_at=10)]))) == 7


@pytest.mark.parametrize(
    ("fetch", "message"),
    [
        (lambda hook: "head/logits:0", r"fetched 'head/logits:0'.*rnn_core\.Hook"),
        (lambda hook: hook.number, "placeholder 'number'"),
        (lambda hook: tf.Variable, "does not exist without a session"),
    ],
)
def test_a_fetch_that_does_not_exist_is_named(
    trained: rnn_core.RNNClassifier, words_input: Any, fetch: Any, message: str
) -> None:
    with pytest.raises(rnn_core.UnsupportedError, match=message):
        trained.evaluate(words_input, hooks=[Watch(fetch)])


@pytest.mark.parametrize(
    ("request_args", "message"),
    [
        (train.SessionRunArgs(None, feed_dict={"x:0": 1}), "input_fn"),
        (
            train.SessionRunArgs(None, options=tf.compat.v1.RunOptions(trace_level=3)),
            "ProfilerHook",
        ),
        ("loss", "expected SessionRunArgs or None, got str"),
    ],
)
def test_what_only_a_session_can_do_is_refused(
    trained: rnn_core.RNNClassifier, words_input: Any, request_args: Any, message: str
) -> None:
    class Ask(tf.compat.v1.train.SessionRunHook):
        def before_run(self, run_context: Any) -> Any:
            return request_args

    with pytest.raises(rnn_core.UnsupportedError, match=message):
        trained.evaluate(words_input, hooks=[Ask()])


def test_the_session_says_what_it_cannot_do(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    class Ask(tf.compat.v1.train.SessionRunHook):
        def end(self, session: Any) -> None:
            assert session.graph is tf.compat.v1.get_default_graph()
            assert not hasattr(session, "raw_session")
            session.partial_run_setup([])

    with pytest.raises(rnn_core.UnsupportedError, match=r"session\.partial_run_setup"):
        trained.evaluate(words_input, hooks=[Ask()])


@pytest.mark.parametrize(
    ("hook", "instead"),
    [
        (train.FeedFnHook(dict), "input_fn"),
        (train.CheckpointSaverHook("x", save_steps=1), r"rnn_core\.CheckpointSaverHook"),
        (train.GlobalStepWaiterHook(1), "nothing"),
    ],
)
def test_hooks_of_tensorflow_that_work_on_a_session_are_refused(
    tmp_path: Path, hook: Any, instead: str
) -> None:
    with pytest.raises(rnn_core.UnsupportedError, match=instead):
        make_estimator(tmp_path).train(dict, hooks=[hook], steps=1)


@pytest.mark.parametrize("argument", ["hooks", "saving_listeners"])
def test_what_is_no_hook_is_refused(tmp_path: Path, argument: str) -> None:
    wrong: dict[str, Any] = {argument: [object()]}
    with pytest.raises(TypeError, match=f"{argument}: expected instances of"):
        make_estimator(tmp_path).train(dict, steps=1, **wrong)


@pytest.mark.slow
def test_the_coordinator_ends_a_training(data: Data, tmp_path: Path) -> None:
    class Coordinated(tf.compat.v1.train.SessionRunHook):
        def after_create_session(self, session: Any, coord: Any) -> None:
            self.coord = coord

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.coord.request_stop()

    estimator = make_estimator(tmp_path)
    estimator.train(data.train_input, hooks=[Coordinated()], max_steps=9)
    assert estimator.get_variable_value("global_step") == 1


def test_lines_of_a_logging_hook_reach_the_log(
    trained: rnn_core.RNNClassifier, words_input: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[str] = []

    def show(values: dict[str, Any]) -> str:
        lines.append(f"loss {values['loss']:.6f}")
        return lines[-1]

    hook = train.LoggingTensorHook({"loss": "loss"}, every_n_iter=3, formatter=show)
    with caplog.at_level(logging.INFO):
        trained.evaluate(words_input, hooks=[hook], name="logged")
    assert len(lines) == 2
