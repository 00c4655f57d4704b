"""Event files."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from rnn_core import StorageError
from rnn_core.storage import summaries
from rnn_core.storage.summaries import EventWriter, read_events


def test_what_is_written_is_read_by_step_and_tag(tmp_path: Path) -> None:
    for number in (1, 2):
        writer = EventWriter(str(tmp_path))
        writer.write({"loss": number / 4, "global_step/sec": 8.0}, number)
        writer.close()
    assert read_events(str(tmp_path)) == {
        1: {"loss": 0.25, "global_step/sec": 8.0},
        2: {"loss": 0.5, "global_step/sec": 8.0},
    }


def test_tensorflow_reads_the_file(tmp_path: Path) -> None:
    writer = EventWriter(str(tmp_path))
    writer.write({"loss": 0.5}, 3)
    writer.close()
    (path,) = tmp_path.iterdir()
    records = [
        tf.compat.v1.Event.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    assert records[0].file_version == "brain.Event:2"
    assert (records[1].step, records[1].summary.value[0].simple_value) == (3, 0.5)


def test_what_2_15_wrote_beside_numbers_is_there(tmp_path: Path) -> None:
    writer = EventWriter(str(tmp_path))
    writer.write_start(5)
    writer.write_checkpoint("model.ckpt-6", 6)
    writer.write_tensor("checkpoint_path", "model.ckpt-6", 7)
    writer.close()
    (path,) = tmp_path.iterdir()
    events = [
        tf.compat.v1.Event.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ][1:]
    kinds = tf.compat.v1.SessionLog
    assert [event.step for event in events] == [5, 6, 7]
    assert [event.session_log.status for event in events[:2]] == [kinds.START, kinds.CHECKPOINT]
    assert events[1].session_log.checkpoint_path == "model.ckpt-6"
    (value,) = events[2].summary.value
    assert (value.tag, tf.make_ndarray(value.tensor)) == ("checkpoint_path", b"model.ckpt-6")


def test_a_writer_that_was_closed_goes_on_in_a_new_file(tmp_path: Path) -> None:
    writer = EventWriter(str(tmp_path))
    for step in (1, 2):
        writer.write({"loss": 0.5}, step)
        writer.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert list(read_events(str(tmp_path))) == [1, 2]


def test_a_last_record_that_a_kill_cut_off_is_skipped(tmp_path: Path) -> None:
    writer = EventWriter(str(tmp_path))
    writer.write({"loss": 0.5}, 1)
    writer.write({"loss": 0.25}, 2)
    writer.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert read_events(str(tmp_path)) == {1: {"loss": 0.5}}


def test_no_file_is_made_before_the_first_number(tmp_path: Path) -> None:
    EventWriter(str(tmp_path / "eval")).close()
    assert not (tmp_path / "eval").exists()
    assert read_events(str(tmp_path / "eval")) == {}


def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "eval").touch()
    with pytest.raises(StorageError, match="eval"):
        EventWriter(str(tmp_path / "eval" / "x")).write({"loss": 1.0}, 1)


def test_a_histogram_counts_values_up_to_each_limit() -> None:
    (value,) = summaries.histogram("lengths", tf.constant([3, 1, 3], tf.int64)).value
    assert (value.tag, value.histo.num, value.histo.sum) == ("lengths", 3, 7)
    counts = zip(value.histo.bucket_limit, value.histo.bucket, strict=True)
    assert [round(limit) for limit, count in counts if count] == [1, 3]
    assert [count for count in value.histo.bucket if count] == [1, 2]


def test_what_a_graph_collects_is_one_summary() -> None:
    @tf.function(autograph=False)
    def run() -> tf.Tensor:
        assert summaries.collected() is None
        summaries.collect_number("loss/head", tf.constant(0.5))
        summaries.collect_histogram("lengths", tf.constant([1, 2]))
        return summaries.collected()

    number, lengths = summaries.parse(run().numpy()).value
    assert (number.tag, number.simple_value) == ("loss/head", 0.5)
    assert (lengths.tag, lengths.histo.num) == ("lengths", 2)
    assert not summaries.parse(b"").value


def test_outside_of_a_graph_nothing_is_collected() -> None:
    summaries.collect_number("loss", tf.constant(0.5))
    assert summaries.collected() is None
