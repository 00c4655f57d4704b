"""TFRecords of examples: features of the context, lists, and damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.config import ColumnsConfig
from components.data.row_parsing import InvalidRow
from components.data.sources.formats import source_of
from components.data.sources.source import Record
from components.errors import DataError

pytestmark = pytest.mark.slow


def feature(*values: Any) -> tf.train.Feature:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def sequence_example(number: int) -> bytes:
    steps = [feature(0.5, float(step)) for step in range(number % 3 + 1)]
    words = [feature(b"w%d" % step) for step in range(number % 3 + 1)]
    return bytes(
        tf.train.SequenceExample(
            context=tf.train.Features(
                feature={
                    "id": feature(b"r%d" % number),
                    "label": feature(b"a"),
                    "age": feature(number),
                    "place": feature(1.0, 2.0),
                    "none": tf.train.Feature(),
                }
            ),
            feature_lists=tf.train.FeatureLists(
                feature_list={
                    "x": tf.train.FeatureList(feature=steps),
                    "word": tf.train.FeatureList(feature=words),
                }
            ),
        ).SerializeToString()
    )


def write(folder: Path, examples: list[bytes]) -> str:
    path = str(folder / "rows.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for example in examples:
            writer.write(example)
    return path


def records(path: str, chunk_bytes: int = 1 << 20, **columns: Any) -> list[Record]:
    source = source_of(path, ColumnsConfig(**columns))
    return [record for chunk in source.chunks(chunk_bytes) for record in chunk.records()]


@pytest.mark.parametrize("chunk_bytes", [1, 600, 1 << 20])
def test_lists_are_sequences_and_the_rest_is_the_context(chunk_bytes: int, tmp_path: Path) -> None:
    found = records(write(tmp_path, [sequence_example(n) for n in range(9)]), chunk_bytes)
    assert [record.number for record in found] == list(range(1, 10))
    assert found[4].values == {
        "id": "r4",
        "label": "a",
        "context": {"age": 4, "place": [1.0, 2.0], "none": None},
        "sequence": {"x": [[0.5, 0.0], [0.5, 1.0]], "word": ["w0", "w1"]},
    }


def test_of_an_example_features_of_several_values_are_sequences(tmp_path: Path) -> None:
    example = tf.train.Example(
        features=tf.train.Features(
            feature={"class": feature(b"a"), "x": feature(1.0, 2.0), "age": feature(4)}
        )
    )
    path = write(tmp_path, [bytes(example.SerializeToString())])
    (found,) = records(path, id=None, label="class")
    assert found.values == {
        "id": "rows-1", "label": "a", "context": {"age": 4}, "sequence": {"x": [1.0, 2.0]},
    }  # fmt: skip


def test_the_columns_are_those_of_the_first_record(tmp_path: Path) -> None:
    path = write(tmp_path, [sequence_example(1)])
    names = source_of(path).column_names()  # type: ignore[attr-defined]
    assert sorted(names) == ["age", "id", "label", "none", "place", "word", "x"]


def test_a_record_that_is_no_example_is_an_invalid_row(tmp_path: Path) -> None:
    good, bad = records(write(tmp_path, [sequence_example(1), b"\xff\xff"]))
    assert good.values["id"] == "r1"
    assert isinstance(bad.values, InvalidRow)


@pytest.mark.parametrize("cut", [1, 40])
def test_a_file_that_is_cut_off_is_refused(cut: int, tmp_path: Path) -> None:
    path = Path(write(tmp_path, [sequence_example(n) for n in range(3)]))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match="is no whole TFRecord file"):
        records(str(path))


def test_a_damaged_byte_is_found(tmp_path: Path) -> None:
    path = Path(write(tmp_path, [sequence_example(n) for n in range(3)]))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        records(str(path))
