"""The same work as a program for this one data set would do it: two loops over the lines.

It checks nothing of a row, counts nothing, holds no vocabulary to a file, and knows its two
features by name: what a general pipeline costs beside it is the price of all that.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import orjson
import tensorflow as tf

from benchmarks.preprocessing.rows import WIDTH, data_config
from components.data.sequence_examples import beside_features, encode
from components.data.splits.by_id import split_fractions, split_of

_RAW: Final = "raw_test"


def run(path: Path, directory: Path) -> None:
    """Writes the examples of all splits, and the raw ones of the test split."""
    fractions = split_fractions(data_config(path))
    count, total, squares = 0, np.zeros(WIDTH), np.zeros(WIDTH)
    tokens: Counter[str] = Counter()
    with path.open("rb") as file:
        for line in file:
            row = orjson.loads(line)
            if split_of(row["id"], fractions) != "train":
                continue
            values = np.array(row["sequence"]["x"], np.float32)
            count += len(values)
            total += values.sum(axis=0, dtype=np.float64)
            squares += np.square(values, dtype=np.float64).sum(axis=0)
            tokens.update(row["sequence"]["token"])
    mean = total / count
    deviation = np.sqrt(squares / count - mean**2)
    mean, deviation = mean.astype(np.float32), deviation.astype(np.float32)
    ids = {token: place for place, (token, _) in enumerate(tokens.most_common())}
    names = ("train", "validation", "test", _RAW)
    writers = {name: tf.io.TFRecordWriter(str(directory / f"{name}.tfrecord")) for name in names}
    with path.open("rb") as file:
        for line in file:
            row = orjson.loads(line)
            split = split_of(row["id"], fractions)
            values = np.array(row["sequence"]["x"], np.float32)
            words = row["sequence"]["token"]
            context = beside_features(row["id"], [row["label"]])
            places = np.array([ids.get(word, len(ids)) for word in words], np.int64)
            scaled = ((values - mean) / deviation).astype(np.float32)
            writers[split].write(encode(context, {"x": scaled, "token": places}))
            if split == "test":
                texts = [word.encode() for word in words]
                writers[_RAW].write(encode(context, {"x": values, "token": texts}))
    for writer in writers.values():
        writer.close()
