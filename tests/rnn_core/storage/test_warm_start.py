"""First values from another model's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArgumentError, EstimatorSpec, VocabInfo, WarmStartSettings
from rnn_core.storage.checkpoints import Keeper
from rnn_core.storage.warm_start import warm_start, warm_start_settings

OLD = {"a/kernel": [[1.0, 2.0], [3.0, 4.0]], "a/bias": [5.0, 6.0], "slot": [7.0, 8.0]}


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    values = {name: tf.constant(value) for name, value in OLD.items()}
    keeper = Keeper(str(tmp_path / "old"), 5, 1000)
    Path(keeper.directory).mkdir()
    return keeper.save({**values, "global_step": tf.constant(9, tf.int64)}, 9)


def variables() -> dict[str, tf.Variable]:
    return {
        name: tf.Variable(tf.zeros_like(value), trainable=name != "slot")
        for name, value in OLD.items()
    }


def taken(settings: WarmStartSettings, targets: Any = None) -> set[str]:
    targets = targets or variables()
    warm_start(targets, settings)
    return {name for name, value in targets.items() if value.numpy().any()}


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (".*", {"a/kernel", "a/bias"}),
        (".*bias", {"a/bias"}),
        ([".*bias", "slot"], {"a/bias", "slot"}),
        (None, set()),
    ],
)
def test_a_pattern_chooses_variables(checkpoint: str, which: Any, expected: set[str]) -> None:
    assert taken(WarmStartSettings(checkpoint, which)) == expected


def test_variables_may_be_named_themselves(checkpoint: str) -> None:
    targets = variables()
    assert taken(WarmStartSettings(checkpoint, [targets["slot"]]), targets) == {"slot"}


def test_a_variable_may_have_had_another_name(checkpoint: str) -> None:
    targets = {"b/bias": tf.Variable([0.0, 0.0])}
    previous = {"b/bias": "a/bias"}
    settings = WarmStartSettings(checkpoint, var_name_to_prev_var_name=previous)
    assert taken(settings, targets) == {"b/bias"}
    assert targets["b/bias"].numpy().tolist() == [5, 6]


@pytest.mark.parametrize(("axis", "expected"), [(0, [[9, 9], [3, 4], [1, 2]]), (1, [[9, 2, 1]])])
def test_rows_are_matched_by_their_words(tmp_path: Path, axis: int, expected: Any) -> None:
    (tmp_path / "old.txt").write_text("cat\ndog\n")
    (tmp_path / "new.txt").write_text("eel\ndog\ncat\n")
    old = [[1.0, 2.0], [3.0, 4.0]] if axis == 0 else [[1.0, 2.0]]
    keeper = Keeper(str(tmp_path), 5, 1000)
    keeper.save({"words": tf.constant(old), "global_step": tf.constant(1, tf.int64)}, 1)
    targets = {"words": tf.Variable(np.full(np.shape(expected), 9.0, np.float32))}
    paths = str(tmp_path / "new.txt"), str(tmp_path / "old.txt")
    info = VocabInfo(paths[0], 3, 0, paths[1], axis=axis)
    warm_start(targets, WarmStartSettings(str(tmp_path), var_name_to_vocab_info={"words": info}))
    assert targets["words"].numpy().tolist() == expected


def test_another_shape_is_refused(checkpoint: str) -> None:
    with pytest.raises(rnn_core.ArchitectureError, match="a/bias"):
        taken(WarmStartSettings(checkpoint), {"a/bias": tf.Variable([0.0])})


def test_a_place_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(rnn_core.CheckpointError, match="no checkpoint at"):
        taken(WarmStartSettings(str(tmp_path)))


def test_a_path_stands_for_all_trainable_variables() -> None:
    assert warm_start_settings("/some/where") == WarmStartSettings("/some/where")


def test_something_else_is_refused() -> None:
    with pytest.raises(rnn_core.ArgumentError, match="warm_start_from"):
        warm_start_settings(3)


def test_a_training_starts_from_there_once(checkpoint: str, tmp_path: Path) -> None:
    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        bias = tf.Variable([0.0, 0.0], name="a/bias")
        step = tf.compat.v1.train.get_global_step()
        train_op = tf.group(bias.assign_add([1.0, 1.0]), step.assign_add(1))
        return EstimatorSpec(mode, loss=tf.reduce_sum(bias), train_op=train_op)

    for _ in range(2):
        estimator = rnn_core.Estimator(model_fn, tmp_path / "new", warm_start_from=checkpoint)
        estimator.train(lambda: tf.data.Dataset.from_tensors((1, 2)).repeat(), steps=2)
    assert estimator.get_variable_value("a/bias").tolist() == [9, 10]
    assert estimator.get_variable_value("global_step") == 4


def test_a_checkpoint_must_be_named() -> None:
    with pytest.raises(ArgumentError, match="ckpt_to_initialize_from must be given"):
        WarmStartSettings("")
