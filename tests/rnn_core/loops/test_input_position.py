"""The place in the input that a restart goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from rnn_core import InputPositionError
from rnn_core.loops.input_position import InputPosition, has_exact_state


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
