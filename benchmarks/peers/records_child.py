"""Trains from TFRecords as the pipeline does, or from the same batches in memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

import rnn_core
from benchmarks.peers.rnn_core_child import WindowHook
from benchmarks.peers.work import WORKS, Work, batches
from benchmarks.processes.windows import Windows
from components.artifacts.schema import Schema, load_schema, save_schema
from components.artifacts.values import Examples
from components.config import ModelConfig
from components.data.sequence_examples import encode
from components.data.statistics import STATISTICS
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.training.datasets import read_batches
from components.training.estimator import build_estimator

_LENGTHS: Final = (5, 200)
_BATCHES: Final = 32


def main(settings: dict[str, Any]) -> None:
    """``work``, ``model_dir``, and ``from_memory`` and ``sorted``, which may be left out."""
    shortest, longest = _LENGTHS
    work = WORKS[settings["work"]]._replace(
        shortest=shortest, longest=longest, batches=_BATCHES, window_steps=3 * _BATCHES
    )
    directory = Path(settings["model_dir"])
    is_sorted = settings.get("sorted", False)
    examples = _write(work, directory / "examples", is_sorted)

    def input_fn() -> tf.data.Dataset:
        seed = None if is_sorted else 1
        dataset = read_batches(examples, "train", work.rows, shuffle_seed=seed, repeat=True)
        if not settings.get("from_memory", False):
            return dataset
        return dataset.take(_BATCHES).cache().repeat().prefetch(2)

    model = ModelConfig(cell_type=work.cell, units=work.units)
    config = rnn_core.RunConfig(save_checkpoints_secs=3600)
    estimator = build_estimator(load_schema(examples.path), model, directory, config)
    estimator.train(input_fn, hooks=[WindowHook(work, Windows())])


def _write(work: Work, directory: Path, is_sorted: bool) -> Examples:
    """One file with the rows of all batches, or with those rows by length."""
    directory.mkdir(parents=True)
    rows = [row for batch in batches(work) for row in zip(*batch, strict=True)]
    if is_sorted:
        rows.sort(key=lambda row: int(row[0]))
    labels = tuple(sorted({str(label) for _, _, label in rows}))
    features = FeaturesConfig({"x": NumericFeature("numeric", width=work.features)})
    save_schema(Schema(features, labels, {}), directory)
    (directory / STATISTICS).write_text(json.dumps({"rows": {"train": len(rows)}}))
    with tf.io.TFRecordWriter(str(directory / "train-00000-of-00001.tfrecord")) as writer:
        for length, values, label in rows:
            writer.write(encode({"label": [str(label).encode()]}, {"x": values[:length]}))
    return Examples(str(directory), "")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
