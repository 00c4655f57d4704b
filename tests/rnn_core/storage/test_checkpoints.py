"""Checkpoint files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArchitectureError, CheckpointError, StorageError
from rnn_core.storage import checkpoints


def keeper(directory: Path, keep_max: int | None = 2, hours: float = 1e4) -> checkpoints.Keeper:
    return checkpoints.Keeper(str(directory), keep_max, hours)


def values(number: float = 1.0) -> dict[str, tf.Tensor]:
    return {"a/kernel": tf.fill([2, 3], number), "global_step": tf.constant(4, tf.int64)}


def test_what_is_saved_is_read_by_name_with_tensorflow(tmp_path: Path) -> None:
    prefix = keeper(tmp_path).save(values(2.5), 4)
    reader = tf.train.load_checkpoint(str(tmp_path))
    assert prefix == str(tmp_path / "model.ckpt-4")
    assert reader.get_variable_to_shape_map() == {"a/kernel": [2, 3], "global_step": []}
    assert np.all(reader.get_tensor("a/kernel") == 2.5)
    assert checkpoints.read_step(prefix) == 4


def test_the_state_file_has_relative_paths_and_a_directory_may_be_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    keeper(tmp_path / "old").save(values(), 4)
    (tmp_path / "old").rename(tmp_path / "new")
    assert checkpoints.latest(str(tmp_path / "new")) == str(tmp_path / "new" / "model.ckpt-4")


def test_the_state_file_has_the_text_of_tensorflow_2_15(tmp_path: Path) -> None:
    for step in (4, 8):
        keeper(tmp_path).save(values(), step)
    assert (tmp_path / "checkpoint").read_text() == (
        'model_checkpoint_path: "model.ckpt-8"\n'
        'all_model_checkpoint_paths: "model.ckpt-4"\n'
        'all_model_checkpoint_paths: "model.ckpt-8"\n'
    )


def test_the_oldest_goes_with_all_its_files(tmp_path: Path) -> None:
    keeps = keeper(tmp_path)
    for step in (1, 2, 3):
        (tmp_path / f"model.ckpt-{step}.input.json").write_text("{}")
        keeps.save(values(), step)
    names = {path.name.split(".")[1] for path in tmp_path.glob("model.*")}
    assert names == {"ckpt-2", "ckpt-3"}


def test_a_new_process_goes_on_with_the_list(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        keeper(tmp_path).save(values(), step)
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert [Path(path).name for path in state.all_model_checkpoint_paths] == [
        "model.ckpt-2",
        "model.ckpt-3",
    ]


@pytest.mark.parametrize("keep_max", [0, None])
def test_zero_and_none_keep_all(tmp_path: Path, keep_max: int | None) -> None:
    keeps = keeper(tmp_path, keep_max)
    for step in range(4):
        keeps.save(values(), step)
    assert len(list(tmp_path.glob("*.index"))) == 4


def test_what_was_kept_without_a_limit_is_safe_from_a_later_one(tmp_path: Path) -> None:
    unlimited = keeper(tmp_path, None)
    for step in range(3):
        unlimited.save(values(), step)
    limited = keeper(tmp_path, 1)
    limited.save(values(), 3)
    names = sorted(path.stem for path in tmp_path.glob("*.index"))
    assert names == ["model.ckpt-0", "model.ckpt-1", "model.ckpt-3"]


def test_one_every_so_many_hours_is_kept_for_good(tmp_path: Path) -> None:
    keeps = keeper(tmp_path, 1, 0.0)
    for step in range(3):
        keeps.save(values(), step)
    assert len(list(tmp_path.glob("*.index"))) == 3
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert len(state.all_model_checkpoint_paths) == 1


def test_the_hours_go_on_in_a_new_process(tmp_path: Path) -> None:
    for step in range(5):
        keeper(tmp_path, 1, 24).save(values(), step)
        made_at = time.time() + step * 20 * 3600
        os.utime(tmp_path / f"model.ckpt-{step}.index", (made_at, made_at))
    names = sorted(path.stem for path in tmp_path.glob("*.index"))
    assert names == ["model.ckpt-2", "model.ckpt-4"]


def test_a_checkpoint_that_is_cut_off_is_named(tmp_path: Path) -> None:
    prefix = keeper(tmp_path).save(values(), 4)
    data = next(tmp_path.glob("*.data-*"))
    data.write_bytes(data.read_bytes()[:10])
    with pytest.raises(CheckpointError, match=r"model\.ckpt-4 cannot be read"):
        checkpoints.read(prefix)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing"):
        checkpoints.read(str(tmp_path / "nothing"))


def test_another_architecture_is_told_by_its_first_variables(tmp_path: Path) -> None:
    prefix = keeper(tmp_path).save(values(), 4)
    variables = {
        "a/kernel": tf.Variable(tf.zeros([2, 4])),
        "b/kernel": tf.Variable(tf.zeros([1])),
    }
    with pytest.raises(ArchitectureError) as caught:
        checkpoints.restore(variables, prefix)
    assert "a/kernel is [2, 3] there and [2, 4] here" in str(caught.value)
    assert "b/kernel [1] is not in it" in str(caught.value)
    assert np.all(variables["a/kernel"].numpy() == 0)


def test_a_directory_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Free some space"):
        keeper(tmp_path / "file" / "model").save(values(), 1)


def test_the_oldest_goes_with_what_a_killed_worker_left(tmp_path: Path) -> None:
    keeps = keeper(tmp_path)
    for step in (1, 2, 3):
        half_written = tmp_path / f"model.ckpt-{step}.input-1-of-2_temp"
        half_written.mkdir()
        (half_written / "part-00000-of-00001.data-00000-of-00001").write_text("half")
        keeps.save(values(), step)
    assert not list(tmp_path.glob("model.ckpt-1.*"))


def test_an_old_one_that_cannot_be_deleted_does_not_stop_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(prefix: str) -> None:
        raise PermissionError(13, "Permission denied", prefix)

    monkeypatch.setattr(checkpoints, "delete", refuse)
    keeps = keeper(tmp_path)
    for step in (1, 2, 3, 4):
        keeps.save(values(), step)
    assert checkpoints.latest(str(tmp_path)) == str(tmp_path / "model.ckpt-4")
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert [Path(path).name for path in state.all_model_checkpoint_paths] == [
        "model.ckpt-3",
        "model.ckpt-4",
    ]
    assert caplog.text.count("could not be deleted") == 2


def test_the_newest_one_is_that_of_the_state_as_it_is_now(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert checkpoints.latest(directory) is None
    for step in (1, 2):
        checkpoints.write({"a": tf.constant(1.0)}, str(tmp_path / f"model.ckpt-{step}"))
        checkpoints.write_state(directory, [f"model.ckpt-{step}"])
        assert checkpoints.latest(directory) == str(tmp_path / f"model.ckpt-{step}")
    checkpoints.delete(str(tmp_path / "model.ckpt-2"))
    assert checkpoints.latest(directory) is None
