"""The same work as a Beam pipeline in its plainest form: lines, dictionaries, protocol buffers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from benchmarks.preprocessing.rows import PREPROCESSING, WIDTH, data_config
from components.data.splits.by_id import SplitFractions, split_fractions, split_of

_Sums = tuple[int, Any, Any]


def run(path: Path, directory: Path) -> None:
    """Writes the examples of all splits, and the raw ones of the test split."""
    fractions = split_fractions(data_config(path))
    with beam.Pipeline(runner=PREPROCESSING.runner) as pipeline:
        rows = pipeline | beam.io.ReadFromText(str(path)) | beam.Map(json.loads)
        train = rows | beam.Filter(lambda row: split_of(row["id"], fractions) == "train")
        moments = train | beam.Map(_sums) | beam.CombineGlobally(_added)
        vocabulary = (
            train
            | beam.FlatMap(lambda row: row["sequence"]["token"])
            | beam.combiners.Count.PerElement()
            | beam.combiners.ToList()
            | beam.Map(_places)
        )
        moments, vocabulary = beam.pvalue.AsSingleton(moments), beam.pvalue.AsSingleton(vocabulary)
        examples = rows | beam.FlatMap(_examples, fractions, moments, vocabulary)
        for name in ("train", "validation", "test", "raw_test"):
            _ = (
                examples
                | f"Of {name}" >> beam.Filter(lambda item, name=name: item[0] == name)
                | f"Bytes of {name}" >> beam.Values()
                | f"Write {name}" >> beam.io.WriteToTFRecord(str(directory / name))
            )


def _sums(row: dict[str, Any]) -> _Sums:
    values = np.array(row["sequence"]["x"], np.float32)
    return len(values), values.sum(axis=0), np.square(values, dtype=np.float64).sum(axis=0)


def _added(parts: Iterable[_Sums]) -> _Sums:
    count, total, squares = 0, np.zeros(WIDTH), np.zeros(WIDTH)
    for each in parts:
        count, total, squares = count + each[0], total + each[1], squares + each[2]
    return count, total, squares


def _places(counts: list[tuple[str, int]]) -> dict[str, int]:
    return {token: place for place, (token, _) in enumerate(Counter(dict(counts)).most_common())}


def _examples(
    row: dict[str, Any], fractions: SplitFractions, moments: _Sums, vocabulary: dict[str, int]
) -> Iterator[tuple[str, bytes]]:
    count, total, squares = moments
    mean = total / count
    deviation = np.sqrt(squares / count - mean**2)
    values = np.array(row["sequence"]["x"], np.float32)
    words = row["sequence"]["token"]
    places = [vocabulary.get(word, len(vocabulary)) for word in words]
    split = split_of(row["id"], fractions)
    steps = [tf.train.Feature(float_list=tf.train.FloatList(value=each))
             for each in (values - mean) / deviation]  # fmt: skip
    ids = [tf.train.Feature(int64_list=tf.train.Int64List(value=[each])) for each in places]
    yield split, _serialized(row, steps, ids)
    if split == "test":
        steps = [tf.train.Feature(float_list=tf.train.FloatList(value=each)) for each in values]
        texts = [tf.train.Feature(bytes_list=tf.train.BytesList(value=[word.encode()]))
                 for word in words]  # fmt: skip
        yield "raw_test", _serialized(row, steps, texts)


def _serialized(
    row: dict[str, Any], steps: list[tf.train.Feature], tokens: list[tf.train.Feature]
) -> bytes:
    def text(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    example = tf.train.SequenceExample(
        context=tf.train.Features(feature={"id": text(row["id"]), "label": text(row["label"])}),
        feature_lists=tf.train.FeatureLists(
            feature_list={
                "x": tf.train.FeatureList(feature=steps),
                "token": tf.train.FeatureList(feature=tokens),
            }
        ),
    )
    serialized: bytes = example.SerializeToString()
    return serialized
