"""What is compared does the same work: each way writes the same rows into the same splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.preprocessing import beam_dicts, plain, product, rows

NAMES = ("train", "validation", "test", "raw_test")


def examples(directory: Path, name: str) -> dict[bytes, tf.train.SequenceExample]:
    paths = [path for path in directory.rglob(f"{name}*") if path.is_file()]
    found = {}
    for record in tf.data.TFRecordDataset(sorted(map(str, paths))):
        example = tf.train.SequenceExample.FromString(record.numpy())
        found[example.context.feature["id"].bytes_list.value[0]] = example
    return found


def numbers(example: tf.train.SequenceExample) -> list[list[float]]:
    return [list(step.float_list.value)
            for step in example.feature_lists.feature_list["x"].feature]  # fmt: skip


@pytest.mark.parametrize("way", [plain.run, beam_dicts.run])
def test_all_write_the_same_examples(way: Callable[[Path, Path], None], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    # Of so many rows each split has its share of each label, and the product moves none.
    rows.write(path, 1_200)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    product.run(path, ours)
    way(path, theirs)
    for name in NAMES:
        expected, found = examples(ours, name), examples(theirs, name)
        assert expected.keys() == found.keys()
        for key, example in expected.items():
            np.testing.assert_allclose(numbers(found[key]), numbers(example), atol=1e-4)
            assert found[key].context.feature["label"] == example.context.feature["label"]
    assert sum(len(examples(ours, name)) for name in NAMES[:3]) == 1_200
