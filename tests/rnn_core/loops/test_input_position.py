"""The place in the input that a restart goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rnn_core import InputPositionError
from rnn_core.loops.input_position import InputPosition, has_exact_state
from rnn_core.names import InputCheckpoint


def shuffled() -> tf.data.Dataset:
    return tf.data.Dataset.range(10).shuffle(10, seed=3).repeat().batch(3).prefetch(2)


def shuffled_by_batches() -> tf.data.Dataset:
    """What TensorFlow does not restore exactly."""
    return tf.data.Dataset.range(10).shuffle(10, seed=3).batch(3).repeat()


def counted() -> tf.data.Dataset:
    """A source whose iterator cannot be saved."""
    return tf.data.Dataset.from_generator(
        lambda: iter(range(100)), output_signature=tf.TensorSpec([], tf.int64)
    )


def take(position: InputPosition, count: int) -> list[list[int]]:
    position.batches += count
    return [next(position.iterator).numpy().tolist() for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("dataset", [shuffled, shuffled_by_batches, counted])
@pytest.mark.parametrize("taken", range(9))
def test_a_restored_input_goes_on_where_it_was_saved(
    dataset: Callable[[], tf.data.Dataset], taken: int, tmp_path: Path
) -> None:
    checkpoint = str(tmp_path / "model.ckpt-5")
    first = InputPosition(dataset())
    take(first, taken)
    first.save(checkpoint)
    expected = take(InputPosition(dataset()), 14)[taken:]
    second = InputPosition(dataset())
    assert second.restore(checkpoint)
    assert second.batches == taken
    assert take(second, 14 - taken) == expected
    assert all(path.name.startswith("model.ckpt-5.input.") for path in tmp_path.iterdir())


def test_without_a_saved_position_the_input_starts_at_its_beginning(tmp_path: Path) -> None:
    position = InputPosition(shuffled())
    assert not position.restore(str(tmp_path / "model.ckpt-5"))
    assert position.batches == 0


@pytest.mark.parametrize(
    ("saved", "reason"),
    [((1, 2), "is missing"), ((1, 3), "was saved by another number of workers")],
)
def test_who_has_no_position_beside_others_is_told_why(
    saved: tuple[int, int], reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = str(tmp_path / "model.ckpt-5")
    InputPosition(shuffled(), *saved).save(checkpoint)
    assert not InputPosition(shuffled(), 0, 2).restore(checkpoint)
    assert f"{reason} (there are: input-{saved[0]}-of-{saved[1]})" in caplog.text


def test_another_input_is_refused(tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "model.ckpt-5")
    InputPosition(shuffled()).save(checkpoint)
    with pytest.raises(InputPositionError, match="not the one"):
        InputPosition(tf.data.Dataset.range(4)).restore(checkpoint)


def test_a_forgotten_position_is_gone_and_its_checkpoint_is_not(tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "model.ckpt-5")
    InputPosition(shuffled()).save(checkpoint)
    (tmp_path / "model.ckpt-5.index").touch()
    InputPosition(shuffled()).forget(checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt-5.index"]


def test_only_a_shuffle_right_before_its_repeat_has_an_exact_state() -> None:
    assert has_exact_state(shuffled())
    assert has_exact_state(tf.data.Dataset.range(10).shuffle(10).batch(3))
    assert not has_exact_state(shuffled_by_batches())
    assert not has_exact_state(
        tf.data.Dataset.range(2)
        .interleave(lambda start: tf.data.Dataset.range(start, 5).shuffle(3))
        .repeat()
    )


ROWS = 300


def numbers(row: tf.Tensor, steps: Any) -> tf.Tensor:
    """What cannot be compressed."""
    return tf.random.stateless_uniform([steps, 32], [1, tf.cast(row, tf.int32)])


def of_fixed_length() -> tf.data.Dataset:
    """Rows of 12.8 kB, all of them in the buffer of the shuffle."""
    rows = tf.data.Dataset.range(ROWS).map(lambda row: (row, numbers(row, 100)))
    return keys_of(rows.shuffle(ROWS, seed=3).repeat().batch(30))


def of_any_length() -> tf.data.Dataset:
    """As many bytes, but the graph does not say so."""
    rows = tf.data.Dataset.range(ROWS).map(lambda row: (row, numbers(row, 100 + row)))
    return keys_of(rows.shuffle(ROWS, seed=3).repeat().padded_batch(30))


def in_a_cache() -> tf.data.Dataset:
    return keys_of(tf.data.Dataset.range(ROWS).map(lambda row: (row, row)).cache().repeat())


def keys_of(dataset: tf.data.Dataset) -> tf.data.Dataset:
    return dataset.map(lambda key, value: tf.reshape(key, [-1]))


def bytes_in(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


@pytest.mark.parametrize("dataset", [of_fixed_length, of_any_length, in_a_cache])
def test_a_position_takes_no_room_for_the_rows(
    dataset: Callable[[], tf.data.Dataset], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rnn_core")
    first = InputPosition(dataset())
    checkpoints = [str(tmp_path / f"model.ckpt-{step}") for step in (0, 5, 9)]
    for checkpoint, count in zip(checkpoints, (0, 5, 4), strict=True):
        take(first, count)
        first.save(checkpoint)
    assert bytes_in(tmp_path) < 100_000
    assert caplog.text.count("the number of batches that were read") == 1
    second = InputPosition(dataset())
    assert second.restore(checkpoints[2])
    assert take(second, 12) == take(first, 12)


@pytest.mark.parametrize("way", ["iterator", "count"])
def test_the_way_of_the_config_is_taken(
    way: InputCheckpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rnn_core")
    checkpoint = str(tmp_path / "model.ckpt-5")
    first = InputPosition(of_fixed_length(), way=way)
    take(first, 5)
    first.save(checkpoint)
    assert (bytes_in(tmp_path) > ROWS * 12_800) == (way == "iterator")
    assert ("hold the state" if way == "iterator" else "input_checkpoint says") in caplog.text
    second = InputPosition(of_fixed_length(), way=way)
    assert second.restore(checkpoint)
    assert take(second, 12) == take(first, 12)


def test_without_a_way_nothing_is_saved(tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "model.ckpt-5")
    InputPosition(shuffled()).save(checkpoint)
    assert not InputPosition(shuffled(), way="none").restore(checkpoint)
    InputPosition(shuffled(), way="none").save(str(tmp_path / "model.ckpt-6"))
    assert not list(tmp_path.glob("model.ckpt-6*"))


@pytest.mark.parametrize("kept", ["input.json", "input.index"])
def test_a_position_of_an_earlier_version_is_read(kept: str, tmp_path: Path) -> None:
    """It had one of the two files, and no seed."""
    checkpoint = str(tmp_path / "model.ckpt-5")
    first = InputPosition(shuffled(), way="count" if kept == "input.json" else "auto")
    take(first, 5)
    first.save(checkpoint)
    record = Path(f"{checkpoint}.input.json")
    record.write_text('{"batches": 5}') if kept == "input.json" else record.unlink()
    second = InputPosition(shuffled())
    assert second.restore(checkpoint)
    assert second.batches == 5
    assert take(second, 6) == take(first, 6)
