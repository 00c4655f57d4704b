"""A disk that is full, a place that cannot be written, files that are cut off."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rnn_core
from rnn_core.storage.files import write_text
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of

QUIET = {"save_summary_steps": None, "log_step_count_steps": None}


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class FillAfter(rnn_core.Hook):
    """From ``step`` on, the disk has ``size`` bytes for each file."""

    def __init__(self, step: int, size: int, stack: contextlib.ExitStack) -> None:
        self.every_steps, self._size, self._stack = step, size, stack

    def after_steps(self, context: rnn_core.HookContext) -> None:
        self._stack.enter_context(files_of_at_most(self._size))


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if "tfevents" not in path.name}


@pytest.mark.slow
@pytest.mark.parametrize(("counted", "size"), [(False, 0), (False, 400), (True, 100), (True, 900)])
def test_a_full_disk_leaves_the_last_checkpoint_and_no_half_written_file(
    data: Data, tmp_path: Path, counted: bool, size: int
) -> None:
    """The position of a counted input is small: it is the checkpoint that finds no room."""

    def counted_input() -> tf.data.Dataset:
        return data.dataset().shuffle(24, seed=1).batch(5).repeat()

    given = counted_input if counted else data.train_input
    estimator = make_estimator(tmp_path, config=QUIET)
    estimator.train(given, max_steps=2)
    before = names(tmp_path)
    with (
        contextlib.ExitStack() as stack,
        pytest.raises(rnn_core.StorageError, match=r"Cannot write.*last checkpoint is still good"),
    ):
        estimator.train(given, hooks=[FillAfter(3, size, stack)], max_steps=6)
    assert names(tmp_path) == before
    assert estimator.evaluate(data.eval_input, steps=1)["global_step"] == 2


def test_an_evaluation_on_a_full_disk_is_named(data: Data, trained: Any, words_input: Any) -> None:
    with files_of_at_most(10), pytest.raises(rnn_core.StorageError, match="eval_full"):
        trained.evaluate(words_input, steps=1, name="full")


def test_a_small_file_is_replaced_or_left(tmp_path: Path) -> None:
    path = tmp_path / "small"
    write_text(path, "old")
    with files_of_at_most(10), pytest.raises(OSError, match="too large"):
        write_text(path, "new" * 10)
    assert path.read_text() == "old"
    assert names(tmp_path) == {"small"}


def test_a_model_dir_where_nothing_can_be_made_is_named(data: Data) -> None:
    # Not even root may make a directory there.
    with pytest.raises(rnn_core.StorageError, match="choose a model_dir that can be written"):
        make_estimator("/proc/model").train(data.train_input, steps=1)


def _cut_off(checkpoint: Path, kind: str, left: int) -> None:
    path = checkpoint.with_name(f"{checkpoint.name}.{kind}")
    path.write_bytes(path.read_bytes()[:left])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "left"), [("data-00000-of-00001", 100), ("index", 100), ("index", 0)]
)
def test_a_checkpoint_that_was_cut_off_is_passed_over_with_a_warning(
    kind: str, left: int, data: Data, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_estimator(tmp_path).train(data.train_input, max_steps=6)
    _cut_off(tmp_path / "model.ckpt-6", kind, left)
    again = make_estimator(tmp_path)
    assert again.evaluate(data.eval_input)["global_step"] == 4
    assert next(again.predict(data.eval_input))
    assert "Going back to" in caplog.text
    assert "model.ckpt-6 cannot be read" in caplog.text
    again.train(data.train_input, max_steps=6)
    whole = make_estimator(tmp_path / "whole").train(data.train_input, max_steps=6)
    assert same_bits(weights_of(again), weights_of(whole))


@pytest.mark.slow
def test_checkpoints_that_were_all_cut_off_are_an_error(data: Data, tmp_path: Path) -> None:
    make_estimator(tmp_path).train(data.train_input, max_steps=5)
    for index in tmp_path.glob("*.index"):
        index.write_bytes(b"")
    again = make_estimator(tmp_path)
    for call in (
        lambda: again.train(data.train_input, max_steps=6),
        lambda: again.evaluate(data.eval_input),
        lambda: next(again.predict(data.eval_input)),
    ):
        with pytest.raises(rnn_core.CheckpointError, match=r"cannot be read.*an older one"):
            call()
