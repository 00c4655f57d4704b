"""The training loop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import Hook, HookContext
from rnn_core.storage import checkpoints
from rnn_core.storage.summaries import read_events
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of

pytestmark = pytest.mark.slow


class Recorder(Hook):
    """Remembers what it saw; stops at a step or raises at one."""

    def __init__(self, every_steps: int = 3, stop_at: int | None = None, fail_at: int = -1) -> None:
        self.every_steps = every_steps
        self.stop_at, self.fail_at = stop_at, fail_at
        self.seen: list[Any] = []

    def begin(self, context: HookContext) -> None:
        self.seen.append(("begin", context.global_step))

    def after_steps(self, context: HookContext) -> None:
        assert np.isfinite(context.loss)
        self.seen.append(("steps", context.global_step))
        if context.global_step == self.stop_at:
            context.request_stop()
        if context.global_step == self.fail_at:
            raise KeyboardInterrupt

    def after_save(self, context: HookContext, checkpoint_path: str) -> None:
        self.seen.append(("save", Path(checkpoint_path).name))

    def end(self, context: HookContext) -> None:
        self.seen.append(("end", context.global_step))


@pytest.fixture(scope="module")
def whole(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An uninterrupted training of 10 steps, with what its hook saw."""
    hook = Recorder()
    estimator = make_estimator(tmp_path_factory.mktemp("whole"))
    estimator.train(data.train_input, hooks=[hook], max_steps=10)
    return estimator, hook.seen


def test_hooks_see_a_training_in_order(whole: Any) -> None:
    assert whole[1] == [
        ("begin", 0),
        ("save", "model.ckpt-0"),
        ("steps", 3),
        ("save", "model.ckpt-4"),
        ("steps", 6),
        ("save", "model.ckpt-8"),
        ("steps", 9),
        ("save", "model.ckpt-10"),
        ("end", 10),
    ]


def test_loss_and_speed_are_in_the_event_file(whole: Any) -> None:
    events = read_events(whole[0].model_dir)
    assert {step for step, values in events.items() if "loss" in values} == {1, 2, 4, 6, 8, 10}
    assert {step for step, values in events.items() if "global_step/sec" in values} == {4, 8}


def test_a_training_that_ended_leaves_no_input_position_of_its_end(whole: Any) -> None:
    names = [path.name for path in Path(whole[0].model_dir).glob("model.ckpt-10.*")]
    assert sorted(names) == ["model.ckpt-10.data-00000-of-00001", "model.ckpt-10.index"]


def test_one_seed_gives_one_training_to_the_bit(whole: Any, data: Data, tmp_path: Path) -> None:
    again = make_estimator(tmp_path)
    again.train(data.train_input, max_steps=10)
    assert same_bits(weights_of(again), weights_of(whole[0]))


def test_another_period_of_looking_changes_nothing(whole: Any, data: Data, tmp_path: Path) -> None:
    other = make_estimator(
        tmp_path, config={"save_checkpoints_steps": 100, "save_summary_steps": None}
    )
    other.train(data.train_input, max_steps=10)
    assert same_bits(weights_of(other), weights_of(whole[0]))


def test_without_a_period_no_summary_is_written(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, config={"save_summary_steps": None})
    estimator.train(data.train_input, hooks=[Recorder(1)], max_steps=4)
    assert {tag for values in read_events(str(tmp_path)).values() for tag in values} == {
        "global_step/sec"
    }


