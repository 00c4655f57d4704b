"""RunConfig."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, RNNClassifier, RunConfig, UnsupportedError


def test_checkpoints_are_saved_every_ten_minutes_by_default() -> None:
    assert RunConfig().save_checkpoints_secs == 600
    assert RunConfig().save_checkpoints_steps is None


def test_saving_by_steps_replaces_saving_by_time() -> None:
    assert RunConfig(save_checkpoints_steps=5).save_checkpoints_secs is None
    assert RunConfig().replace(save_checkpoints_steps=5).save_checkpoints_secs is None
    assert RunConfig(save_checkpoints_steps=5).replace(model_dir="x").save_checkpoints_steps == 5


def test_none_and_none_saves_at_the_end_only() -> None:
    config = RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"save_checkpoints_steps": 1, "save_checkpoints_secs": 1},
        {"save_checkpoints_steps": -1},
        {"save_summary_steps": -1},
        {"log_step_count_steps": -1},
        {"keep_checkpoint_max": -1},
        {"tf_random_seed": 1.5},
        {"model_dir": ""},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        RunConfig(**wrong)


def test_zero_steps_mean_never() -> None:
    config = RunConfig(save_summary_steps=0, log_step_count_steps=0, save_checkpoints_steps=0)
    assert config.save_summary_steps is None
    assert config.log_step_count_steps is None
    assert config.save_checkpoints_steps is None


def test_arguments_have_the_order_of_tensorflow_2_15() -> None:
    names = list(inspect.signature(RunConfig).parameters)
    assert names == [
        "model_dir",
        "tf_random_seed",
        "save_summary_steps",
        "save_checkpoints_steps",
        "save_checkpoints_secs",
        "session_config",
        "keep_checkpoint_max",
        "keep_checkpoint_every_n_hours",
        "log_step_count_steps",
        "train_distribute",
        "device_fn",
        "protocol",
        "eval_distribute",
        "experimental_distribute",
        "experimental_max_worker_delay_secs",
        "session_creation_timeout_secs",
        "checkpoint_save_graph_def",
        "worker_timeout_secs",
        "input_checkpoint",
    ]
    assert list(inspect.signature(RunConfig).parameters.values())[-1].kind.name == "KEYWORD_ONLY"


def test_a_path_becomes_its_string() -> None:
    assert RunConfig(Path("a/b")).model_dir == str(Path("a/b"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["session_config", "device_fn", "protocol"])
def test_a_setting_without_effect_is_warned_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    settings: dict[str, Any] = {name: "grpc"}
    RunConfig(**settings)
    assert f"RunConfig.{name} has no effect" in caplog.text


def test_only_what_exists_can_be_replaced() -> None:
    with pytest.raises(ArgumentError, match="there is no save_steps"):
        RunConfig().replace(save_steps=3)


@pytest.mark.parametrize("name", ["train_distribute", "eval_distribute", "experimental_distribute"])
def test_what_is_no_strategy_is_refused(name: str) -> None:
    settings: dict[str, Any] = {name: object()}
    with pytest.raises(UnsupportedError, match=name):
        RunConfig(**settings)


def test_a_strategy_is_kept_wherever_it_was_given() -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    assert RunConfig(train_distribute=strategy).train_distribute is strategy
    both = SimpleNamespace(train_distribute=strategy, eval_distribute=None)
    assert RunConfig(experimental_distribute=both).train_distribute is strategy
    assert RunConfig(experimental_distribute=both).replace(tf_random_seed=1).tf_random_seed == 1
    other = tf.distribute.MirroredStrategy(["CPU:0"])
    with pytest.raises(ArgumentError, match="given twice"):
        RunConfig(train_distribute=other, experimental_distribute=both)


def test_a_remote_cluster_is_refused() -> None:
    remote = SimpleNamespace(train_distribute=None, eval_distribute=None, remote_cluster={"a": 1})
    with pytest.raises(UnsupportedError, match="remote_cluster"):
        RunConfig(experimental_distribute=remote)


@pytest.mark.parametrize("name", ["worker_timeout_secs", "session_creation_timeout_secs"])
def test_a_time_limit_is_positive(name: str) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(ArgumentError, match=name):
        RunConfig(**settings)


def test_a_way_to_save_the_input_that_does_not_exist_is_refused() -> None:
    assert RunConfig(input_checkpoint="count").input_checkpoint == "count"
    with pytest.raises(ArgumentError, match="one of auto, iterator, count, none, got"):
        RunConfig(input_checkpoint="all")  # type: ignore[arg-type]


class WithExtra(RunConfig):
    def __init__(self, extra: int = 1, **more: Any) -> None:
        super().__init__(**more)
        self.extra = extra

    @property
    def is_chief(self) -> bool:
        return False


@dataclasses.dataclass(frozen=True)
class WithField(RunConfig):
    extra: int = dataclasses.field(default=1, kw_only=True)


def test_a_subclass_keeps_what_it_was_given() -> None:
    config = WithExtra(5, tf_random_seed=1).replace(model_dir="a")
    assert (type(config), config.extra, config.tf_random_seed) == (WithExtra, 5, 1)
    assert (config.model_dir, config.is_chief) == ("a", False)
    field = WithField(extra=5).replace(model_dir="a")
    assert (type(field), field.extra, field.replace(extra=6).extra) == (WithField, 5, 6)


def test_the_original_is_not_changed() -> None:
    config = WithExtra(save_checkpoints_steps=3)
    assert config.replace(save_checkpoints_secs=4, model_dir="b").save_checkpoints_steps is None
    assert (config.save_checkpoints_steps, config.model_dir) == (3, None)


def test_an_estimator_gives_its_config_as_it_was(tmp_path: Path) -> None:
    column = tf.feature_column.sequence_numeric_column("x")
    config = RNNClassifier([column], units=[2], model_dir=tmp_path, config=WithExtra(5)).config
    assert isinstance(config, WithExtra)
    assert config.extra == 5
    assert config.model_dir == str(tmp_path)


def test_numbers_of_numpy_are_plain_numbers() -> None:
    numbers: dict[str, Any] = {
        "tf_random_seed": np.int64(1),
        "save_checkpoints_steps": 1e3,
        "save_summary_steps": np.int32(5),
        "keep_checkpoint_max": np.int64(2),
        "worker_timeout_secs": np.float32(30),
        "checkpoint_save_graph_def": np.bool_(False),
    }
    config = RunConfig(**numbers)
    values = [getattr(config, name) for name in numbers]
    assert values == [1, 1000, 5, 2, 30, False]
    assert [type(value) for value in values] == [int, int, int, int, float, bool]
    with pytest.raises(ArgumentError, match="save_checkpoints_steps: expected a whole number"):
        RunConfig(save_checkpoints_steps=2.5)  # type: ignore[arg-type]
