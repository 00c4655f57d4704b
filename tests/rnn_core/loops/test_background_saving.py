"""Checkpoints that are written while a training goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from rnn_core import StorageError
from rnn_core.loops.checkpointing import BackgroundSaver
from rnn_core.storage import checkpoints
from rnn_core.storage.checkpoints import Keeper


def _saver(directory: Path) -> BackgroundSaver:
    return BackgroundSaver(Keeper(str(directory), 5, 10000))


def test_a_checkpoint_holds_the_values_of_the_moment_it_was_begun(tmp_path: Path) -> None:
    saver, variable = _saver(tmp_path), tf.Variable(tf.zeros([1000, 1000]))
    saver.start({"global_step": tf.Variable(3, dtype=tf.int64), "v": variable}, 3)
    for _ in range(20):
        variable.assign_add(tf.ones_like(variable))
    saver.wait()
    saved = saver.take_saved()
    assert saved == str(tmp_path / "model.ckpt-3")
    assert checkpoints.read(saved)["v"].max() == 0.0


def test_a_finished_checkpoint_is_told_of_once(tmp_path: Path) -> None:
    saver = _saver(tmp_path)
    assert saver.take_saved() is None
    saver.start({"v": tf.Variable(1.0)}, 1)
    saver.wait()
    assert saver.take_saved() is not None
    assert saver.take_saved() is None


def test_one_that_could_not_be_written_is_an_error_later() -> None:
    saver = _saver(Path("/proc/none"))
    saver.start({"v": tf.Variable(1.0)}, 1)
    saver.wait()
    with pytest.raises(StorageError, match="Cannot write"):
        saver.take_saved()
    assert saver.take_saved() is None