def test_an_interrupted_training_ends_as_the_whole_one(
    whole: Any, data: Data, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_estimator(tmp_path).train(
            data.train_input, hooks=[Recorder(1, fail_at=6)], max_steps=10
        )
    resumed = make_estimator(tmp_path)
    assert resumed.latest_checkpoint() == str(tmp_path / "model.ckpt-4")
    resumed.train(data.train_input, max_steps=10)
    assert same_bits(weights_of(resumed), weights_of(whole[0]))


def test_steps_add_up_and_max_steps_does_not(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    reached = []
    for steps, max_steps in ((3, None), (3, None), (None, 6), (None, 7)):
        estimator.train(data.train_input, steps=steps, max_steps=max_steps)
        reached.append(estimator.get_variable_value("global_step"))
    assert reached == [3, 6, 6, 7]


def test_the_end_of_the_input_ends_the_training(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    estimator.train(data.eval_input)
    assert estimator.get_variable_value("global_step") == 4


def test_a_hook_stops_a_training_with_a_checkpoint(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    estimator.train(data.train_input, hooks=[Recorder(3, stop_at=6)], max_steps=20)
    assert estimator.latest_checkpoint() == str(tmp_path / "model.ckpt-6")


def test_old_checkpoints_go_with_their_input_positions(data: Data, tmp_path: Path) -> None:
    config = {"keep_checkpoint_max": 2, "save_checkpoints_steps": 2}
    make_estimator(tmp_path, config=config).train(data.train_input, max_steps=7)
    kept = {path.name.split(".")[1] for path in tmp_path.glob("model.*")}
    assert kept == {"ckpt-6", "ckpt-7"}
    assert (tmp_path / "model.ckpt-6.input.index").exists()


def test_a_loss_that_is_not_a_number_stops_before_the_weights_change(
    data: Data, tmp_path: Path
) -> None:
    def poisoned() -> tf.data.Dataset:
        good = data.train_input().take(5)
        return good.concatenate(good.map(lambda x, y: ({**x, "context": x["context"] * np.nan}, y)))

    estimator = make_estimator(tmp_path)
    with pytest.raises(rnn_core.NanLossDuringTrainingError, match=r"Steps before.*5.*nan"):
        estimator.train(poisoned, max_steps=10)
    assert estimator.latest_checkpoint() == str(tmp_path / "model.ckpt-4")
    assert all(np.all(np.isfinite(value)) for value in weights_of(estimator).values())


def test_labels_out_of_range_stop_before_a_step(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    with pytest.raises(rnn_core.LabelError, match=r"outside of \[0, 3\)"):
        estimator.train(lambda: data.dataset(data.labels + 1).batch(24), steps=1)
    assert estimator.get_variable_value("global_step") == 0


def test_an_empty_input_is_named(data: Data, tmp_path: Path) -> None:
    with pytest.raises(rnn_core.EmptyInputError, match="at least one batch"):
        make_estimator(tmp_path).train(lambda: data.eval_input().take(0))


def test_a_missing_feature_is_named(data: Data, tmp_path: Path) -> None:
    def without() -> tf.data.Dataset:
        return data.train_input().map(
            lambda x, y: ({name: x[name] for name in x if name != "tokens"}, y)
        )

    with pytest.raises(KeyError, match="'tokens' is not in the input"):
        make_estimator(tmp_path).train(without, steps=1)


def test_a_model_dir_of_another_model_is_refused(whole: Any, data: Data) -> None:
    other = make_estimator(whole[0].model_dir, units=[4])
    with pytest.raises(rnn_core.ArchitectureError, match="gru_cell/bias is"):
        other.train(data.train_input, steps=1)


def test_a_model_dir_that_cannot_be_made_is_named(data: Data, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(rnn_core.StorageError, match="Cannot write"):
        make_estimator(tmp_path / "file" / "model").train(data.train_input, steps=1)


def test_batches_of_any_length_are_traced_once(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    estimator.train(data.train_input, steps=3)
    estimator.train(data.train_input, steps=3)
    assert estimator._trainable is not None
    run: Any = estimator._trainable.run
    assert run.experimental_get_tracing_count() == 1


def test_a_checkpoint_by_time_comes_when_the_clock_says(data: Data, tmp_path: Path) -> None:
    config = {"save_checkpoints_steps": None, "save_checkpoints_secs": 1}

    class Wait(Hook):
        every_steps = 2

        def after_steps(self, context: HookContext) -> None:

            time.sleep(1.1)

    make_estimator(tmp_path, config=config).train(data.train_input, hooks=[Wait()], max_steps=5)
    kept = {path.name for path in tmp_path.glob("*.index") if ".input" not in path.name}
    assert {"model.ckpt-0.index", "model.ckpt-5.index"} < kept
    assert checkpoints.latest(str(tmp_path)) == str(tmp_path / "model.ckpt-5")
